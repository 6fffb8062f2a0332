#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "dns/resolver.h"
#include "lib/base.h"
#include "lib/log.h"

#define SEND_BATCH 64
/* How far to look for another answer to the same client. */
#define LOOK_AHEAD 64
/* UDP_SEGMENT takes 64 datagrams that make one IP packet's worth. */
#define SEGMENTS_BYTES 60000
static_assert(LOOK_AHEAD <= 64, "UDP_MAX_SEGMENTS");

uint8_t *outbox_room(struct resolver *r, size_t n)
{
    struct outbox *o = &r->outbox;

    static_assert(REPLY_MAX <= OUTBOX_BYTES && sizeof(struct ipc_msg) <= OUTBOX_BYTES, "one answer fits");
    if (o->n == OUTBOX_ITEMS || sizeof o->bytes - o->used < n)
        resolver_flush(r);
    return o->bytes + o->used;
}

void outbox_commit(struct resolver *r, const struct client *to, size_t len, size_t question_len)
{
    struct outbox *o = &r->outbox;

    o->items[o->n++] = (struct outbox_item){
        .to = *to, .at = (uint32_t)o->used, .len = (uint16_t)len, .question_len = (uint16_t)question_len};
    o->used += len + (-len & 7); /* aligned for what is not octets */
    if (to->kind == CLIENT_TCP)
        server_tcp_hold(to->conn);
}

/* One sendmmsg() of datagrams. Answers of one length to one client port share an entry: the kernel looks up
 * the way once and cuts them apart at the end (UDP_SEGMENT), which is what most of the cost of an answer is.
 */
struct batch {
    struct mmsghdr msgs[SEND_BATCH];
    struct sockaddr_storage to[SEND_BATCH];
    union {
        struct cmsghdr align;
        uint8_t b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
    } control[SEND_BATCH];
    struct iovec iov[OUTBOX_ITEMS];
    unsigned n, n_iov;
};

static void put_control(struct msghdr *m, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *h = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + m->msg_controllen);

    *h = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
    memcpy(CMSG_DATA(h), data, len);
    m->msg_controllen += CMSG_SPACE(len);
}

/* The answer leaves with the address that was asked as its source, whoever's that is. */
static void put_source(struct msghdr *m, const struct client *c)
{
    if (addr_is_v4(&c->local)) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, c->local.b + 12, 4);
        put_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = c->scope};
        memcpy(&info.ipi6_addr, c->local.b, 16);
        put_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void begin_message(struct batch *b, const struct client *to)
{
    struct msghdr *m = &b->msgs[b->n].msg_hdr;
    struct sockaddr_storage *sa = &b->to[b->n];

    *m = (struct msghdr){.msg_name = sa,
        .msg_namelen = addr_to_sockaddr(&to->peer, sa),
        .msg_iov = &b->iov[b->n_iov],
        .msg_control = &b->control[b->n]};
    if (sa->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_scope_id = to->scope;
    put_source(m, to);
    b->n++;
}

/* Where the path cannot cut datagrams apart: one by one. */
static void send_singly(int fd, const struct msghdr *m)
{
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        struct msghdr one = *m;
        one.msg_iov = &m->msg_iov[i];
        one.msg_iovlen = 1;
        one.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
        (void)sendmsg(fd, &one, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* One that cannot be sent is skipped: UDP promises nothing, the client asks again. */
static void send_batch(int fd, struct batch *b)
{
    unsigned sent = 0;

    while (sent < b->n) {
        int rc = sendmmsg(fd, b->msgs + sent, b->n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (rc > 0) {
            sent += (unsigned)rc;
        } else if (errno != EINTR) {
            const struct msghdr *m = &b->msgs[sent++].msg_hdr;
            if (m->msg_iovlen > 1 && errno != EAGAIN)
                send_singly(fd, m);
        }
    }
    b->n = b->n_iov = 0;
}

static bool goes_with(const struct outbox_item *a, const struct outbox_item *b)
{
    return b->len == a->len && b->to.kind == CLIENT_UDP && b->to.peer.port == a->to.peer.port &&
           b->to.fd == a->to.fd && b->to.scope == a->to.scope &&
           addr_eq(&b->to.peer.addr, &a->to.peer.addr) && addr_eq(&b->to.local, &a->to.local);
}

static void send_datagrams(struct outbox *o)
{
    static struct batch b;
    bool done[OUTBOX_ITEMS] = {false};
    int fd = -1;

    b.n = b.n_iov = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct outbox_item *it = &o->items[i];
        if (done[i] || it->to.kind != CLIENT_UDP)
            continue;
        if (b.n == SEND_BATCH || (b.n > 0 && it->to.fd != fd))
            send_batch(fd, &b);
        fd = it->to.fd;
        begin_message(&b, &it->to);
        struct msghdr *m = &b.msgs[b.n - 1].msg_hdr;
        size_t end = MIN(o->n, i + LOOK_AHEAD), total = 0;
        for (size_t k = i; k < end && total + it->len <= SEGMENTS_BYTES; k++) {
            if (done[k] || !goes_with(it, &o->items[k]))
                continue;
            b.iov[b.n_iov++] =
                (struct iovec){.iov_base = o->bytes + o->items[k].at, .iov_len = o->items[k].len};
            m->msg_iovlen++;
            total += it->len;
            done[k] = true;
        }
        if (m->msg_iovlen > 1)
            put_control(m, SOL_UDP, UDP_SEGMENT, &it->len, sizeof it->len);
    }
    if (b.n > 0)
        send_batch(fd, &b);
}

void resolver_flush(struct resolver *r)
{
    struct outbox *o = &r->outbox;
    bool ok = audit_flush(r->audit) == 0;

    if (ok != r->audit_ok)
        ok ? log_warn("the audit log can be written again")
           : log_warn("the audit log cannot be written: every question is refused");
    r->audit_ok = ok;
    for (size_t i = 0; i < o->n && !ok; i++) {
        struct outbox_item *it = &o->items[i];
        if (it->to.kind == CLIENT_ENGINE)
            it->len = 0;
        else
            it->len = (uint16_t)reply_reduce(o->bytes + it->at, it->question_len, RCODE_SERVFAIL);
    }
    send_datagrams(o);
    for (size_t i = 0; i < o->n; i++) {
        struct outbox_item *it = &o->items[i];
        if (it->to.kind == CLIENT_TCP)
            server_tcp_reply(it->to.conn, o->bytes + it->at, it->len);
        else if (it->to.kind == CLIENT_ENGINE)
            lookup_send(it->to.lookup, o->bytes + it->at, it->len);
    }
    o->n = o->used = 0;
}
