#include "init/door.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "init/base.h"
#include "init/sentinel.h"

enum { QUERY_ID = 0x4547, ICMP_ECHO = 8, ICMP_ECHO_REPLY = 0, ICMP6_ECHO = 128, ICMP6_ECHO_REPLY = 129 };
enum { TLS_ALERT = 21 };

/* A ClientHello of TLS 1.2 (RFC 5246 7.4.1.2), whose certificate comes in the clear: ECDHE suites, and the
 * extensions server_name, supported_groups, ec_point_formats, signature_algorithms. */
#define NAME_LEN (sizeof UNLISTED_NAME - 1)
#define SNI_LEN (NAME_LEN + 9)
#define EXTENSIONS_LEN (SNI_LEN + 10 + 6 + 14)
#define HELLO_LEN (2 + 32 + 1 + 14 + 2 + 2 + EXTENSIONS_LEN)
static const uint8_t hello_head[] = {22, 3, 1, 0, HELLO_LEN + 4, 1, 0, 0, HELLO_LEN, 3, 3, 'e', 'g', 'r', 'e',
    's', 's', 'd', ' ', 'p', 'r', 'o', 'b', 'e', ':', ' ', 'n', 'o', 't', ' ', 'r', 'a', 'n', 'd', 'o', 'm',
    ' ', 'a', 't', ' ', 'a', 'l', 'l', 0, 0, 12, 0xc0, 0x2b, 0xc0, 0x2c, 0xcc, 0xa9, 0xc0, 0x2f, 0xc0, 0x30,
    0xcc, 0xa8, 1, 0, 0, EXTENSIONS_LEN, 0, 0, 0, SNI_LEN - 4, 0, NAME_LEN + 3, 0, 0, NAME_LEN};
static const uint8_t hello_tail[] = {
    0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 10, 0, 8, 4, 3, 8, 4, 4, 1, 5, 3};
_Static_assert(sizeof hello_head == 5 + 4 + 2 + 32 + 1 + 14 + 2 + 2 + 9, "the lengths above");
_Static_assert(sizeof hello_tail == 10 + 6 + 14, "the lengths above");

struct sockaddr_storage door_ipv4(uint32_t addr, uint16_t port)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = addr};
    memcpy(&ss, &in, sizeof in);
    return ss;
}

struct sockaddr_storage door_ipv6(const uint8_t addr[static 16], uint16_t port, uint32_t scope)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope};
    memcpy(in.sin6_addr.s6_addr, addr, 16);
    memcpy(&ss, &in, sizeof in);
    return ss;
}

static socklen_t length_of(const struct sockaddr_storage *to)
{
    return to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool asks(const struct door *d)
{
    return d->kind == DOOR_DNS_TCP || d->kind == DOOR_HTTP || d->kind == DOOR_TLS;
}

static bool is_stream(const struct door *d)
{
    return d->kind == DOOR_TCP || asks(d);
}

static int open_socket(const struct door *d)
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    int family = d->to.ss_family;
    if (is_stream(d))
        return socket(family, SOCK_STREAM | flags, 0);
    if (d->kind != DOOR_ECHO)
        return socket(family, SOCK_DGRAM | flags, 0);
    /* A raw socket takes CAP_NET_RAW; one for ping alone is for the groups of net.ipv4.ping_group_range. */
    int protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    int fd = socket(family, SOCK_RAW | flags, protocol);
    return fd < 0 && errno == EPERM ? socket(family, SOCK_DGRAM | flags, protocol) : fd;
}

/* Writes the datagram that a service of this kind answers. Returns its length. */
static size_t greeting(const struct door *d, uint8_t out[static 1200])
{
    static const uint8_t unknown_version[] = {0xc0, 0x1a, 0x2a, 0x3a, 0x4a, /* two connection ids */
        8, 'e', 'g', 'r', 'e', 's', 's', 'd', '.', 8, '.', 'e', 'g', 'r', 'e', 's', 's', 'd'};
    memset(out, 0, 1200);
    switch (d->kind) {
    case DOOR_NTP:
        out[0] = 0x23; /* version 4, client (RFC 5905 7.3) */
        return 48;
    case DOOR_QUIC:
        /* An unknown version of the reserved pattern (RFC 9000 15) makes any server name its own (6.1);
         * shorter datagrams are ignored (14.1). */
        memcpy(out, unknown_version, sizeof unknown_version);
        return 1200;
    case DOOR_ECHO: {
        if (d->to.ss_family == AF_INET6) { /* the kernel adds the checksum (RFC 3542 3.1) */
            out[0] = ICMP6_ECHO;
            return 8;
        }
        uint16_t sum = (uint16_t) ~(ICMP_ECHO << 8);
        out[0] = ICMP_ECHO;
        out[2] = (uint8_t)(sum >> 8);
        out[3] = (uint8_t)sum;
        return 8;
    }
    default: sentinel_query(QUERY_ID, out); return SENTINEL_QUERY_LEN;
    }
}

void door_leave(struct door *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
    if (d->state == DOOR_PENDING)
        d->state = d->answering ? DOOR_OPEN : DOOR_CLOSED;
}

static void decide(struct door *d, enum door_state state)
{
    d->state = state;
    door_leave(d);
}

void door_knock(struct door *d)
{
    uint8_t packet[1200];
    d->state = DOOR_PENDING;
    d->fd = open_socket(d);
    if (d->fd < 0) {
        decide(d, errno == EAFNOSUPPORT ? DOOR_CLOSED : DOOR_UNTRIED);
        return;
    }
    bool failed =
        connect(d->fd, (const struct sockaddr *)&d->to, length_of(&d->to)) < 0 && errno != EINPROGRESS;
    if (failed || (!is_stream(d) && send(d->fd, packet, greeting(d, packet), MSG_NOSIGNAL) < 0))
        decide(d, DOOR_CLOSED);
}

short door_events(const struct door *d)
{
    return d->kind == DOOR_TCP || (asks(d) && !d->asked) ? POLLOUT : POLLIN;
}

static void listen_dns(struct door *d, const uint8_t *msg, size_t len)
{
    switch (sentinel_judge(msg, len, QUERY_ID, d->sidecar)) {
    case SENTINEL_NONE: break;
    case SENTINEL_SIDECAR: decide(d, DOOR_CLOSED); break;
    case SENTINEL_STRANGER: decide(d, DOOR_OPEN); break;
    }
}

/* Writes what a stream is asked. Returns its length. */
static size_t ask(enum door_kind kind, uint8_t out[static 256])
{
    static const char request[] = "GET / HTTP/1.1\r\nhost: " UNLISTED_NAME "\r\nconnection: close\r\n\r\n";
    switch (kind) {
    case DOOR_HTTP: memcpy(out, request, sizeof request - 1); return sizeof request - 1;
    case DOOR_TLS:
        memcpy(out, hello_head, sizeof hello_head);
        memcpy(out + sizeof hello_head, UNLISTED_NAME, NAME_LEN);
        memcpy(out + sizeof hello_head + NAME_LEN, hello_tail, sizeof hello_tail);
        return sizeof hello_head + NAME_LEN + sizeof hello_tail;
    default:
        out[0] = 0;
        out[1] = SENTINEL_QUERY_LEN;
        sentinel_query(QUERY_ID, out + 2);
        return 2 + SENTINEL_QUERY_LEN;
    }
}

static bool is_echo_reply(const struct door *d, const uint8_t *p, size_t n)
{
    if (d->to.ss_family == AF_INET6)
        return n > 0 && p[0] == ICMP6_ECHO_REPLY;
    size_t head = n > 0 && p[0] >> 4 == 4 ? (size_t)(p[0] & 15) * 4 : 0; /* raw sockets show the IP header */
    return n > head && p[head] == ICMP_ECHO_REPLY;
}

static void listen_connecting(struct door *d)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        decide(d, DOOR_CLOSED);
        return;
    }
    if (d->kind == DOOR_TCP) {
        decide(d, DOOR_OPEN);
        return;
    }
    uint8_t question[256];
    if (send(d->fd, question, ask(d->kind, question), MSG_NOSIGNAL) < 0)
        decide(d, DOOR_CLOSED);
    d->asked = true;
}

/* Neither text's first octet comes again in it, so a mismatch begins anew. */
static bool says(struct door *d, const char *text, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i];
        d->matched = c == (uint8_t)text[d->matched] ? d->matched + 1u : c == (uint8_t)text[0];
        if (text[d->matched] == '\0')
            return true;
    }
    return false;
}

/* The sidecar shows itself in its answer. Whoever ends without having done so is somebody else. */
static void listen_refusal(struct door *d, const uint8_t *p, size_t n)
{
    if (says(d, d->kind == DOOR_HTTP ? "x-egress-verdict: deny" : UNLISTED_NAME, p, n) ||
        (d->kind == DOOR_TLS && !d->answering && p[0] == TLS_ALERT))
        decide(d, DOOR_CLOSED);
    d->answering = true;
}

void door_listen(struct door *d)
{
    uint8_t buf[1500];
    if (door_events(d) == POLLOUT) {
        listen_connecting(d);
        return;
    }
    ssize_t n = recv(d->fd, buf, sizeof buf, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        decide(
            d, d->answering ? DOOR_OPEN : DOOR_CLOSED); /* refused, unreachable, or hung up without a word */
    else if (d->kind == DOOR_DNS_UDP)
        listen_dns(d, buf, (size_t)n);
    else if (d->kind == DOOR_DNS_TCP)
        /* An answer this short comes in one piece; half of one is a stranger's. */
        listen_dns(d, buf + MIN(n, 2), (size_t)n - (size_t)MIN(n, 2));
    else if (d->kind == DOOR_HTTP || d->kind == DOOR_TLS)
        listen_refusal(d, buf, (size_t)n);
    else if (d->kind != DOOR_ECHO || is_echo_reply(d, buf, (size_t)n))
        decide(d, DOOR_OPEN);
}

bool door_send_past(const char *interface, const struct sockaddr_storage *to)
{
    const int on = 1;
    cleanup_fd int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface));
    (void)setsockopt(fd, SOL_SOCKET, SO_DONTROUTE, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    return sendto(fd, "", 1, MSG_NOSIGNAL, (const struct sockaddr *)to, length_of(to)) >= 0;
}
