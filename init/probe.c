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

/* A public resolver answers within 50 ms from most places on earth; the sidecar's refusals come in one. Where
 * an answer has begun, its rest is worth waiting for. */
enum { DOORS_MS = 80, ANSWERS_MS = 1000, SIDECAR_MS = 2000, RETRY_MS = 20 };
enum { PATIENCE = 4, PATIENCE_MS = 1000 };
enum { MAX_DOORS = 96, DNS_PORT = 53, DISCARD_PORT = 9 };

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d)) /* host order */

/* RFC 5737, RFC 3849: nobody is there, so whoever accepts a connection to it is the sidecar. */
static const uint32_t control_address = IPV4(192, 0, 2, 1);
static const struct ipv6 control_address6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

/* Public services whose only task here is to answer if a packet gets through. 0 stands for each neighbour. */
static const struct row {
    const char *what;
    enum door_kind kind;
    uint32_t addr;
    uint16_t port;
} table[] = {
    {"TCP to a raw address", DOOR_TCP, IPV4(1, 1, 1, 1), 443},
    {"DNS over TLS", DOOR_TCP, IPV4(1, 1, 1, 1), 853},
    {"TCP to a raw address", DOOR_TCP, IPV4(8, 8, 8, 8), 443},
    {"DNS over TLS", DOOR_TCP, IPV4(8, 8, 8, 8), 853},
    {"plain HTTP to an unlisted host", DOOR_HTTP, IPV4(1, 1, 1, 1), 80},
    {"TLS to an unlisted host", DOOR_TLS, IPV4(8, 8, 8, 8), 443},
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

#define CLOUDFLARE6 \
    { \
        { \
            0x26, 0x06, 0x47, 0x00, 0x47, 0x00, [14] = 0x11, [15] = 0x11 \
        } \
    }
#define GOOGLE6 \
    { \
        { \
            0x20, 0x01, 0x48, 0x60, 0x48, 0x60, [14] = 0x88, [15] = 0x88 \
        } \
    }
#define QUAD9_6 \
    { \
        { \
            0x26, 0x20, 0x00, 0xfe, [15] = 0xfe \
        } \
    }

static const struct row6 {
    const char *what;
    enum door_kind kind;
    struct ipv6 addr;
    uint16_t port;
} table6[] = {
    {"a neighbour or the host", DOOR_TCP, {{0}}, 22},
    {"a neighbour or the host", DOOR_TCP, {{0}}, 80},
    {"a neighbour or the host", DOOR_TCP, {{0}}, 445},
    {"a neighbour or the host", DOOR_TCP, {{0}}, 5900},
    {"foreign DNS over UDP", DOOR_DNS_UDP, {{0}}, DNS_PORT},
    {"DNS over TLS", DOOR_TCP, CLOUDFLARE6, 853},
#define ROWS_WITHOUT_IPV6 6 /* those above: where we gave none, too, nothing may answer */
    {"TCP to a raw address", DOOR_TCP, GOOGLE6, 443},
    {"plain HTTP to an unlisted host", DOOR_HTTP, CLOUDFLARE6, 80},
    {"TLS to an unlisted host", DOOR_TLS, GOOGLE6, 443},
    {"UDP (NTP)", DOOR_NTP, {{0x26, 0x06, 0x47, 0x00, 0x00, 0xf1, [15] = 1}}, 123},
    {"the metadata address", DOOR_TCP, {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}}, 80},
    {"QUIC", DOOR_QUIC, CLOUDFLARE6, 443},
    {"ping", DOOR_ECHO, CLOUDFLARE6, 0},
    {"foreign DNS over UDP", DOOR_DNS_UDP, QUAD9_6, DNS_PORT},
    {"foreign DNS over TCP", DOOR_DNS_TCP, QUAD9_6, DNS_PORT},
};

struct probe {
    const struct link *link;
    const struct settings *s;
    uint32_t neighbours[1 + PROBE_HOSTS_MAX];
    unsigned n_neighbours;
    struct sockaddr_storage neighbours6[2];
    unsigned n_neighbours6;
    struct door doors[MAX_DOORS];
    unsigned n;
    long slowest_ms; /* answer so far: the sidecar's, or a door's */
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

/* A router's usual link-local address; and in the sidecar's network the first that is neither its own nor
 * ours. */
static void pick_neighbours6(struct probe *p)
{
    const struct ipv6 *gateway = &p->s->gateway6;
    static const uint8_t router[16] = {0xfe, 0x80, [15] = 1};
    p->neighbours6[p->n_neighbours6++] = door_ipv6(router, 0, p->link->index);
    struct ipv6 a = {{0}};
    memcpy(a.b, gateway->b, 8);
    for (a.b[15] = 1; ipv6_is_set(gateway) && a.b[15] <= 3; a.b[15]++) {
        if (memcmp(&a, gateway, sizeof a) == 0 || memcmp(&a, &p->link->addr6, sizeof a) == 0)
            continue;
        p->neighbours6[p->n_neighbours6++] = door_ipv6(a.b, 0, 0);
        return;
    }
}

static void add(struct probe *p, const char *what, enum door_kind kind, struct sockaddr_storage to)
{
    if (p->n == MAX_DOORS)
        fatal("too many probes");
    struct door *d = &p->doors[p->n++];
    *d = (struct door){.what = what, .kind = kind, .to = to, .sidecar = p->s->gateway};
    door_knock(d);
}

static uint16_t port_of(const struct sockaddr_storage *to)
{
    return be16toh(
        ((const struct sockaddr_in *)(const void *)to)->sin_port); /* the same place in both families */
}

static struct sockaddr_storage at_port(struct sockaddr_storage to, uint16_t port)
{
    ((struct sockaddr_in6 *)(void *)&to)->sin6_port = htobe16(port);
    return to;
}

static struct sockaddr_storage control_for(const struct sockaddr_storage *to)
{
    return to->ss_family == AF_INET6 ? door_ipv6(control_address6.b, port_of(to), 0)
                                     : door_ipv4(htobe32(control_address), port_of(to));
}

/* Controls are the doors without a name. The one for an address's port; NULL where there is none. */
static const struct door *control_of(const struct probe *p, const struct sockaddr_storage *to)
{
    for (unsigned i = 0; i < p->n; i++) {
        const struct door *d = &p->doors[i];
        if (d->what == NULL && d->to.ss_family == to->ss_family && port_of(&d->to) == port_of(to))
            return d;
    }
    return NULL;
}

/* "tcp/22,udp/123": may an address be reached at that port, once a name has led to it? */
static bool policy_opens(const char *list, const char *proto, uint16_t port)
{
    for (; list != NULL && *list != '\0'; list += *list == ',') {
        size_t len = strlen(proto);
        uint32_t lo = 0, hi = 0;
        if (strncmp(list, proto, len) == 0 && list[len] == '/') {
            const char *end = number_parse(list + len + 1, UINT16_MAX, &lo);
            hi = lo;
            if (end != NULL && *end == '-')
                (void)number_parse(end + 1, UINT16_MAX, &hi);
            if (end != NULL && port >= lo && port <= hi)
                return true;
        }
        list += strcspn(list, ",");
    }
    return false;
}

static void knock(struct probe *p, const char *what, enum door_kind kind, struct sockaddr_storage to)
{
    bool tcp = kind == DOOR_TCP, udp = kind == DOOR_NTP || kind == DOOR_QUIC;
    if ((tcp || udp) && policy_opens(p->s->probe_skip, tcp ? "tcp" : "udp", port_of(&to)))
        return;
    if (tcp && control_of(p, &to) == NULL)
        add(p, NULL, DOOR_TCP, control_for(&to));
    add(p, what, kind, to);
}

static void knock_everywhere(struct probe *p)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        const struct row *r = &table[i];
        if (r->addr != 0)
            knock(p, r->what, r->kind, door_ipv4(htobe32(r->addr), r->port));
        for (unsigned k = 0; r->addr == 0 && k < p->n_neighbours; k++)
            knock(p, r->what, r->kind, door_ipv4(p->neighbours[k], r->port));
    }
    const unsigned n6 = ipv6_is_set(&p->s->gateway6) ? ARRAY_LEN(table6) : ROWS_WITHOUT_IPV6;
    for (unsigned i = 0; i < n6; i++) {
        const struct row6 *r = &table6[i];
        if (ipv6_is_set(&r->addr))
            knock(p, r->what, r->kind, door_ipv6(r->addr.b, r->port, 0));
        for (unsigned k = 0; !ipv6_is_set(&r->addr) && k < p->n_neighbours6; k++)
            knock(p, r->what, r->kind, at_port(p->neighbours6[k], r->port));
    }
}

static unsigned count_pending(const struct probe *p)
{
    unsigned pending = 0;
    for (unsigned i = 0; i < p->n; i++)
        pending += p->doors[i].state == DOOR_PENDING;
    return pending;
}

/* Polls what is pending for at most `ms`. Returns how many still are. */
static unsigned listen_once(struct probe *p, long ms)
{
    struct pollfd fds[MAX_DOORS];
    for (unsigned i = 0; i < p->n; i++)
        fds[i] = (struct pollfd){.fd = p->doors[i].fd, .events = door_events(&p->doors[i])};
    if (count_pending(p) > 0 && poll(fds, p->n, (int)ms) > 0)
        for (unsigned i = 0; i < p->n; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0)
                door_listen(&p->doors[i]);
    return count_pending(p);
}

static bool is_leak(const struct probe *p, const struct door *d)
{
    if (d->state != DOOR_OPEN || d->what == NULL)
        return false;
    if (d->kind != DOOR_TCP)
        return true;
    const struct door *control = control_of(p, &d->to);
    return control == NULL || control->state != DOOR_OPEN;
}

static _Noreturn void report(const struct door *d)
{
    char text[IPV6_STRLEN];
    struct ipv6 addr;
    if (d->to.ss_family == AF_INET6) {
        memcpy(addr.b, &((const struct sockaddr_in6 *)(const void *)&d->to)->sin6_addr, sizeof addr.b);
        (void)ipv6_format(&addr, text);
    } else {
        (void)ipv4_format(((const struct sockaddr_in *)(const void *)&d->to)->sin_addr.s_addr, text);
    }
    fatal("open door: %s (%s port %u) is answered past the sidecar", d->what, text, port_of(&d->to));
}

static bool is_answering(const struct probe *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->doors[i].state == DOOR_PENDING && p->doors[i].answering)
            return true;
    return false;
}

/* A door that was not tried is not a closed one. Ping alone may be left out, where we have no right to it. */
static void report_untried(const struct probe *p)
{
    bool ping = false;
    for (unsigned i = 0; i < p->n; i++) {
        const struct door *d = &p->doors[i];
        if (d->state == DOOR_UNTRIED && d->kind != DOOR_ECHO)
            fatal("%s cannot be tried: no socket",
                d->what != NULL ? d->what : "an address that exists nowhere");
        ping |= d->state == DOOR_UNTRIED;
    }
    if (ping)
        say("ping was not tried: neither CAP_NET_RAW nor net.ipv4.ping_group_range allows it");
}

/* Silence says that a door is closed only when others were answered much sooner: a busy machine is late with
 * all of them. */
static long patience_ms(const struct probe *p)
{
    long usual = is_answering(p) ? ANSWERS_MS : DOORS_MS;
    return MAX(usual, MIN(PATIENCE * p->slowest_ms, PATIENCE_MS));
}

static void try_doors(struct probe *p)
{
    knock_everywhere(p);
    report_untried(p);
    const long start = now_ms();
    for (unsigned before = count_pending(p), pending = before; pending > 0; before = pending) {
        long left = start + patience_ms(p) - now_ms();
        pending = listen_once(p, left > 0 ? left : 0); /* what has come is looked at, however late it is */
        if (pending < before)
            p->slowest_ms = MAX(p->slowest_ms, now_ms() - start);
        else if (left <= 0)
            break;
    }
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
    for (unsigned i = 0; i < p->n_neighbours; i++)
        must_not_pass(p->link, "a neighbour", door_ipv4(p->neighbours[i], DISCARD_PORT));
    must_not_pass(p->link, "everybody (broadcast)", door_ipv4(0xffffffff, DISCARD_PORT));
    must_not_pass(p->link, "multicast", door_ipv4(htobe32(IPV4(224, 0, 0, 251)), DISCARD_PORT));
    must_not_pass(p->link, "IPv6 neighbours", door_ipv6(all_nodes, DISCARD_PORT, p->link->index));
}

/* The resolver may still be starting: it is asked again until it answers. Returns how long that took at its
 * slowest. */
static long await_sidecar(const struct probe *p, uint32_t dns)
{
    char text[IPV4_STRLEN];
    uint8_t msg[SENTINEL_QUERY_LEN > 512 ? SENTINEL_QUERY_LEN : 512];
    const long start = now_ms();
    const uint16_t id = (uint16_t)start;
    struct sockaddr_storage to = door_ipv4(dns, DNS_PORT);
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&to, sizeof(struct sockaddr_in)) == 0;
    for (long asked = start; connected && now_ms() < start + SIDECAR_MS;) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        sentinel_query(id, msg);
        if (send(fd, msg, SENTINEL_QUERY_LEN, MSG_NOSIGNAL) > 0)
            (void)poll(&pfd, 1, RETRY_MS);
        ssize_t n = recv(fd, msg, sizeof msg, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0) {
            const struct timespec pause = {.tv_nsec = 2000000};
            (void)nanosleep(&pause, NULL); /* a refusal comes at once: no busy loop */
            asked = now_ms();
            continue;
        }
        switch (sentinel_judge(msg, (size_t)n, id, p->s->gateway)) {
        case SENTINEL_SIDECAR: return now_ms() - asked;
        case SENTINEL_STRANGER:
            fatal("name server %s is not the sidecar's: it does not know " SENTINEL_NAME,
                ipv4_format(dns, text));
        case SENTINEL_NONE: break;
        }
    }
    fatal("the sidecar's name server %s does not answer; is egressd running?", ipv4_format(dns, text));
}

void probe_all(const struct link *link, const struct settings *s, bool firewall)
{
    struct probe p = {.link = link, .s = s};
    uint32_t neighbour = pick_neighbour(link, s->gateway);
    if (neighbour != 0)
        p.neighbours[p.n_neighbours++] = neighbour;
    for (unsigned i = 0; i < s->n_probe_hosts; i++)
        p.neighbours[p.n_neighbours++] = s->probe_hosts[i];
    pick_neighbours6(&p);
    p.slowest_ms = await_sidecar(&p, s->dns);
    if (firewall)
        try_past_routes(&p);
    try_doors(&p);
}
