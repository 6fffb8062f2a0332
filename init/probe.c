#include "init/probe.h"

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#include "init/base.h"
#include "init/door.h"
#include "init/say.h"
#include "init/sentinel.h"
#include "init/text.h"

/* A public resolver answers within 50 ms from most places on earth; the sidecar's refusals come in one. */
enum { DOORS_MS = 80, SIDECAR_MS = 2000, RETRY_MS = 20, MAX_DOORS = 40, DNS_PORT = 53, DISCARD_PORT = 9 };

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d)) /* host order */

/* RFC 5737: nobody is there, so whoever accepts a connection to it is the sidecar. */
static const uint32_t control_address = IPV4(192, 0, 2, 1);

/* Public services whose only task here is to answer if a packet gets through. 0 stands for a neighbour. */
static const struct row {
    const char *what;
    enum door_kind kind;
    uint32_t addr;
    uint16_t port;
} table[] = {
    {"TCP to a raw address", DOOR_TCP, IPV4(1, 1, 1, 1), 443},
    {"TCP to a raw address", DOOR_TCP, IPV4(1, 1, 1, 1), 853},
    {"TCP to a raw address", DOOR_TCP, IPV4(8, 8, 8, 8), 443},
    {"TCP to a raw address", DOOR_TCP, IPV4(8, 8, 8, 8), 853},
    {"the metadata address", DOOR_TCP, IPV4(169, 254, 169, 254), 80},
    {"a neighbour or the host", DOOR_TCP, 0, 22},
    {"a neighbour or the host", DOOR_TCP, 0, 80},
    {"a neighbour or the host", DOOR_TCP, 0, 445},
    {"a neighbour or the host", DOOR_TCP, 0, 5900},
    {"UDP (NTP)", DOOR_NTP, IPV4(162, 159, 200, 1), 123},
    {"UDP (NTP)", DOOR_NTP, IPV4(216, 239, 35, 0), 123},
    {"QUIC", DOOR_QUIC, IPV4(1, 1, 1, 1), 443},
    {"ping", DOOR_ECHO, IPV4(1, 1, 1, 1), 0},
    {"foreign DNS over UDP", DOOR_DNS_UDP, IPV4(9, 9, 9, 9), DNS_PORT},
    {"foreign DNS over UDP", DOOR_DNS_UDP, 0, DNS_PORT},
    {"foreign DNS over TCP", DOOR_DNS_TCP, IPV4(9, 9, 9, 9), DNS_PORT},
};

struct probe {
    const struct link *link;
    uint32_t gateway;
    uint32_t neighbour; /* 0: none in this subnet */
    struct door doors[MAX_DOORS];
    unsigned n;
};

static long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The first address of the subnet that is neither the sidecar's nor ours: on most networks the host's. */
static uint32_t pick_neighbour(const struct link *link, uint32_t gateway)
{
    if (link->prefix > 30)
        return 0;
    uint32_t net = be32toh(link->addr) & ~(~0u >> link->prefix);
    for (uint32_t host = 1; host <= 3; host++)
        if (htobe32(net + host) != gateway && htobe32(net + host) != link->addr)
            return htobe32(net + host);
    return 0;
}

static void add(struct probe *p, const struct door *door)
{
    if (p->n == MAX_DOORS)
        fatal("too many probes");
    struct door *d = &p->doors[p->n++];
    *d = *door;
    d->sidecar = p->gateway;
    door_knock(d);
}

static uint16_t port_of(const struct door *d)
{
    return be16toh(((const struct sockaddr_in *)(const void *)&d->to)->sin_port);
}

static bool is_control(const struct door *d)
{
    return d->to.ss_family == AF_INET &&
           ((const struct sockaddr_in *)(const void *)&d->to)->sin_addr.s_addr == htobe32(control_address);
}

/* The control connection for a port; NULL where there is none. */
static struct door *control_of(struct probe *p, uint16_t port)
{
    for (unsigned i = 0; i < p->n; i++)
        if (is_control(&p->doors[i]) && port_of(&p->doors[i]) == port)
            return &p->doors[i];
    return NULL;
}

static void knock_everywhere(struct probe *p)
{
    static const uint8_t cloudflare[16] = {0x26, 0x06, 0x47, 0x00, 0x47, 0x00, [14] = 0x11, 0x11};
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        const struct row *r = &table[i];
        uint32_t addr = r->addr != 0 ? htobe32(r->addr) : p->neighbour;
        if (addr == 0)
            continue;
        if (r->kind == DOOR_TCP && control_of(p, r->port) == NULL)
            add(p, &(struct door){.kind = DOOR_TCP, .to = door_ipv4(htobe32(control_address), r->port)});
        add(p, &(struct door){.what = r->what, .kind = r->kind, .to = door_ipv4(addr, r->port)});
    }
    add(p, &(struct door){.what = "TCP over IPv6", .kind = DOOR_TCP, .to = door_ipv6(cloudflare, 853, 0)});
}

/* Polls what is pending for at most `ms`. Returns how many were. */
static unsigned listen_once(struct probe *p, long ms)
{
    struct pollfd fds[MAX_DOORS];
    unsigned pending = 0;
    for (unsigned i = 0; i < p->n; i++) {
        fds[i] = (struct pollfd){.fd = p->doors[i].fd, .events = door_events(&p->doors[i])};
        pending += p->doors[i].state == DOOR_PENDING;
    }
    if (pending == 0 || poll(fds, p->n, (int)ms) <= 0)
        return pending;
    for (unsigned i = 0; i < p->n; i++)
        if (fds[i].fd >= 0 && fds[i].revents != 0)
            door_listen(&p->doors[i]);
    return pending;
}

static bool is_leak(struct probe *p, const struct door *d)
{
    if (d->state != DOOR_OPEN || is_control(d))
        return false;
    if (d->kind != DOOR_TCP || d->to.ss_family != AF_INET)
        return true;
    const struct door *control = control_of(p, port_of(d));
    return control == NULL || control->state != DOOR_OPEN;
}

static _Noreturn void report(const struct door *d)
{
    char text[IPV4_STRLEN] = "IPv6";
    if (d->to.ss_family == AF_INET)
        (void)ipv4_format(((const struct sockaddr_in *)(const void *)&d->to)->sin_addr.s_addr, text);
    fatal("open door: %s (%s port %u) is answered past the sidecar", d->what, text, port_of(d));
}

static void try_doors(struct probe *p)
{
    long end = now_ms() + DOORS_MS, left;
    knock_everywhere(p);
    while ((left = end - now_ms()) > 0 && listen_once(p, left) > 0)
        continue;
    for (unsigned i = 0; i < p->n; i++)
        door_leave(&p->doors[i]);
    for (unsigned i = 0; i < p->n; i++)
        if (is_leak(p, &p->doors[i]))
            report(&p->doors[i]);
}

static void must_not_pass(const struct link *link, const char *what, struct sockaddr_storage to)
{
    if (door_send_past(link->name, &to))
        fatal("open door: a packet to %s can be sent past the routes on %s", what, link->name);
}

static void try_past_routes(const struct probe *p)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    if (p->neighbour != 0)
        must_not_pass(p->link, "a neighbour", door_ipv4(p->neighbour, DISCARD_PORT));
    must_not_pass(p->link, "everybody (broadcast)", door_ipv4(0xffffffff, DISCARD_PORT));
    must_not_pass(p->link, "multicast", door_ipv4(htobe32(IPV4(224, 0, 0, 251)), DISCARD_PORT));
    must_not_pass(p->link, "IPv6 neighbours", door_ipv6(all_nodes, DISCARD_PORT, p->link->index));
}

/* The resolver may still be starting: it is asked again until it answers. */
static void await_sidecar(const struct probe *p, uint32_t dns)
{
    char text[IPV4_STRLEN];
    for (long end = now_ms() + SIDECAR_MS; now_ms() < end;) {
        uint8_t msg[SENTINEL_QUERY_LEN > 512 ? SENTINEL_QUERY_LEN : 512];
        uint16_t id = (uint16_t)now_ms();
        struct sockaddr_storage to = door_ipv4(dns, DNS_PORT);
        cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        sentinel_query(id, msg);
        if (connect(fd, (struct sockaddr *)&to, sizeof(struct sockaddr_in)) == 0 &&
            send(fd, msg, SENTINEL_QUERY_LEN, MSG_NOSIGNAL) > 0)
            (void)poll(&pfd, 1, RETRY_MS);
        ssize_t n = recv(fd, msg, sizeof msg, MSG_DONTWAIT);
        if (n < 0) {
            const struct timespec pause = {.tv_nsec = 2000000};
            (void)nanosleep(&pause, NULL); /* a refusal comes at once: no busy loop */
            continue;
        }
        switch (sentinel_judge(msg, (size_t)n, id, p->gateway)) {
        case SENTINEL_SIDECAR: return;
        case SENTINEL_STRANGER:
            fatal("name server %s is not the sidecar's: it does not know " SENTINEL_NAME,
                ipv4_format(dns, text));
        case SENTINEL_NONE: break;
        }
    }
    fatal("the sidecar's name server %s does not answer; is egressd running?", ipv4_format(dns, text));
}

void probe_all(const struct link *link, uint32_t gateway, uint32_t dns, bool firewall)
{
    struct probe p = {.link = link, .gateway = gateway, .neighbour = pick_neighbour(link, gateway)};
    await_sidecar(&p, dns);
    if (firewall)
        try_past_routes(&p);
    try_doors(&p);
}
