#include <netinet/in.h>
#include <sys/socket.h>

#include "dns/resolver.h"
#include "lib/base.h"
#include "lib/log.h"

#define SEND_BATCH 64

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

/* The answer leaves with the address that was asked as its source, whoever's that is. */
static void put_source(struct msghdr *m, const struct client *c)
{
    struct cmsghdr *h = m->msg_control;

    if (addr_is_v4(&c->local)) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, c->local.b + 12, 4);
        m->msg_controllen = CMSG_SPACE(sizeof info);
        *h = (struct cmsghdr){
            .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(h), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = c->scope};
        memcpy(&info.ipi6_addr, c->local.b, 16);
        m->msg_controllen = CMSG_SPACE(sizeof info);
        *h = (struct cmsghdr){
            .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
        memcpy(CMSG_DATA(h), &info, sizeof info);
    }
}

/* A run of answers for one socket. One that cannot be sent is skipped: UDP promises nothing, the client asks
 * again. */
static void send_run(int fd, struct mmsghdr *msgs, unsigned n)
{
    unsigned sent = 0;

    while (sent < n) {
        int rc = sendmmsg(fd, msgs + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (rc > 0)
            sent += (unsigned)rc;
        else if (errno != EINTR)
            sent++;
    }
}

static void send_datagrams(struct resolver *r)
{
    struct outbox *o = &r->outbox;
    struct mmsghdr msgs[SEND_BATCH];
    struct iovec iov[SEND_BATCH];
    struct sockaddr_storage to[SEND_BATCH];
    union {
        struct cmsghdr align;
        uint8_t b[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control[SEND_BATCH];
    unsigned n = 0;
    int fd = -1;

    for (size_t i = 0; i < o->n; i++) {
        struct outbox_item *it = &o->items[i];
        if (it->to.kind != CLIENT_UDP)
            continue;
        if (n == SEND_BATCH || (n > 0 && it->to.fd != fd)) {
            send_run(fd, msgs, n);
            n = 0;
        }
        fd = it->to.fd;
        iov[n] = (struct iovec){.iov_base = o->bytes + it->at, .iov_len = it->len};
        msgs[n].msg_hdr = (struct msghdr){.msg_name = &to[n],
            .msg_namelen = addr_to_sockaddr(&it->to.peer, &to[n]),
            .msg_iov = &iov[n],
            .msg_iovlen = 1,
            .msg_control = &control[n]};
        if (to[n].ss_family == AF_INET6)
            ((struct sockaddr_in6 *)&to[n])->sin6_scope_id = it->to.scope;
        put_source(&msgs[n].msg_hdr, &it->to);
        n++;
    }
    if (n > 0)
        send_run(fd, msgs, n);
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
    send_datagrams(r);
    for (size_t i = 0; i < o->n; i++) {
        struct outbox_item *it = &o->items[i];
        if (it->to.kind == CLIENT_TCP)
            server_tcp_reply(it->to.conn, o->bytes + it->at, it->len);
        else if (it->to.kind == CLIENT_ENGINE)
            lookup_send(it->to.lookup, o->bytes + it->at, it->len);
    }
    o->n = o->used = 0;
}
