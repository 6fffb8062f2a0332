/* Names that an engine needs: it dials only what was leased to a name, and asks where it has no lease. */
#include "dns/resolver.h"
#include "lib/base.h"
#include "lib/log.h"

#define LOOKUPS_A_TURN 32

struct lookup {
    struct resolver *r;
    int fd;
    unsigned pending;
    bool withheld; /* there are addresses, but only ones that are not dialled */
    struct ipc_resolved result;
};

/* rcode, addresses and the least TTL of both families. */
void lookup_answer(
    struct resolver *r, struct lookup *l, const struct reply *reply, enum reason why, const char *id)
{
    struct ipc_resolved *out = &l->result;
    const struct body_view *v = reply->body;

    for (unsigned i = 0; v != NULL && i < v->n_addr && out->n < IPC_ADDRS_MAX; i++)
        out->addrs[out->n++] = body_addr(v, i);
    if (v != NULL && v->n_addr > 0) {
        out->ttl = MIN(out->ttl, reply->ttl);
        memcpy(out->dns_id, id, AUDIT_ID_LEN);
    }
    if (out->rcode == RCODE_NOERROR)
        out->rcode = (uint16_t)reply->rcode;
    if (reply->ede == EDE_NETWORK)
        out->rcode = UINT16_MAX;
    l->withheld |= why == REASON_PRIVATE_ADDRESS;
    if (--l->pending > 0)
        return;
    if (out->n > 0)
        out->rcode = RCODE_NOERROR;
    else
        out->ttl = 0;
    if (out->n == 0 && l->withheld)
        out->rcode = IPC_RCODE_WITHHELD;
    struct client to = {.kind = CLIENT_ENGINE, .lookup = l};
    uint8_t *room = outbox_room(r, sizeof *out);
    memcpy(room, out, sizeof *out);
    outbox_commit(r, &to, sizeof *out, 0);
}

void lookup_send(struct lookup *l, const uint8_t *msg, size_t len)
{
    struct ipc_msg m = {.type = IPC_RESOLVED};

    if (len == sizeof m.resolved)
        memcpy(&m.resolved, msg, len);
    else
        m.resolved = (struct ipc_resolved){.id = l->result.id, .rcode = RCODE_SERVFAIL};
    int err = ipc_send(l->fd, &m, -1);
    if (err < 0)
        log_debug("answer to an engine: %s", strerror(-err));
    free(l);
}

static void ask(struct resolver *r, struct lookup *l, const char *host, uint16_t qtype, uint64_t began)
{
    struct client from = {.kind = CLIENT_ENGINE, .lookup = l};
    struct dns_query q = {.qtype = qtype, .qclass = CLASS_IN};
    struct dns_name name;

    dns_name_from_host(host, &name);
    q.name_len = name.len;
    memcpy(q.name, name.b, name.len);
    struct outcome o = {
        .verdict = VERDICT_ALLOW, .host = host, .name = q.name, .name_len = name.len, .began = began};
    if (!r->audit_ok) {
        resolver_fail(r, &from, &q, &o, REASON_AUDIT_UNAVAILABLE);
        return;
    }
    struct dns_judgement j = dns_judge(r->policy, host, qtype, CLASS_IN, r->config->ipv6);
    resolver_inspect(r, &from, host, &j);
    o.route = j.route;
    o.reason = j.reason;
    if (j.action == DNS_ASK)
        resolver_ask(r, &from, &q, &o);
    else
        resolver_refuse(r, &from, &q, &o);
}

static void begin(struct resolver *r, int fd, const struct ipc_resolve *m)
{
    char host[HOSTNAME_MAX + 1];
    struct lookup *l = calloc(1, sizeof *l);
    uint64_t began = uv_hrtime();
    bool ipv6 = r->config->ipv6;

    if (l == NULL)
        return;
    *l = (struct lookup){
        .r = r, .fd = fd, .pending = ipv6 ? 2 : 1, .result = {.id = m->id, .ttl = UINT32_MAX}};
    if (host_canon(m->host, strlen(m->host), host, NULL) != HOST_NAME) {
        l->result.rcode = RCODE_REFUSED;
        lookup_send(l, (const uint8_t *)&l->result, sizeof l->result);
        return;
    }
    ask(r, l, host, TYPE_A, began);
    if (ipv6)
        ask(r, l, host, TYPE_AAAA, began);
} /* its questions own it; lookup_send() frees it */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct resolver *r = poll->data;
    struct ipc_msg m;
    int fd, rc = status < 0 ? 0 : 1;

    (void)events;
    if (uv_fileno((uv_handle_t *)poll, &fd) < 0)
        return;
    for (int i = 0; i < LOOKUPS_A_TURN && rc == 1; i++) {
        rc = ipc_recv(fd, &m, NULL);
        if (rc == 1 && m.type == IPC_RESOLVE)
            begin(r, fd, &m.resolve);
        else if (rc == 1)
            rc = -EBADMSG;
    }
    if (rc == 1 || rc == -EAGAIN)
        return;
    log_warn("engine socket: %s", rc == 0 ? "closed" : strerror(-rc));
    (void)uv_poll_stop(poll);
}

int lookup_start(struct resolver *r, size_t slot, int fd)
{
    uv_poll_t *poll = &r->engines[slot];
    int err = uv_poll_init(&r->loop, poll, fd);

    poll->data = r;
    return err != 0 ? err : uv_poll_start(poll, UV_READABLE, on_readable);
}
