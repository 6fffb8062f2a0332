#include "dns/answer.h"
#include "dns/resolver.h"
#include "lib/base.h"

#define BUCKETS 1024u
/* RFC 8767 5: a client that could have an old answer waits no longer for a new one. */
#define STALE_WAIT_MS 1800
/* Further questions that a chain of aliases may take, and when to begin no more: each may last
 * UPSTREAM_TOTAL_MS. */
#define CHASES_MAX 8
#define CHASE_BEGIN_MS 2000
/* One client asking the same over and over waits this often at most. */
#define WAITERS_EACH_MAX 256

/* DNSSEC: questions for keys and delegations that one question may take, and what is held of answers until
 * they can be judged. */
#define NEEDS_MAX 48
#define HELD_MAX MIB(4)

/* TTLs where the upstream gives none. */
#define TTL_BOGUS 10
#define TTL_NO_SOA 1
#define TTL_FAILURE 1 /* RFC 9520 3.2 wants one second at least */
#define TTL_PRIVATE 5

/* A client that waits: what is needed to write its reply. */
struct waiter {
    struct waiter *next;
    struct client from;
    uint64_t began;
    uint16_t id, flags, udp_size, question_len;
    bool edns, dnssec_ok;
    uint8_t question[];
};

/* What a chain of aliases gave so far. */
struct chase {
    struct answer answer;
    struct dns_body body;
};

struct ask {
    struct upstream_query up; /* first: found again in done() */
    struct ask *chain;
    struct resolver *r;
    const struct route *route;
    struct waiter *waiters, **last;
    unsigned n_waiters;
    struct chase *chase;
    uint8_t chases;
    uint64_t began; /* loop ms */
    struct validation validation;
    uint8_t *held; /* the answer that is being validated, once something is needed for it */
    size_t held_len;
    const char *held_server;
    unsigned needs;
    enum dnssec_state dnssec; /* of all messages so far, and the least of their times */
    uint32_t dnssec_ttl, dnssec_valid;
    uint16_t qtype;
    uint8_t name_len;
    const char *host;
    uint8_t name[]; /* and the host's text */
};

struct asks {
    struct ask *buckets[BUCKETS];
    uint64_t seed;
    size_t n, n_waiters, held;
    struct chase scratch;
};

static void on_answer(struct upstream_query *up, const struct upstream_answer *a);

struct asks *asks_new(struct resolver *r)
{
    struct asks *a = calloc(1, sizeof *a);

    if (a != NULL)
        a->seed = random_u64(&r->random);
    return a;
}

size_t asks_pending(const struct asks *a)
{
    return a->n;
}

static void ask_free(struct ask *k)
{
    while (k->waiters != NULL) {
        struct waiter *w = k->waiters;
        k->waiters = w->next;
        free(w);
    }
    k->r->asks->held -= k->held_len;
    free(k->held);
    free(k->chase);
    free(k);
}

static struct ask **find(struct asks *a, const struct dns_query *q)
{
    uint64_t h = dns_name_hash(q->name, q->name_len, q->qtype, a->seed);
    struct ask **p = &a->buckets[h % BUCKETS];

    while (*p != NULL && ((*p)->qtype != q->qtype || (*p)->name_len != q->name_len ||
                             memcmp((*p)->name, q->name, q->name_len) != 0))
        p = &(*p)->chain;
    return p;
}

static bool add_waiter(struct ask *k, const struct client *from, const struct dns_query *q, uint64_t began)
{
    struct asks *a = k->r->asks;
    struct waiter *w;

    if (k->n_waiters >= WAITERS_EACH_MAX || a->n_waiters >= WAITERS_MAX)
        return false;
    w = malloc(sizeof *w + q->question_len);
    if (w == NULL)
        return false;
    *w = (struct waiter){.from = *from,
        .began = began,
        .id = q->id,
        .flags = q->flags,
        .udp_size = q->udp_size,
        .question_len = q->question_len,
        .edns = q->edns,
        .dnssec_ok = q->dnssec_ok};
    if (q->question_len > 0)
        memcpy(w->question, q->question, q->question_len);
    *k->last = w;
    k->last = &w->next;
    k->n_waiters++;
    a->n_waiters++;
    if (from->kind == CLIENT_TCP)
        server_tcp_hold(from->conn);
    return true;
}

static struct ask *begin(
    struct resolver *r, const struct dns_query *q, const struct outcome *o, struct ask **at)
{
    size_t host_len = strlen(o->host) + 1;
    struct ask *k = r->asks->n < ASKS_MAX ? calloc(1, sizeof *k + q->name_len + host_len) : NULL;

    if (k == NULL)
        return NULL;
    k->r = r;
    k->route = o->route;
    k->last = &k->waiters;
    k->began = uv_now(&r->loop);
    k->qtype = q->qtype;
    k->name_len = q->name_len;
    memcpy(k->name, q->name, q->name_len);
    k->host = memcpy(k->name + q->name_len, o->host, host_len);
    k->up.qtype = q->qtype;
    k->up.name.len = q->name_len;
    memcpy(k->up.name.b, q->name, q->name_len);
    k->up.dnssec = r->dnssec != NULL;
    k->up.done = on_answer;
    k->dnssec_ttl = k->dnssec_valid = UINT32_MAX;
    *at = k;
    r->asks->n++;
    return k;
}

void ask_upstream(struct resolver *r, const struct client *from, const struct dns_query *q,
    const struct outcome *o, bool stale)
{
    struct ask **at = find(r->asks, q);
    bool fresh = *at == NULL;
    struct ask *k = fresh ? begin(r, q, o, at) : *at;
    struct outcome failed = *o;

    if (k == NULL || !add_waiter(k, from, q, o->began)) {
        resolver_fail(r, from, q, &failed, REASON_LIMIT);
        if (fresh && k != NULL) {
            *at = NULL;
            r->asks->n--;
            ask_free(k);
        }
        return;
    }
    if (!fresh)
        return;
    k->up.total_ms = stale ? STALE_WAIT_MS : UPSTREAM_TOTAL_MS;
    upstream_ask(r->upstreams, &k->up);
}

void ask_refresh(
    struct resolver *r, struct cache_entry *e, const struct dns_query *q, const struct outcome *o)
{
    struct ask **at = find(r->asks, q);

    if (*at != NULL || begin(r, q, o, at) == NULL)
        return;
    e->fetching = true;
    (*at)->up.total_ms = UPSTREAM_TOTAL_MS;
    upstream_ask(r->upstreams, &(*at)->up);
}

static void unlink_ask(struct asks *a, const struct ask *k)
{
    struct ask **p = &a->buckets[dns_name_hash(k->name, k->name_len, k->qtype, a->seed) % BUCKETS];

    while (*p != k)
        p = &(*p)->chain;
    *p = k->chain;
    a->n--;
}

/* Replies to every waiter, from the cache's entry or (NULL) with a failure, and forgets the question. */
static void reply_all(struct ask *k, const struct upstream_answer *a, struct cache_entry *e)
{
    struct resolver *r = k->r;
    struct dns_query q = {.qtype = k->qtype, .qclass = CLASS_IN, .name_len = k->name_len};
    struct waiter *w;

    unlink_ask(r->asks, k);
    memcpy(q.name, k->name, k->name_len);
    while ((w = k->waiters) != NULL) {
        struct outcome o = {.verdict = VERDICT_ALLOW,
            .route = k->route,
            .host = k->host,
            .name = k->name,
            .name_len = k->name_len,
            .server = a->server,
            .began = w->began};
        k->waiters = w->next;
        q.id = w->id;
        q.flags = w->flags;
        q.udp_size = w->udp_size;
        q.question_len = w->question_len;
        q.question = w->question;
        q.edns = w->edns;
        q.dnssec_ok = w->dnssec_ok;
        if (e != NULL)
            resolver_reply_cached(r, &w->from, &q, &o, e);
        else
            resolver_fail(r, &w->from, &q, &o, REASON_UPSTREAM_UNREACHABLE);
        if (w->from.kind == CLIENT_TCP)
            server_tcp_release(w->from.conn);
        r->asks->n_waiters--;
        free(w);
    }
    ask_free(k);
}

static struct cache_entry *store(struct ask *k, const struct cache_value *v)
{
    struct cache_key key = {.name = k->name, .name_len = k->name_len, .qtype = k->qtype};

    return cache_put(k->r->cache, &key, v, resolver_now(k->r));
}

/* An old answer is better than none; a failure is remembered for a moment, so that it is not asked for in a
 * loop. */
static void finish_failed(struct ask *k, const struct upstream_answer *a)
{
    struct resolver *r = k->r;
    struct cache_key key = {.name = k->name, .name_len = k->name_len, .qtype = k->qtype};
    struct cache_entry *e = cache_get(r->cache, &key, resolver_now(r));

    if (e != NULL) {
        e->fetching = false;
    } else if (a->status != UPSTREAM_UNREACHABLE) {
        e = store(k, &(struct cache_value){.route = k->route,
                         .body = &(struct body_view){0},
                         .ttl = TTL_FAILURE,
                         .rcode = RCODE_SERVFAIL});
    }
    reply_all(k, a, e);
}

static uint32_t clamp_ttl(const struct policy_dns *d, const struct answer *a, bool withheld)
{
    if (withheld)
        return TTL_PRIVATE;
    if (!a->negative)
        return MAX(MIN(a->ttl, d->ttl_max), MAX(d->ttl_min, 1u));
    return a->has_soa ? MAX(MIN(a->ttl, d->negative_ttl_max), 1u) : TTL_NO_SOA;
}

/* Neither an old answer nor this one: somebody may have forged it. */
static void finish_bogus(struct ask *k, const struct upstream_answer *a, int ede)
{
    reply_all(k, a,
        store(k, &(struct cache_value){.route = k->route,
                     .body = &(struct body_view){0},
                     .ttl = TTL_BOGUS,
                     .rcode = RCODE_SERVFAIL,
                     .reason = REASON_UPSTREAM_UNREACHABLE,
                     .dnssec = DNSSEC_BOGUS,
                     .ede = (uint8_t)(ede != EDE_NONE ? ede : EDE_BOGUS)}));
}

static void finish_answered(struct ask *k, const struct upstream_answer *a, const struct answer *answer)
{
    const struct policy_dns *d = &k->r->policy->dns;
    bool withheld = answer->body->n_addr == 0 && (answer->n_private > 0 || answer->n_never > 0);
    struct body_view v = {0};

    if (!withheld)
        v = body_view(answer->body);
    struct cache_value value = {.route = k->route,
        .body = &v,
        .ttl = clamp_ttl(d, answer, withheld),
        .rcode = answer->rcode,
        .reason = withheld ? REASON_PRIVATE_ADDRESS : REASON_NONE,
        .dnssec = (uint8_t)k->dnssec,
        .ad = k->r->dnssec != NULL ? k->dnssec == DNSSEC_SECURE : answer->ad};
    if (!withheld)
        value.stale = d->stale_max;
    if (k->dnssec == DNSSEC_SECURE) { /* no longer than what it rests on */
        value.ttl = MIN(value.ttl, MAX(MIN(k->dnssec_ttl, k->dnssec_valid), MAX(d->ttl_min, 1u)));
        value.ttl = MIN(value.ttl, MAX(k->dnssec_valid, 1u));
        value.stale = MIN(value.stale, k->dnssec_valid - MIN(k->dnssec_valid, value.ttl));
    }
    reply_all(k, a, store(k, &value));
}

/* The chain of aliases goes on at another zone's servers. The asked name's permission covers it. False: too
 * long. */
static bool chase(struct ask *k, const struct chase *c)
{
    struct resolver *r = k->r;

    if (k->chases >= CHASES_MAX || uv_now(&r->loop) - k->began > CHASE_BEGIN_MS)
        return false;
    if (k->chase == NULL) {
        k->chase = malloc(sizeof *k->chase);
        if (k->chase == NULL)
            return false;
        *k->chase = *c;
        k->chase->answer.body = &k->chase->body;
    }
    k->chases++;
    k->up.name = k->chase->answer.owner;
    upstream_ask(r->upstreams, &k->up);
    return true;
}

static void read_answer(struct ask *k, const struct upstream_answer *a)
{
    struct chase *c = k->chase != NULL ? k->chase : &k->r->asks->scratch;
    struct upstream_answer failed = {.status = UPSTREAM_FAILED, .server = a->server};

    if (k->chase == NULL)
        answer_init(&c->answer, &c->body, &k->up.name);
    c->answer.ad &= a->secure; /* every link's, or none */
    if (answer_read(&c->answer, a->msg, a->len, k->qtype, k->route->allow_private) < 0) {
        finish_failed(k, &failed);
    } else if (answer_unfinished(&c->answer)) {
        if (!chase(k, c))
            finish_failed(k, &failed);
    } else {
        finish_answered(k, a, &c->answer);
    }
}

static bool hold(struct ask *k, const struct upstream_answer *a)
{
    if (k->held != NULL)
        return true;
    if (k->r->asks->held + a->len > HELD_MAX || (k->held = malloc(a->len)) == NULL)
        return false;
    assert(a->msg != NULL);
    memcpy(k->held, a->msg, a->len);
    k->held_len = a->len;
    k->held_server = a->server;
    k->r->asks->held += a->len;
    return true;
}

static void on_need(struct validation *v, const struct upstream_answer *a);

/* Something is to be learned first; the rest of the question's time is left for it. */
static bool wait_for_need(struct ask *k, const struct upstream_answer *a, const struct dnssec_verdict *v)
{
    uint64_t passed = uv_now(&k->r->loop) - k->began;

    if (k->needs++ >= NEEDS_MAX || passed >= UPSTREAM_TOTAL_MS || !hold(k, a))
        return false;
    k->validation = (struct validation){.done = on_need, .route = k->route, .host = k->host};
    return validate_need(k->r, &k->validation, v, UPSTREAM_TOTAL_MS - (uint32_t)passed);
}

static void validate(struct ask *k, const struct upstream_answer *a)
{
    struct dnssec_clock t = validate_clock(k->r);
    struct dnssec_verdict v;

    dnssec_check(k->r->dnssec, a->msg, a->len, &k->up.name, k->qtype, &t, &v);
    if (v.state == DNSSEC_NEED) {
        if (!wait_for_need(k, a, &v))
            finish_failed(k, &(struct upstream_answer){.status = UPSTREAM_FAILED, .server = a->server});
        return;
    }
    if (v.state == DNSSEC_BOGUS) {
        finish_bogus(k, a, v.ede);
        return;
    }
    k->dnssec = MAX(k->dnssec, v.state);
    k->dnssec_ttl = MIN(k->dnssec_ttl, v.ttl);
    k->dnssec_valid = MIN(k->dnssec_valid, v.valid);
    uint8_t *held = k->held; /* `a` may be it */
    k->r->asks->held -= k->held_len;
    k->held = NULL;
    k->held_len = 0;
    read_answer(k, a);
    free(held);
}

static void on_need(struct validation *v, const struct upstream_answer *a)
{
    struct ask *k = (struct ask *)((char *)v - offsetof(struct ask, validation));

    if (a != NULL)
        finish_failed(k, a);
    else
        validate(k,
            &(struct upstream_answer){
                .status = UPSTREAM_ANSWERED, .msg = k->held, .len = k->held_len, .server = k->held_server});
}

static void on_answer(struct upstream_query *up, const struct upstream_answer *a)
{
    struct ask *k = (struct ask *)up;

    if (a->status != UPSTREAM_ANSWERED)
        finish_failed(k, a);
    else if (k->r->dnssec != NULL)
        validate(k, a);
    else
        read_answer(k, a);
}
