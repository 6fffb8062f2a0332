#include "appliance/flow/flow_internal.h"

#include <string.h>
#include <sys/socket.h>

#include "appliance/flow/splice.h"
#include "appliance/flow/tls.h"
#include "lib/base.h"
#include "lib/log.h"

/* Where an address is leased to a tcp route and a web route alike, a client that says nothing for this long
 * is taken for one of a protocol in which the server speaks first. */
#define SERVER_FIRST_MS 1000u
/* While the kernel wakes us for less than we asked for. */
#define LOOK_AGAIN_MS 100
/* A connection that was taken before a drain may send its request this long after its handshake. */
#define LATE_DRAIN_MS 2000
/* Leaves for names that no route has: so many at once and a second. A 403 that can be read is a kindness. */
#define MINT_BURST 500
#define MINT_PER_SECOND 100

enum { ALERT_INTERNAL_ERROR = 80, ALERT_UNRECOGNIZED_NAME = 112 };

const char *flow_id(const struct flow *f)
{
    return f->id;
}

const struct addr *flow_agent(const struct flow *f)
{
    return &f->agent.addr;
}

const struct endpoint *flow_dst(const struct flow *f)
{
    return &f->dst;
}

const char *flow_dns_id(const struct flow *f)
{
    return f->dns_id[0] ? f->dns_id : NULL;
}

bool flow_set_name(struct flow *f, const char *name)
{
    free(f->name);
    f->name = strdup(name);
    return f->name != NULL;
}

void flow_set_lowat(struct flow *f, size_t octets)
{
    int n = (int)octets;
    if (octets <= 1 && !f->lowat)
        return;
    (void)setsockopt(conn_fd(f->c), SOL_SOCKET, SO_RCVLOWAT, &n, sizeof n);
    f->lowat = octets > 1;
}

/* `detail` NULL: there is nothing to add. */
static void set_detail(struct flow *f, const char *detail)
{
    free(f->detail_own);
    f->detail = f->detail_own = detail ? strdup(detail) : NULL;
}

static struct flow *flow_of_timer(struct engine_timer *t)
{
    return (struct flow *)((char *)t - offsetof(struct flow, timer));
}

static struct upstream_key key_of(const struct flow *f)
{
    return (struct upstream_key){
        .host = f->name, .port = f->dst.port, .tls = f->tls, .route = f->route, .dialled = &f->dst.addr};
}

/* ---- the end ---- */

static void release(void *arg)
{
    struct flow *f = arg;
    free(f->name);
    free(f->tcp_name);
    free(f->connect);
    free(f->detail_own);
    free(f);
}

/* Freed when whoever called us has returned. What is under way for it is called off. */
static void over(struct flow *f, bool reset)
{
    if (f->stage == STAGE_OVER)
        return;
    enum stage was = f->stage;
    f->stage = STAGE_OVER;
    engine_timer_clear(&f->timer);
    engine_cancel(f->e, f->leaf_token);
    if (f->probe)
        upstream_cancel(f->probe);
    if (was == STAGE_DIAL)
        upstream_dial_cancel(f->e, f);
    if (f->c)
        conn_close(f->c, reset);
    f->c = NULL;
    flow_audit_open(f, "refused");
    flow_audit_closed(f);
    *f->prev = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->e->n_flows--;
    engine_defer(f->e, release, f);
}

void flow_end(struct flow *f)
{
    over(f, false);
}

void flow_cut(struct flow *f, enum reason why, const char *detail)
{
    f->reason = (uint8_t)why;
    f->detail = detail;
    over(f, true);
}

void flow_alert(struct flow *f, uint8_t description, enum reason why, const char *detail)
{
    const uint8_t alert[] = {21, 3, 3, 0, 2, 2, description}; /* RFC 8446 6.2: fatal */
    f->reason = (uint8_t)why;
    f->detail = detail;
    flow_set_lowat(f, 1);
    (void)conn_send(f->c, alert, sizeof alert);
    conn_set_linger(f->c);
    over(f, false);
}

/* ---- HTTP ---- */

static void on_front_closed(void *arg, uint64_t bytes_in, uint64_t bytes_out)
{
    struct flow *f = arg;
    f->from_agent = bytes_in;
    f->to_agent = bytes_out;
    over(f, false);
}

static void on_late_drain(struct engine_timer *t)
{
    http_front_drain(&flow_of_timer(t)->front);
}

static int serve(struct flow *f, struct conn *c)
{
    if (f->front.alpn_h2)
        return h2_front_start(&f->front, c, on_front_closed, f);
    return h1_front_start(&f->front, c, on_front_closed, f);
}

static void start_http(struct flow *f)
{
    struct conn *c = f->c;
    f->stage = STAGE_HTTP;
    f->front.engine = f->e;
    f->front.flow = f;
    f->front.port = f->dst.port;
    f->front.tls = f->tls;
    f->c = NULL;
    int err = serve(f, c);
    if (err) {
        f->c = c;
        f->detail = "out of memory";
        over(f, true);
    } else if (f->e->draining && f->stage == STAGE_HTTP) {
        engine_timer_set(f->e, &f->timer, LATE_DRAIN_MS, on_late_drain);
    }
}

void flow_plain(struct flow *f)
{
    flow_set_lowat(f, 1);
    engine_timer_clear(&f->timer);
    if (f->connect) {
        f->front.host = f->connect;
        f->front.route = f->route;
    }
    flow_audit_open(f, "bump");
    start_http(f);
}

/* ---- TLS with our leaf ---- */

static void on_handshake_timeout(struct engine_timer *t)
{
    struct flow *f = flow_of_timer(t);
    f->detail = f->stage == STAGE_LEAF ? "no leaf or upstream in time" : "handshake not finished in time";
    over(f, true);
}

static void on_handshake(struct conn *c, void *arg, int err)
{
    struct flow *f = arg;
    char why[160];
    engine_timer_clear(&f->timer);
    if (err) {
        tls_failure(conn_ssl(c), err, why, sizeof why);
        set_detail(f, why);
        conn_set_linger(c); /* the alert should arrive */
        over(f, err != -EPROTO);
        return;
    }
    start_http(f);
}

static void on_handshake_readable(struct conn *c, void *arg)
{
    (void)c, (void)arg; /* reading is off until HTTP starts */
}

static void on_handshake_error(struct conn *c, void *arg, int err)
{
    (void)c, (void)err;
    over(arg, true);
}

static const struct conn_ops handshake_ops = {
    .on_readable = on_handshake_readable, .on_error = on_handshake_error};

/* Mirrored where the upstream is known; a client that knows only one protocol is served in that one (the
 * exchange translates); a refusal is told in the simplest there is. */
static enum tls_alpn choose_alpn(const struct flow *f)
{
    bool h2 = f->offer & OFFER_H2;
    if (h2 && (f->upstream_h2 || !(f->offer & OFFER_HTTP11)))
        return TLS_ALPN_H2;
    return f->offer & OFFER_HTTP11 ? TLS_ALPN_HTTP11 : TLS_ALPN_NONE;
}

static void handshake(struct flow *f, const uint8_t *der, size_t len)
{
    enum tls_alpn alpn = choose_alpn(f);
    SSL *ssl = der ? tls_server_new(f->e->tls, f->name, f->has_sni ? f->name : NULL, der, len, alpn) : NULL;
    if (!ssl) {
        flow_alert(f, ALERT_INTERNAL_ERROR, f->reason ? (enum reason)f->reason : REASON_LIMIT,
            "no certificate for it");
        return;
    }
    f->stage = STAGE_HANDSHAKE;
    f->front.host = f->name;
    f->front.alpn_h2 = alpn == TLS_ALPN_H2;
    f->front.route = f->reason == REASON_NONE ? f->route : NULL;
    f->front.refused = f->route;
    f->front.deny = (enum reason)f->reason;
    flow_audit_open(f, "bump");
    engine_timer_set(f->e, &f->timer, f->e->policy->timeouts.tls_handshake, on_handshake_timeout);
    conn_set_ops(f->c, &handshake_ops, f);
    conn_handshake(f->c, ssl, on_handshake);
}

static void on_leaf(void *arg, const uint8_t *der, size_t len)
{
    struct flow *f = arg;
    f->leaf_wanted = false;
    f->leaf_token = 0;
    if (f->stage == STAGE_LEAF && (!f->alpn_wanted || !der))
        handshake(f, der, len);
}

static void want_leaf(struct flow *f)
{
    f->leaf_wanted = true;
    uint32_t token = engine_leaf(f->e, f->name, on_leaf, f);
    if (f->leaf_wanted)
        f->leaf_token = token;
}

static void on_alpn(void *arg, enum reason why, bool h2, const char *detail)
{
    struct flow *f = arg;
    f->alpn_wanted = false;
    f->probe = NULL;
    if (f->stage != STAGE_LEAF)
        return;
    f->upstream_h2 = h2;
    if (why != REASON_NONE) {
        f->reason = (uint8_t)why;
        set_detail(f, detail);
    }
    if (!f->leaf_wanted)
        want_leaf(f); /* it is in the cache */
}

static void start_leaf(struct flow *f)
{
    f->stage = STAGE_LEAF;
    flow_set_lowat(f, 1);
    conn_read_enable(f->c, false);
    engine_timer_set(f->e, &f->timer, f->e->policy->timeouts.connect + f->e->policy->timeouts.tls_handshake,
        on_handshake_timeout);
}

/* Nothing goes out for a connection that cannot be logged, or that a newer policy has no route for, not even
 * the upstream's handshake. */
static bool may_go_on(struct flow *f)
{
    bool revoked = engine_revoked(f->e, f->route);
    if (f->name && audit_ok(f->e->audit) && !revoked)
        return true;
    if (f->name && revoked)
        flow_deny(f, REASON_NO_ROUTE, "by a policy of the time before");
    else
        flow_deny(f, f->name ? REASON_AUDIT_UNAVAILABLE : REASON_LIMIT, NULL);
    return false;
}

void flow_bump(struct flow *f)
{
    if (!may_go_on(f))
        return;
    start_leaf(f);
    f->leaf_wanted = true; /* so that an answer at once waits for it */
    struct upstream_key key = key_of(f);
    if (f->offer & OFFER_H2) {
        f->alpn_wanted = true;
        f->probe = upstream_alpn(f->e->pool, &key, true, on_alpn, f);
    } else {
        upstream_warm(f->e->pool, &key); /* who sends a ClientHello has a request */
    }
    if (f->stage == STAGE_LEAF)
        want_leaf(f);
}

static bool may_mint(struct flow *f)
{
    struct engine *e = f->e;
    return f->route || engine_leaf_cached(e, f->name) ||
           rate_take(&e->minted, engine_now_ms(e), MINT_BURST, MINT_PER_SECOND);
}

void flow_deny(struct flow *f, enum reason why, const char *detail)
{
    if (!f->tls || !f->name) {
        flow_cut(f, why, detail);
        return;
    }
    if (!may_mint(f)) {
        flow_alert(f, ALERT_UNRECOGNIZED_NAME, REASON_LIMIT, "too many names without a route");
        return;
    }
    f->reason = (uint8_t)why;
    f->detail = detail;
    start_leaf(f);
    want_leaf(f);
}

/* ---- relay ---- */

static void on_relay_done(void *arg, int err, uint64_t from_agent, uint64_t to_agent)
{
    struct flow *f = arg;
    f->relay = NULL;
    f->from_agent = from_agent;
    f->to_agent = to_agent;
    if (err == -ETIMEDOUT)
        f->detail = "idle";
    else if (err == -ECANCELED)
        f->detail = "ended by a reload or stop";
    else if (err)
        f->detail = "reset";
    over(f, false);
}

static void start_relay(struct flow *f, int fd)
{
    struct conn *up = conn_new(f->e, fd, NULL, NULL);
    f->relay = up ? relay_start(f->e, f->c, up, f->e->policy->timeouts.idle, on_relay_done, f) : NULL;
    if (!f->relay) {
        if (up)
            conn_close(up, true);
        flow_cut(f, REASON_LIMIT, "out of memory");
        return;
    }
    f->c = NULL;
    f->stage = STAGE_RELAY;
    flow_audit_open(f, f->route->protocol == ROUTE_TCP ? "tcp" : "splice");
}

static void on_dialled(void *arg, int fd, enum reason why, const struct endpoint *peer)
{
    struct flow *f = arg;
    (void)peer;
    f->stage = STAGE_SNIFF; /* nothing to call off any more */
    if (fd >= 0)
        start_relay(f, fd);
    else if (f->route->protocol == ROUTE_TCP)
        flow_cut(f, why, NULL);
    else
        flow_deny(f, why, NULL);
}

void flow_dial(struct flow *f)
{
    if (!may_go_on(f))
        return;
    struct upstream_key key = key_of(f);
    f->stage = STAGE_DIAL;
    flow_set_lowat(f, 1);
    engine_timer_clear(&f->timer); /* dialling has its own */
    conn_read_enable(f->c, false);
    upstream_dial(f->e, &key, on_dialled, f);
}

/* ---- the beginning ---- */

static void on_readable(struct conn *c, void *arg)
{
    struct flow *f = arg;
    (void)c;
    if (f->stage == STAGE_SNIFF)
        flow_sniff(f);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c, (void)err;
    over(arg, true);
}

static const struct conn_ops sniff_ops = {.on_readable = on_readable, .on_error = on_error};

static void on_sniff_timer(struct engine_timer *t)
{
    struct flow *f = flow_of_timer(t);
    if (f->tcp && !f->peeked)
        flow_relay_unnamed(f);
    else if (engine_now_ms(f->e) >= f->deadline && f->peeked)
        flow_cut(f, REASON_MALFORMED, "first octets not complete in time");
    else if (engine_now_ms(f->e) >= f->deadline)
        flow_cut(f, REASON_NO_ROUTE, "said nothing in time");
    else
        flow_look_again(f);
}

static void on_look_again(struct engine_timer *t)
{
    struct flow *f = flow_of_timer(t);
    uint64_t now = engine_now_ms(f->e);
    engine_timer_set(f->e, t, f->deadline > now ? (uint32_t)(f->deadline - now) : 0, on_sniff_timer);
    if (f->deadline > now)
        flow_sniff(f);
}

void flow_look_again(struct flow *f)
{
    engine_timer_set(f->e, &f->timer, LOOK_AGAIN_MS, on_look_again);
}

/* Audit-only: a connection to a port of the web's says soon what it is. */
static bool wants_sniffing(const struct route *r, uint16_t port)
{
    return r->implied && (port == 80 || port == 443);
}

/* Which tcp route is the address leased to? `*web`: a route of the other kind has this address and port too.
 */
static void leased_routes(struct flow *f, bool *web)
{
    struct lease names[LEASE_NAMES_MAX];
    size_t n = lease_names(f->e->leases, &f->dst.addr, engine_now_s(f->e), names, LEASE_NAMES_MAX);
    *web = false;
    for (size_t i = 0; i < n; i++) {
        const struct route *r = policy_route_port(f->e->policy, names[i].name, f->dst.port);
        if (!r)
            continue;
        *web |= r->protocol == ROUTE_HTTP;
        if ((r->protocol != ROUTE_TCP && !r->implied) || f->tcp_name)
            continue;
        f->tcp_name = strdup(names[i].name);
        if (f->tcp_name && !wants_sniffing(r, f->dst.port))
            f->tcp = r->implied ? &f->e->policy->implied[ROUTE_TCP] : r;
    }
}

static struct flow *flow_new(
    struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst)
{
    struct flow *f = calloc(1, sizeof *f);
    if (!f) {
        (void)close(fd);
        return NULL;
    }
    f->c = conn_new(e, fd, &sniff_ops, f);
    if (!f->c) {
        free(f);
        return NULL;
    }
    f->e = e;
    f->agent = *agent;
    f->dst = *dst;
    f->started = uv_hrtime() / 1000;
    audit_new_id(e->audit, f->id);
    f->next = e->flows;
    f->prev = &e->flows;
    if (f->next)
        f->next->prev = &f->next;
    e->flows = f;
    e->n_flows++;
    return f;
}

void flow_begin_sniff(struct flow *f)
{
    struct engine *e = f->e;
    uint32_t patience = e->policy->timeouts.client_hello;
    f->deadline = engine_now_ms(e) + patience;
    engine_timer_set(e, &f->timer, f->tcp ? MIN(SERVER_FIRST_MS, patience) : patience, on_sniff_timer);
    flow_sniff(f); /* it may have come with the handshake's last segment */
}

void flow_refuse(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst)
{
    struct flow *f = flow_new(e, fd, agent, dst);
    if (f)
        flow_cut(f, REASON_LIMIT, "too many connections");
}

void flow_start(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst)
{
    struct flow *f = flow_new(e, fd, agent, dst);
    bool web;
    if (!f)
        return;
    leased_routes(f, &web);
    if (f->tcp && !web) {
        flow_relay_unnamed(f);
        return;
    }
    flow_begin_sniff(f);
}

void flow_start_proxied(struct engine *e, int fd, const struct endpoint *agent, const struct endpoint *dst)
{
    struct flow *f = flow_new(e, fd, agent, dst);
    if (!f)
        return;
    f->proxy = true;
    flow_begin_sniff(f);
}

void flows_drain(struct engine *e)
{
    for (struct flow *f = e->flows, *next; f; f = next) {
        next = f->next;
        if (f->stage == STAGE_HTTP)
            http_front_drain(&f->front);
    }
}

static void abort_one(struct flow *f)
{
    if (f->stage == STAGE_HTTP) {
        f->e->cutting = true;
        http_front_close(&f->front);
        f->e->cutting = false;
    } else if (f->stage == STAGE_RELAY) {
        relay_abort(f->relay);
    } else {
        f->detail = "ended by a reload or stop";
        over(f, true);
    }
}

/* Plain HTTP has a route for each request, not one of its own. */
static bool is_kept(const struct flow *f)
{
    const uint8_t *kept = f->e->config->kept;
    return kept && f->route && !f->route->implied && kept[f->route->index];
}

void flows_abort_revoked(struct engine *e)
{
    for (struct flow *f = e->flows, *next; f; f = next) {
        next = f->next;
        if (!is_kept(f))
            abort_one(f);
    }
}

void flows_abort(struct engine *e)
{
    for (struct flow *f = e->flows, *next; f; f = next) {
        next = f->next;
        abort_one(f);
    }
}
