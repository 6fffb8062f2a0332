/** \file
 * Upstream connections by (host, port, TLS or plain): idle HTTP/1 ones last in, first out, HTTP/2 sessions
 * shared, new ones dialled and verified. What an upstream speaks is remembered for a while.
 *
 * The agent of one sidecar is one party, so that its connections may share what goes to one upstream.
 */
#include "appliance/http/upstream.h"

#include <stdio.h>
#include <string.h>

#include "appliance/flow/tls.h"
#include "appliance/http/upstream_internal.h"
#include "lib/base.h"

#define IDLE_PER_HOST_MAX 128
#define IDLE_MAX 1024
#define HOSTS_MAX 4096
/* What ALPN chose holds this long; a wrong guess costs one round trip, not correctness. */
#define ALPN_SECONDS 600

/* An upstream that speaks both gets so many HTTP/1 connections for clients that speak it: what a stream of
 * its own brings costs less to pass on than its share of a session. Above that they share a session. Each is
 * dialled ahead, and only for a client that goes on asking. */
#define H1_BESIDE_H2_MAX 16
#define H1_BESIDE_H2_AFTER 16

static struct engine *engine_of(const struct upstream_request *r)
{
    return r->host->pool->e;
}

/* ---- hosts ---- */

static size_t bucket_of(const char *name, uint16_t port, bool tls)
{
    uint64_t h =
        0xcbf29ce484222325u ^ ((uint64_t)port << 1 | tls); /* FNV-1a; names are ones that a route allows */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32) & (UPSTREAM_BUCKETS - 1);
}

static void sweep(struct upstream_pool *p)
{
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++)
        for (struct upstream_host **at = &p->buckets[i], *h; (h = *at) != NULL;) {
            if (h->users || h->queued) {
                at = &h->next;
                continue;
            }
            *at = h->next;
            p->n_hosts--;
            free(h);
        }
}

static struct upstream_host *host_get(struct upstream_pool *p, const struct upstream_key *k)
{
    size_t at = bucket_of(k->host, k->port, k->tls), len = strlen(k->host);
    for (struct upstream_host *h = p->buckets[at]; h; h = h->next)
        if (h->port == k->port && h->tls == k->tls && strcmp(h->name, k->host) == 0)
            return h;
    if (p->n_hosts >= HOSTS_MAX)
        sweep(p);
    struct upstream_host *h = calloc(1, sizeof *h + len + 1);
    if (!h)
        return NULL;
    h->pool = p;
    h->port = k->port;
    h->tls = k->tls;
    memcpy(h->name, k->host, len);
    h->next = p->buckets[at];
    p->buckets[at] = h;
    p->n_hosts++;
    return h;
}

static enum speaks remembered(const struct upstream_host *h)
{
    return engine_now_s(h->pool->e) < h->speaks_until ? h->speaks : SPEAKS_UNKNOWN;
}

/* ---- pooled connections ---- */

static void pooled_unlink(struct pooled *c)
{
    engine_timer_clear(&c->timer);
    if (c->idle) {
        c->idle = false;
        c->host->n_idle--;
        c->host->pool->n_idle--;
    }
    if (!c->prev)
        return;
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->prev = NULL;
}

static void pooled_link(struct pooled **list, struct pooled *c)
{
    c->next = *list;
    c->prev = list;
    if (c->next)
        c->next->prev = &c->next;
    *list = c;
}

static void pooled_free(struct pooled *c)
{
    pooled_unlink(c);
    c->host->users--;
    c->host->n_h1 -= !c->h2;
    upstream_slot_give(c->host);
    c->back->pool_entry = NULL;
    free(c);
}

static void pooled_close(struct pooled *c)
{
    struct http_back *b = c->back;
    pooled_free(c);
    b->ops->close(b);
}

static void on_idle_timeout(struct engine_timer *t)
{
    pooled_close((struct pooled *)((char *)t - offsetof(struct pooled, timer)));
}

static void park(struct pooled *c)
{
    struct upstream_host *h = c->host;
    struct upstream_pool *p = h->pool;
    bool full = !c->h2 && (p->n_idle >= IDLE_MAX || h->n_idle >= IDLE_PER_HOST_MAX);
    if (p->closing || full) {
        pooled_close(c);
        return;
    }
    if (!c->h2) {
        pooled_link(&h->idle, c);
        c->idle = true;
        h->n_idle++;
        p->n_idle++;
    }
    upstream_queue_wake(h);
    engine_timer_set(p->e, &c->timer, p->e->policy->timeouts.upstream_keepalive, on_idle_timeout);
}

static void on_back_idle(struct http_back *b)
{
    if (b->pool_entry)
        park(b->pool_entry);
}

static void on_no_settings(struct engine_timer *t);

/* Those that ask what it offers will not hear; they look elsewhere from the loop. */
static void on_back_dead(struct http_back *b)
{
    struct pooled *c = b->pool_entry;
    if (!c)
        return;
    struct upstream_host *h = c->host;
    pooled_free(c);
    for (struct upstream_request *r = h->asking; r; r = r->next)
        engine_timer_set(h->pool->e, &r->timer, 1, on_no_settings);
}

static void on_back_settings(struct http_back *b);

static const struct http_back_events back_events = {on_back_idle, on_back_dead, on_back_settings};

static struct pooled *pooled_new(struct upstream_host *h, struct conn *conn, bool h2)
{
    struct engine *e = h->pool->e;
    struct pooled *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->back = h2 ? h2_back_new(e, conn, &back_events) : h1_back_new(e, conn, &back_events);
    if (!c->back) {
        free(c);
        return NULL;
    }
    c->back->pool_entry = c;
    c->host = h;
    c->h2 = h2;
    h->users++;
    h->n_h1 += !h2;
    if (h2)
        pooled_link(&h->sessions, c);
    return c;
}

static struct http_stream *take_h2(struct upstream_host *h, struct exchange *x, unsigned flags)
{
    for (struct pooled *c = h->sessions; c; c = c->next) {
        if (!c->back->ops->capacity(c->back) ||
            ((flags & UPSTREAM_WEBSOCKET) && c->back->ops->websocket(c->back) != 1))
            continue;
        struct http_stream *s = c->back->ops->open(c->back, x);
        if (s) {
            engine_timer_clear(&c->timer);
            return s;
        }
    }
    return NULL;
}

static struct http_stream *take_h1(struct upstream_host *h, struct exchange *x, unsigned flags)
{
    for (struct pooled *c = h->idle, *next; c; c = next) {
        next = c->next;
        bool usable = !(flags & UPSTREAM_ONCE) || c->back->ops->alive(c->back);
        pooled_unlink(c);
        struct http_stream *s = usable ? c->back->ops->open(c->back, x) : NULL;
        if (s)
            return s;
        pooled_close(c);
    }
    return NULL;
}

/* A stream of a pooled connection for `x`, or NULL. */
static struct http_stream *take(struct upstream_host *h, struct exchange *x, unsigned flags)
{
    if (flags & UPSTREAM_FRESH)
        return NULL;
    bool h1_first = flags & UPSTREAM_LIKE_H1;
    struct http_stream *s = h1_first ? take_h1(h, x, flags) : NULL;
    if (!s && (flags & UPSTREAM_H2_OK)) {
        s = take_h2(h, x, flags);
        h->h1_asked += s && h1_first;
    }
    return s || h1_first ? s : take_h1(h, x, flags);
}

/* ---- requests ---- */

static void request_link(struct upstream_request **list, struct upstream_request *r)
{
    r->next = *list;
    r->prev = list;
    if (r->next)
        r->next->prev = &r->next;
    *list = r;
}

static void request_unlink(struct upstream_request *r)
{
    if (!r->prev)
        return;
    upstream_queue_unlink(r);
    *r->prev = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->prev = NULL;
}

static struct upstream_request *request_pop(struct upstream_request **list)
{
    struct upstream_request *r = *list;
    if (!r)
        return NULL;
    *list = r->next;
    if (r->next)
        r->next->prev = list;
    r->prev = NULL;
    return r;
}

static void request_free(struct upstream_request *r)
{
    struct engine *e = engine_of(r);
    engine_timer_clear(&r->timer);
    if (r->dialling)
        upstream_dial_cancel(e, r);
    if (r->c)
        conn_close(r->c, true);
    request_unlink(r);
    r->host->h2_dials -= r->counted;
    r->host->warming &= !r->warm;
    if (r->slot)
        upstream_slot_give(r->host);
    r->host->users--;
    if (r->freed)
        *r->freed = true;
    free(r);
}

static void request_dial(struct upstream_request *r);

/* ---- WebSocket over h2 ---- */

/* Whether the host's sessions take WebSockets: 1, 0, -1 where one has not said yet, -2: there is none. */
static int offers_websocket(const struct upstream_host *h)
{
    int best = -2;
    for (const struct pooled *c = h->sessions; c; c = c->next) {
        int w = c->back->ops->websocket(c->back);
        best = w == 1 || best == 1 ? 1 : w == -1 || best == -1 ? -1 : 0;
    }
    return best;
}

static void on_no_settings(struct engine_timer *t)
{
    struct upstream_request *r =
        (struct upstream_request *)((char *)t - offsetof(struct upstream_request, timer));
    request_unlink(r);
    r->offer_h2 = false;
    request_dial(r);
}

static void request_ask(struct upstream_request *r)
{
    struct engine *e = engine_of(r);
    r->flags &= ~UPSTREAM_FRESH; /* what is asked now is fresh */
    request_link(&r->host->asking, r);
    engine_timer_set(e, &r->timer, e->policy->timeouts.tls_handshake, on_no_settings);
}

static void on_back_settings(struct http_back *b)
{
    struct pooled *c = b->pool_entry;
    if (!c)
        return;
    struct upstream_host *h = c->host;
    if (b->ops->websocket(b) == 0)
        h->no_websocket_until = engine_now_s(h->pool->e) + ALPN_SECONDS;
    h->users++;
    for (struct upstream_request *r; (r = request_pop(&h->asking)) != NULL;) {
        struct exchange *x = r->x;
        struct http_stream *s = take(h, x, r->flags);
        if (!s) {
            engine_timer_clear(&r->timer);
            r->offer_h2 = !r->tried_h2 && offers_websocket(h) == 1;
            request_dial(r);
            continue;
        }
        request_free(r);
        exchange_upstream_ready(x, s);
    }
    h->users--;
}

/* Dials, or asks a session that is there what it offers. */
static void request_go(struct upstream_request *r)
{
    int ws = r->offer_h2 && (r->flags & UPSTREAM_WEBSOCKET) ? offers_websocket(r->host) : -2;
    r->offer_h2 &= ws != 0;
    if (ws == -1)
        request_ask(r);
    else
        request_dial(r);
}

/* ---- how requests end ---- */

/* Those that waited for a session that did not come to be look after themselves. */
static void wake_waiting(struct upstream_host *h)
{
    if (h->waking) /* one of those that are woken has failed at once: the loop that woke it goes on */
        return;
    h->waking = true;
    for (struct upstream_request *r; (r = request_pop(&h->waiting)) != NULL;) {
        struct exchange *x = r->x;
        struct http_stream *s = take(h, x, r->flags);
        if (!s) {
            request_go(r);
            continue;
        }
        request_free(r);
        exchange_upstream_ready(x, s);
    }
    h->waking = false;
}

/* What a connection met that was dialled ahead, its rider's own would have met too: the same address at the
 * same time. Returns the rider's exchange, which is to be told. */
static struct exchange *rider_of(const struct upstream_request *warm)
{
    for (struct upstream_request *r = warm->host->waiting; r; r = r->next) {
        bool same = !r->key.dialled == !warm->key.dialled &&
                    (!r->key.dialled || addr_eq(r->key.dialled, warm->key.dialled));
        if (!r->rides || !same)
            continue;
        struct exchange *x = r->x;
        request_free(r);
        return x;
    }
    return NULL;
}

void upstream_request_fail(struct upstream_request *r, enum reason why, const char *detail)
{
    struct upstream_host *h = r->host;
    struct exchange *x = r->x;
    upstream_alpn_fn *probed = r->probed;
    void *arg = r->arg;
    if (r->flags & UPSTREAM_H1)
        h->no_websocket_until = 0; /* it speaks nothing else */
    if (r->beside)
        h->only_h2_until = engine_now_s(h->pool->e) + ALPN_SECONDS;
    h->users++;
    if (r->warm)
        x = rider_of(r);
    request_free(r);
    if (x)
        exchange_upstream_failed(x, why, detail);
    else if (probed)
        probed(arg, why, false, detail);
    if (h->h2_dials == 0)
        wake_waiting(h);
    h->users--;
}

/* Connected, and verified where there is TLS. Takes `c`. */
static void request_done(struct upstream_request *r, struct conn *c, bool h2)
{
    struct upstream_host *h = r->host;
    struct exchange *x = r->x;
    upstream_alpn_fn *probed = r->probed;
    void *arg = r->arg;
    struct pooled *p = pooled_new(h, c, h2);
    if (!p) {
        conn_close(c, true);
        upstream_request_fail(r, REASON_UPSTREAM_UNREACHABLE, "out of memory");
        return;
    }
    r->slot = false;
    if (r->offer_h2 || !h->tls) {
        h->speaks = h2 ? SPEAKS_H2 : SPEAKS_H1;
        h->speaks_until = engine_now_s(h->pool->e) + ALPN_SECONDS;
    }
    h->users++; /* connection and request may be gone below, and a host without users is let go of */
    if (x && h2 && (r->flags & UPSTREAM_WEBSOCKET)) {
        h->h2_dials -= r->counted;
        r->counted = false;
        park(p);
        request_ask(r);
        wake_waiting(h);
        h->users--;
        return;
    }
    request_free(r);
    if (x) {
        struct http_stream *s = p->back->ops->open(p->back, x);
        if (s)
            exchange_upstream_ready(x, s);
        else
            exchange_upstream_failed(x, REASON_UPSTREAM_UNREACHABLE, "out of memory");
    } else {
        p->back->reused = true; /* its first request may come when the upstream has closed it */
        park(p);
        if (probed)
            probed(arg, REASON_NONE, h2, NULL);
    }
    wake_waiting(h);
    h->users--;
}

static void on_quiet(struct conn *c, void *arg)
{
    (void)c, (void)arg;
}

static void on_quiet_error(struct conn *c, void *arg, int err)
{
    (void)c, (void)arg, (void)err;
}

/* During the handshake conn itself reads and writes, and says by its own callback how it went. */
static const struct conn_ops handshake_ops = {on_quiet, on_quiet, on_quiet_error};

static void on_handshake(struct conn *c, void *arg, int err)
{
    struct upstream_request *r = arg;
    bool h2 = false;
    char why[256] = "";
    int verified = tls_client_verified(conn_ssl(c), &h2, why, sizeof why);
    if (err || verified != 0) {
        if (!why[0])
            (void)snprintf(why, sizeof why, "the TLS handshake failed: %s", strerror(err ? -err : EPROTO));
        upstream_request_fail(r, REASON_UPSTREAM_TLS, why);
        return;
    }
    if (r->beside && !tls_chose_h1(conn_ssl(c))) {
        upstream_request_fail(r, REASON_UPSTREAM_TLS, "HTTP/1.1 is not spoken");
        return;
    }
    engine_timer_clear(&r->timer);
    r->c = NULL;
    request_done(r, c, h2);
}

static void on_handshake_timeout(struct engine_timer *t)
{
    struct upstream_request *r =
        (struct upstream_request *)((char *)t - offsetof(struct upstream_request, timer));
    upstream_request_fail(r, REASON_UPSTREAM_TLS, "the TLS handshake took too long");
}

static void on_dialled(void *arg, int fd, enum reason why, const struct endpoint *peer)
{
    (void)peer;
    struct upstream_request *r = arg;
    struct engine *e = engine_of(r);
    r->dialling = false;
    if (fd < 0) {
        char text[160];
        (void)snprintf(text, sizeof text, "%s",
            why == REASON_PRIVATE_ADDRESS ? reason_hint(why)
            : fd == -ENXIO                ? "the name has no address"
                                          : strerror(-fd));
        upstream_request_fail(r, why, text);
        return;
    }
    struct conn *c = conn_new(e, fd, &handshake_ops, r);
    if (!c) {
        upstream_request_fail(r, REASON_UPSTREAM_UNREACHABLE, "out of memory");
        return;
    }
    if (!r->host->tls) {
        request_done(r, c, false);
        return;
    }
    r->c = c;
    SSL *ssl = tls_client_new(e->tls, r->host->name, r->host->port, r->offer_h2);
    if (!ssl) {
        upstream_request_fail(r, REASON_UPSTREAM_TLS, "out of memory");
        return;
    }
    engine_timer_set(e, &r->timer, e->policy->timeouts.tls_handshake, on_handshake_timeout);
    conn_handshake(c, ssl, on_handshake);
}

static void request_dial(struct upstream_request *r)
{
    if (!r->slot && !upstream_slot_take(r->host)) {
        request_unlink(r);
        upstream_queue_add(r);
        return;
    }
    r->slot = true;
    r->dialling = true;
    if (r->offer_h2) {
        r->counted = r->tried_h2 = true;
        r->host->h2_dials++;
    }
    upstream_dial(engine_of(r), &r->key, on_dialled, r);
}

bool upstream_request_serve(struct upstream_request *r)
{
    struct exchange *x = r->x;
    struct http_stream *s = x ? take(r->host, x, r->flags) : NULL;
    if (s) {
        request_free(r);
        exchange_upstream_ready(x, s);
        return true;
    }
    if (!upstream_slot_take(r->host))
        return false;
    request_unlink(r);
    engine_timer_clear(&r->timer);
    if (!x)
        request_link(&r->host->pool->probes, r);
    r->slot = true;
    request_dial(r);
    return true;
}

bool upstream_close_idle(struct upstream_pool *p, struct upstream_host *h)
{
    for (size_t i = 0; !h && p->n_idle && i < UPSTREAM_BUCKETS; i++)
        for (h = p->buckets[i]; h && !h->idle; h = h->next)
            ;
    if (!h || !h->idle)
        return false;
    pooled_close(h->idle);
    return true;
}

static struct upstream_request *request_new(struct upstream_pool *p, const struct upstream_key *k)
{
    struct upstream_host *h = host_get(p, k);
    struct upstream_request *r = h ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    r->host = h;
    r->key = *k;
    r->key.host = h->name;
    if (k->dialled) {
        r->dialled = *k->dialled;
        r->key.dialled = &r->dialled;
    }
    h->users++;
    return r;
}

/* What an upstream said itself counts for more than what it offered. Returns `flags` as they are to be. */
static unsigned learn(struct upstream_host *h, unsigned flags)
{
    uint64_t now = engine_now_s(h->pool->e);
    bool websocket = flags & UPSTREAM_WEBSOCKET;
    if ((flags & UPSTREAM_H1) && websocket) {
        h->no_websocket_until = now + ALPN_SECONDS;
    } else if (flags & UPSTREAM_H1) {
        h->speaks = SPEAKS_H1;
        h->speaks_until = h->h1_until = now + ALPN_SECONDS;
    }
    return now < h->h1_until || (websocket && now < h->no_websocket_until) ? flags & ~UPSTREAM_H2_OK : flags;
}

/* Dials for a request that is likely to come. */
static void warm(struct upstream_pool *p, const struct upstream_key *k, bool offer_h2, bool beside)
{
    struct upstream_request *r = request_new(p, k);
    if (!r)
        return;
    r->slot = upstream_slot_take(r->host);
    if (!r->slot) {
        request_free(r);
        return;
    }
    r->warm = r->host->warming = true;
    r->offer_h2 = offer_h2;
    r->beside = beside;
    request_link(&p->probes, r);
    request_dial(r);
}

void upstream_warm(struct upstream_pool *p, const struct upstream_key *k)
{
    struct upstream_host *h = host_get(p, k);
    if (!h || h->idle || h->sessions || h->h2_dials || h->warming)
        return;
    warm(p, k, k->tls && engine_now_s(p->e) >= h->h1_until, false);
}

/* A client of HTTP/1 that goes on asking a session's upstream: the next of its requests gets a connection. */
static void warm_h1(struct upstream_host *h, const struct upstream_key *k)
{
    uint64_t now = engine_now_s(h->pool->e);
    if (h->h1_asked < H1_BESIDE_H2_AFTER || h->idle || h->warming || h->n_h1 >= H1_BESIDE_H2_MAX ||
        h->pool->n_idle >= IDLE_MAX / 2 || now < h->only_h2_until)
        return;
    warm(h->pool, k, false, true);
}

struct upstream_request *upstream_open(
    struct upstream_pool *p, const struct upstream_key *k, struct exchange *x, unsigned flags)
{
    struct upstream_host *h = host_get(p, k);
    if (h)
        flags = learn(h, flags);
    struct http_stream *s = h ? take(h, x, flags) : NULL;
    if (s) {
        h->users++;
        exchange_upstream_ready(x, s); /* first: what fails below may wake others, and end its connection */
        if (flags & UPSTREAM_LIKE_H1)
            warm_h1(h, k);
        h->users--;
        return NULL;
    }
    struct upstream_request *r = h ? request_new(p, k) : NULL;
    if (!r) {
        exchange_upstream_failed(x, REASON_UPSTREAM_UNREACHABLE, "out of memory");
        return NULL;
    }
    r->x = x;
    r->flags = flags;
    r->offer_h2 = k->tls && (flags & UPSTREAM_H2_OK);
    r->rides = h->warming && !h->waiting && !(flags & (UPSTREAM_FRESH | UPSTREAM_WEBSOCKET));
    if (r->rides || (r->offer_h2 && h->h2_dials && remembered(h) == SPEAKS_H2)) {
        request_link(&h->waiting, r);
        return r;
    }
    bool freed = false;
    r->freed = &freed;
    request_go(r);
    if (freed)
        return NULL;
    r->freed = NULL;
    return r;
}

void upstream_cancel(struct upstream_request *r)
{
    struct upstream_host *h = r->host;
    h->users++;
    request_free(r);
    if (h->h2_dials == 0)
        wake_waiting(h);
    h->users--;
}

/* ---- what does it speak? ---- */

struct upstream_request *upstream_alpn(
    struct upstream_pool *p, const struct upstream_key *k, bool offer_h2, upstream_alpn_fn *done, void *arg)
{
    struct upstream_host *h = host_get(p, k);
    enum speaks known = h ? remembered(h) : SPEAKS_UNKNOWN;
    if (known != SPEAKS_UNKNOWN) {
        done(arg, REASON_NONE, offer_h2 && known == SPEAKS_H2, NULL);
        return NULL;
    }
    struct upstream_request *r = h ? request_new(p, k) : NULL;
    if (!r) {
        done(arg, REASON_UPSTREAM_UNREACHABLE, false, "out of memory");
        return NULL;
    }
    r->probed = done;
    r->arg = arg;
    r->offer_h2 = offer_h2;
    request_link(&p->probes, r);
    bool freed = false;
    r->freed = &freed;
    request_dial(r);
    if (freed)
        return NULL;
    r->freed = NULL;
    return r;
}

/* ---- life ---- */

struct upstream_pool *upstream_pool_new(struct engine *e)
{
    struct upstream_pool *p = calloc(1, sizeof *p);
    if (p) {
        p->e = e;
        p->open_max = upstream_open_max();
    }
    return p;
}

static void host_close(struct upstream_host *h)
{
    struct pooled *const lists[] = {h->idle, h->sessions};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct pooled *c = lists[i], *next; c; c = next) {
            next = c->next;
            pooled_close(c);
        }
}

void upstream_pool_free(struct upstream_pool *p)
{
    if (!p)
        return;
    p->closing = true;
    for (struct upstream_request *r = p->probes, *next; r; r = next) {
        next = r->next;
        request_free(r);
    }
    p->queued = NULL;
    upstream_dials_drop(p);
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++)
        for (struct upstream_host *h = p->buckets[i], *next; h; h = next) {
            next = h->next;
            host_close(h);
            free(h);
        }
    if (!p->waking) /* else it is freed then */
        free(p);
}
