#include "dns/budget.h"
#include "dns/resolver.h"
#include "lib/base.h"

/* What a refused name resolves to is forgotten soon: a reload may allow it. */
#define EXPLAIN_TTL 5
#define SENTINEL_TTL 5
#define ANY_TTL 3600
/* RFC 8767 4: so long may a client keep what was stale when it got it. */
#define STALE_TTL 30

/* A client that asks for one name a hundred thousand times a second renews its leases only so often. */
#define LEASES_A_SECOND 8
/* Prefetch: what is asked for in the last tenth of its time is fetched again before that is over. */
#define PREFETCH_PART 10
#define PREFETCH_LIFE_MIN 20 /* seconds; shorter ones are not worth it */

static void lease_addresses(const struct resolver *r, struct lease_table *t, const struct outcome *o,
    const struct reply *reply, const char *id)
{
    uint64_t now = resolver_now(r);

    for (unsigned i = 0; i < reply->body->n_addr; i++) {
        struct addr a = body_addr(reply->body, i);
        lease_put(t, &a, o->host, id, now + reply->ttl + LEASE_GRACE_SECONDS, now);
    }
}

/* What may be dialled; and what led to an answer of ours, so that the log can tell whose question a refused
 * connection came of (`id` is empty where a flood got no line). */
static void remember(struct resolver *r, const struct outcome *o, const struct reply *reply, const char *id)
{
    if (reply->body == NULL || o->host == NULL)
        return;
    if (o->verdict == VERDICT_ALLOW && o->route != NULL && !o->leased)
        lease_addresses(r, r->leases, o, reply, id);
    else if (o->verdict == VERDICT_DENY && r->refused != NULL && id[0] != '\0')
        lease_addresses(r, r->refused, o, reply, id);
}

static bool wants_leases(struct cache_entry *e, uint32_t now)
{
    if (e->leased != (now & CACHE_LEASED_MASK)) {
        e->leased = now & CACHE_LEASED_MASK;
        e->leases = 0;
    }
    if (e->leases >= LEASES_A_SECOND)
        return false;
    e->leases++;
    return true;
}

void resolver_reply(struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o,
    const struct reply *reply)
{
    char id[AUDIT_ID_LEN + 1];

    report_query(r, to, q, o, reply, id);
    remember(r, o, reply, id);
    if (to->kind == CLIENT_ENGINE) {
        lookup_answer(r, to->lookup, reply, o->reason, id);
        return;
    }
    if (o->dropped)
        return;
    size_t limit = to->kind == CLIENT_UDP ? reply_udp_limit(q) : REPLY_MAX;
    uint8_t *out = outbox_room(r, MAX(limit, (size_t)REPLY_HEAD_MAX));
    size_t len = reply_write(out, limit, q, reply);
    outbox_commit(r, to, len, q->question_len);
}

static void deny(struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o,
    enum reason reason, unsigned rcode, int ede)
{
    o->verdict = VERDICT_DENY;
    o->reason = reason;
    resolver_reply(r, to, q, o, &(struct reply){.rcode = rcode, .ede = ede});
}

void resolver_fail(struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o,
    enum reason reason)
{
    deny(r, to, q, o, reason, RCODE_SERVFAIL, reason == REASON_UPSTREAM_UNREACHABLE ? EDE_NETWORK : EDE_NONE);
}

/* The sidecar's own address of the asked family; false: there is none. */
static bool self_address(const struct resolver *r, uint16_t qtype, struct addr *out)
{
    *out = qtype == TYPE_AAAA ? r->config->self6 : r->config->self4;
    return qtype == TYPE_A || (qtype == TYPE_AAAA && r->config->ipv6);
}

static void reply_body(struct resolver *r, const struct client *to, const struct dns_query *q,
    struct outcome *o, const struct dns_body *body, uint32_t ttl, int ede)
{
    struct body_view v = body_view(body);

    resolver_reply(r, to, q, o, &(struct reply){.rcode = RCODE_NOERROR, .ede = ede, .ttl = ttl, .body = &v});
}

void resolver_refuse(
    struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o)
{
    struct addr self;
    struct dns_body body;

    o->verdict = VERDICT_DENY;
    if (to->kind == CLIENT_ENGINE || r->policy->dns.refused == DNS_REFUSED_REFUSED) {
        deny(r, to, q, o, o->reason, RCODE_REFUSED, EDE_BLOCKED);
    } else if (r->policy->dns.refused == DNS_REFUSED_NXDOMAIN) {
        deny(r, to, q, o, o->reason, RCODE_NXDOMAIN, EDE_BLOCKED);
    } else if (!self_address(r, q->qtype, &self)) {
        deny(r, to, q, o, o->reason, RCODE_NOERROR, EDE_BLOCKED);
    } else {
        body_init(&body, q->name_len);
        body_add_addr(&body, &self);
        reply_body(r, to, q, o, &body, EXPLAIN_TTL, EDE_BLOCKED);
    }
}

static void reply_sentinel(
    struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o)
{
    static const uint8_t text[] = "\7" SENTINEL_TEXT;
    struct addr self;
    struct dns_body body;

    body_init(&body, q->name_len);
    if (self_address(r, q->qtype, &self))
        body_add_addr(&body, &self);
    else if (q->qtype == TYPE_TXT)
        body_add(&body, TYPE_TXT, text, sizeof text - 1);
    reply_body(r, to, q, o, &body, SENTINEL_TTL, EDE_NONE);
}

static void reply_any(
    struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o)
{
    static const uint8_t hinfo[] =
        "\7RFC8482"; /* CPU, then an empty OS: the literal's own NUL is its length */
    struct dns_body body;

    body_init(&body, q->name_len);
    body_add(&body, TYPE_HINFO, hinfo, sizeof hinfo);
    reply_body(r, to, q, o, &body, ANY_TTL, EDE_NONE);
}

/* PTR: the name that an address was leased to. Addresses are not names that a route could allow: nobody is
 * asked. */
static void reply_reverse(
    struct resolver *r, const struct client *to, const struct dns_query *q, struct outcome *o)
{
    struct addr addr;
    struct lease lease;
    struct dns_body body;
    struct dns_name name;
    uint64_t now = resolver_now(r);

    if (q->qtype != TYPE_PTR || !dns_reverse_addr(o->host, &addr) ||
        lease_names(r->leases, &addr, now, &lease, 1) == 0) {
        deny(r, to, q, o, REASON_NO_ROUTE,
            r->policy->dns.refused == DNS_REFUSED_REFUSED ? RCODE_REFUSED : RCODE_NXDOMAIN, EDE_BLOCKED);
        return;
    }
    dns_name_from_host(lease.name, &name);
    body_init(&body, q->name_len);
    body_add(&body, TYPE_PTR, name.b, name.len);
    o->verdict = VERDICT_ALLOW;
    o->reason = REASON_NONE;
    reply_body(r, to, q, o, &body, EXPLAIN_TTL, EDE_NONE);
}

void resolver_reply_cached(struct resolver *r, const struct client *to, const struct dns_query *q,
    struct outcome *o, struct cache_entry *e)
{
    uint32_t now = resolver_now(r);
    struct body_view v = cache_body(e);

    o->route = e->route;
    o->dnssec = e->dnssec;
    if (e->dnssec == DNSSEC_BOGUS) {
        deny(r, to, q, o, e->reason, RCODE_SERVFAIL, e->ede);
        return;
    }
    if (e->reason != REASON_NONE) {
        o->reason = e->reason;
        resolver_refuse(r, to, q, o);
        return;
    }
    o->verdict = VERDICT_ALLOW;
    o->stale = e->expires <= now;
    o->leased = !wants_leases(e, now);
    resolver_reply(r, to, q, o,
        &(struct reply){.rcode = e->rcode,
            .ad = e->ad && !o->stale && (q->dnssec_ok || (q->flags & DNS_AD) != 0),
            .ede = o->stale ? EDE_STALE : EDE_NONE,
            .ttl = o->stale ? STALE_TTL : e->expires - now,
            .body = &v});
}

static bool may_ask(
    const struct resolver *r, const struct route *route, const char *host, const struct cache_entry *known)
{
    return !route->wildcard || budget_allows(r->budgets, route, host, known != NULL, resolver_now(r));
}

void resolver_ask(struct resolver *r, const struct client *from, const struct dns_query *q, struct outcome *o)
{
    uint32_t now = resolver_now(r);
    struct cache_key key = {.name = q->name, .name_len = q->name_len, .qtype = q->qtype};
    struct cache_entry *e = cache_get(r->cache, &key, now);

    o->cached = e != NULL && e->expires > now;
    if (o->cached) {
        resolver_reply_cached(r, from, q, o, e);
        return;
    }
    if (!may_ask(r, o->route, o->host, e)) {
        o->cached = e != NULL;
        if (e != NULL) {
            resolver_reply_cached(r, from, q, o, e);
            return;
        }
        o->reason = REASON_LIMIT;
        resolver_refuse(r, from, q, o);
        return;
    }
    if (!upstream_reachable(r->upstreams)) {
        o->cached = e != NULL;
        if (e != NULL)
            resolver_reply_cached(r, from, q, o, e);
        else
            resolver_fail(r, from, q, o, REASON_UPSTREAM_UNREACHABLE);
        return;
    }
    ask_upstream(r, from, q, o, e != NULL);
}

static void carry_out(struct resolver *r, const struct client *from, const struct dns_query *q,
    struct outcome *o, const struct dns_judgement *j)
{
    bool refuse_all = r->policy->dns.refused == DNS_REFUSED_REFUSED;

    o->reason = j->reason;
    o->route = j->route;
    switch (j->action) {
    case DNS_ASK: resolver_ask(r, from, q, o); return;
    case DNS_EMPTY: resolver_reply(r, from, q, o, &(struct reply){.ede = EDE_NONE}); return;
    case DNS_ANY: reply_any(r, from, q, o); return;
    case DNS_SENTINEL: reply_sentinel(r, from, q, o); return;
    case DNS_REVERSE: reply_reverse(r, from, q, o); return;
    case DNS_REFUSE_NAME: resolver_refuse(r, from, q, o); return;
    case DNS_REFUSE_TYPE:
        deny(r, from, q, o, j->reason, refuse_all ? RCODE_REFUSED : RCODE_NOERROR, EDE_BLOCKED);
        return;
    case DNS_REFUSE_LOCAL:
        deny(r, from, q, o, j->reason, refuse_all ? RCODE_REFUSED : RCODE_NXDOMAIN, EDE_BLOCKED);
        return;
    case DNS_REFUSE: break;
    }
    deny(r, from, q, o, j->reason, RCODE_REFUSED, EDE_BLOCKED);
}

/* Text of a name that is known to be a canonical host name. */
static void host_of(const uint8_t *wire, size_t len, char out[static HOSTNAME_MAX + 1])
{
    memcpy(out, wire + 1, len - 1);
    for (size_t at = wire[0]; at + 2 < len; at += 1u + wire[at + 1])
        out[at] = '.';
}

/* An answer at hand spares the judgement: only what a route allowed is in the cache. */
static bool reply_from_cache(struct resolver *r, const struct client *from, const struct dns_query *q,
    struct outcome *o, char host[static HOSTNAME_MAX + 1])
{
    uint32_t now = resolver_now(r);
    struct cache_key key = {.name = q->name, .name_len = q->name_len, .qtype = q->qtype};
    struct cache_entry *e = q->qclass == CLASS_IN ? cache_get(r->cache, &key, now) : NULL;

    if (e == NULL || e->expires <= now)
        return false;
    host_of(q->name, q->name_len, host);
    o->host = host;
    o->cached = true;
    resolver_reply_cached(r, from, q, o, e);
    uint32_t life = e->expires - e->made;
    if (life >= PREFETCH_LIFE_MIN && e->expires - now <= life / PREFETCH_PART && !e->fetching &&
        upstream_reachable(r->upstreams) && may_ask(r, e->route, host, e))
        ask_refresh(r, e, q, o);
    return true;
}

static void refuse_malformed(struct resolver *r, const struct client *from, const struct dns_query *q,
    struct outcome *o, enum query_fault f)
{
    static const unsigned rcodes[] = {
        [QUERY_FORMERR] = RCODE_FORMERR, [QUERY_NOTIMP] = RCODE_NOTIMP, [QUERY_BADVERS] = RCODE_BADVERS};

    o->dropped = f == QUERY_JUNK;
    deny(r, from, q, o, REASON_MALFORMED, f == QUERY_JUNK ? RCODE_FORMERR : rcodes[f], EDE_NONE);
}

void resolver_inspect(
    struct resolver *r, const struct client *from, const char *host, struct dns_judgement *j)
{
    const char *detector =
        j->action == DNS_ASK && j->route ? engine_name_finding(r->config->inspector, j->route, host) : NULL;
    if (detector == NULL)
        return;
    report_finding(r, from, host, j->route, detector);
    if (j->route->dlp_action == DLP_BLOCK) {
        j->action = DNS_REFUSE_NAME;
        j->reason = REASON_DLP_OUTBOUND;
    }
}

void resolver_message(
    struct resolver *r, const struct client *from, const uint8_t *msg, size_t len, uint64_t began)
{
    struct dns_query q;
    char host[HOSTNAME_MAX + 1];
    enum query_fault fault = query_parse(msg, len, &q);
    struct outcome o = {.verdict = VERDICT_ALLOW,
        .name = q.name_len > 0 ? q.name : NULL,
        .name_len = q.name_len,
        .began = began};

    if (!r->audit_ok && !(r->audit_ok = audit_ok(r->audit))) {
        o.dropped = fault == QUERY_JUNK;
        resolver_fail(r, from, &q, &o, REASON_AUDIT_UNAVAILABLE);
        return;
    }
    if (fault != QUERY_OK) {
        refuse_malformed(r, from, &q, &o, fault);
        return;
    }
    if (reply_from_cache(r, from, &q, &o, host))
        return;
    if (dns_name_host(q.name, q.name_len, host))
        o.host = host;
    struct dns_judgement j = dns_judge(r->policy, o.host, q.qtype, q.qclass, r->config->ipv6);
    resolver_inspect(r, from, o.host, &j);
    carry_out(r, from, &q, &o, &j);
}
