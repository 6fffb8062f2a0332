#include "dns/upstream_internal.h"

#include "dns/answer.h"
#include "lib/base.h"
#include "lib/log.h"

#define TICK_MS 50
/* How long one try lasts: a recursive server may need its time for a name that it does not know, and has the
 * answer at hand when it is asked again. The first try of a server whose round trip is known may be longer,
 * never shorter. */
#define TRY_FIRST_MS 400
#define TRY_MAX_MS 1500
#define TRIES_MAX 6
/* A server is down once this many tries in a row, over this time, met silence. While others answer, it is
 * asked the last question again on a timer; while none does, one question a second is the probe, and what
 * comes just after that question goes with it. */
#define SILENT_MAX 3
#define SILENT_MS 2500
#define PROBE_MS 1000
#define PROBE_WINDOW_MS 300
#define PROBE_WAIT_MAX_MS UINT64_C(16000)
#define PLAIN_MS UINT64_C(600000) /* until EDNS is tried again with a server that refused it */

void carrier_add(struct upstream_query **list, struct upstream_query *q)
{
    q->carrier_next = *list;
    q->carrier_prev = list;
    if (*list != NULL)
        (*list)->carrier_prev = &q->carrier_next;
    *list = q;
}

void carrier_remove(struct upstream_query *q)
{
    if (q->carrier_prev == NULL)
        return;
    *q->carrier_prev = q->carrier_next;
    if (q->carrier_next != NULL)
        q->carrier_next->carrier_prev = q->carrier_prev;
    q->carrier_next = NULL;
    q->carrier_prev = NULL;
}

static void detach(struct upstream_query *q)
{
    if (q->socket != NULL)
        udp_forget(q);
    if (q->stream != NULL)
        stream_forget(q);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written through the cursor */
size_t upstream_write_query(const struct upstream_query *q, uint8_t out[static 512])
{
    struct wire_out w = {.p = out, .cap = 512};

    wire_put_u16(&w, q->id);
    wire_put_u16(&w, DNS_RD | (q->dnssec ? DNS_CD : server_is_tls(q->server) ? DNS_AD : 0));
    wire_put_u16(&w, 1);
    wire_put_u32(&w, 0);
    wire_put_u16(&w, !q->plain);
    wire_put(&w, q->name.b, q->name.len);
    wire_put_u16(&w, q->qtype);
    wire_put_u16(&w, CLASS_IN);
    if (!q->plain) {
        wire_put(&w, "", 1);
        wire_put_u16(&w, TYPE_OPT);
        wire_put_u16(&w, DNS_UDP_MAX);
        wire_put_u32(&w, q->dnssec ? 0x8000u : 0);
        wire_put_u16(&w, 0);
    }
    return w.at;
}

/* Health. A server is judged by silence only: an error is an answer. */

static void server_spoke(struct upstream_server *s)
{
    if (s->down)
        log_info("DNS upstream %s answers again", s->text);
    s->down = false;
    s->silent = 0;
    s->spoke = uv_now(s->owner->loop);
}

/* `refused`: the network said that nobody is there, so there is no need to wait for long. */
static void server_silent(struct upstream_server *s, const struct upstream_query *q, bool refused)
{
    uint64_t now = uv_now(s->owner->loop);

    if (s->down || (s->spoke >= q->sent && !refused))
        return; /* known; or it answers others: this name is slow */
    if (s->silent++ == 0)
        s->silent_since = q->sent;
    if (s->silent < SILENT_MAX || (now - s->silent_since < SILENT_MS && !refused))
        return;
    log_warn("DNS upstream %s does not answer", s->text);
    s->down = true;
    s->probe_at = now;
    s->probe_wait = PROBE_MS;
    s->own_probe_at = now + PROBE_MS;
}

static bool may_try(const struct upstream_server *s, uint64_t now)
{
    return !s->down || now >= s->probe_at || now - s->probed < PROBE_WINDOW_MS;
}

bool upstream_reachable(const struct upstreams *u)
{
    for (unsigned i = 0; i < u->n_servers; i++)
        if (may_try(&u->servers[i], uv_now(u->loop)))
            return true;
    return false;
}

size_t upstreams_count(const struct upstreams *u)
{
    return u->n_servers;
}

/* The first in the configured order that is up, has not refused this question and was not tried more often
 * for it. */
static struct upstream_server *pick_server(struct upstreams *u, const struct upstream_query *q)
{
    struct upstream_server *best = NULL;
    unsigned best_score = 0;

    if (q->only != NULL)
        return q->failed_at == 0 && q->tries == 0 ? q->only : NULL;
    for (unsigned i = 0; i < u->n_servers; i++) {
        struct upstream_server *s = &u->servers[i];
        if ((q->failed_at & 1u << i) || !may_try(s, uv_now(u->loop)))
            continue;
        unsigned score = 100u * s->down + q->tries_at[i];
        if (best == NULL || score < best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}

static void finish(struct upstreams *u, struct upstream_query *q, const struct upstream_answer *a)
{
    detach(q);
    *q->prev = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    u->n_waiting--;
    q->done(q, a);
}

static uint32_t try_timeout(const struct upstream_server *s, const struct upstream_query *q)
{
    uint32_t ms = MAX(s->rtt_ms * 4, (uint32_t)TRY_FIRST_MS) << MIN(q->tries, 3);

    return MIN(ms, (uint32_t)TRY_MAX_MS);
}

static int send_to(struct upstream_server *s, struct upstream_query *q)
{
    if (s == q->server && q->socket != NULL && !q->tcp)
        return udp_resend(q);
    detach(q);
    q->server = s;
    q->plain = s->plain_until > uv_now(s->owner->loop);
    return q->tcp || server_is_tls(s) ? stream_send(s, q) : udp_send(s, q);
}

/* Sends to the next server that may be tried; sets when to look again. */
static void try_next(struct upstreams *u, struct upstream_query *q)
{
    uint64_t now = uv_now(u->loop), end = q->began + q->total_ms;
    struct upstream_server *s;

    while (q->tries < TRIES_MAX && now < end && (s = pick_server(u, q)) != NULL) {
        if (s->down && q->only == NULL && now >= s->probe_at) {
            s->probed = now;
            s->probe_at = now + PROBE_MS;
        }
        q->due = MIN(now + try_timeout(s, q), end);
        q->sent = now;
        q->tries++;
        q->tries_at[s->index]++;
        if (send_to(s, q) == 0)
            return;
        server_silent(s, q, true);
    }
    detach(q);
    q->server = NULL;
    q->due = now; /* the timer ends it */
}

static void give_up(struct upstreams *u, struct upstream_query *q)
{
    struct upstream_answer a = {.status = q->failed_at != 0 ? UPSTREAM_FAILED : UPSTREAM_UNREACHABLE,
        .rcode = q->last_rcode,
        .server = q->server != NULL ? q->server->text : NULL};

    finish(u, q, &a);
}

void upstream_broken(struct upstream_query *q)
{
    struct upstreams *u = q->server->owner;

    detach(q);
    server_silent(q->server, q, true);
    try_next(u, q);
}

static void note_rtt(struct upstream_server *s, const struct upstream_query *q)
{
    uint32_t ms = (uint32_t)(uv_now(s->owner->loop) - q->sent) + 1;

    s->rtt_ms = s->rtt_ms == 0 ? ms : (s->rtt_ms * 7 + ms) / 8;
}

bool upstream_message(struct upstream_query *q, const uint8_t *msg, size_t len)
{
    struct upstream_server *s = q->server;
    struct upstreams *u = s->owner;
    struct answer_ask ask = {.id = q->id, .qtype = q->qtype, .name = &q->name};
    unsigned rcode = 0;
    bool stream = q->stream != NULL;

    switch (answer_match(msg, len, &ask, &rcode)) {
    case ANSWER_FOREIGN:
        if (!stream && ++q->foreign >= FOREIGN_MAX && !q->tcp) {
            detach(q);
            q->tcp = true;
            try_next(u, q);
            return true;
        }
        return false;
    case ANSWER_TRUNCATED:
        server_spoke(s);
        detach(q);
        if (stream) { /* TCP that truncates: broken */
            q->failed_at |= (uint8_t)(1u << s->index);
            q->last_rcode = RCODE_SERVFAIL;
        }
        q->tcp = true;
        try_next(u, q);
        return true;
    case ANSWER_OURS: break;
    }
    server_spoke(s);
    note_rtt(s, q);
    if (rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN) {
        finish(u, q,
            &(struct upstream_answer){.status = UPSTREAM_ANSWERED,
                .msg = msg,
                .len = len,
                .rcode = rcode,
                .secure = server_is_tls(s),
                .server = s->text});
        return true;
    }
    detach(q);
    if ((rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP) && !q->plain) {
        s->plain_until = uv_now(u->loop) + PLAIN_MS;
    } else {
        q->failed_at |= (uint8_t)(1u << s->index);
        q->last_rcode = (uint8_t)rcode;
    }
    try_next(u, q);
    return true;
}

static void enqueue(struct upstreams *u, struct upstream_query *q);

static void on_probed(struct upstream_query *q, const struct upstream_answer *a)
{
    (void)a; /* an answer of whatever kind has been taken for a sign of life */
    q->only->probing = false;
}

static void probe(struct upstream_server *s, uint64_t now)
{
    struct upstreams *u = s->owner;

    if (!s->down || s->probing || now < s->own_probe_at || u->last.len == 0)
        return;
    s->own_probe_at = now + s->probe_wait;
    s->probe_wait = MIN(s->probe_wait * 2, PROBE_WAIT_MAX_MS);
    s->probing = true;
    s->probe = (struct upstream_query){
        .name = u->last, .qtype = u->last_qtype, .total_ms = PROBE_MS, .done = on_probed, .only = s};
    enqueue(u, &s->probe);
}

static void on_tick(uv_timer_t *timer)
{
    struct upstreams *u = timer->data;
    uint64_t now = uv_now(u->loop);
    bool open = false, down = false;

    /* `done` may ask anew; such questions go to the front and are not met in this round. */
    for (struct upstream_query *q = u->waiting, *next; q != NULL; q = next) {
        next = q->next;
        if (now < q->due)
            continue;
        if (q->server != NULL) {
            server_silent(q->server, q, false);
            try_next(u, q);
        }
        if (q->server == NULL)
            give_up(u, q);
    }
    for (unsigned i = 0; i < u->n_servers; i++) {
        udp_close_idle(&u->servers[i], now);
        stream_close_idle(&u->servers[i], now);
        open |= u->servers[i].n_sockets > 0 || u->servers[i].n_spares > 0 || u->servers[i].stream != NULL;
        down |= u->servers[i].down;
        probe(&u->servers[i], now);
    }
    if (u->waiting != NULL || open)
        return;
    if (down)
        uv_timer_set_repeat(&u->timer, PROBE_MS);
    else
        (void)uv_timer_stop(&u->timer);
}

static void enqueue(struct upstreams *u, struct upstream_query *q)
{
    q->began = uv_now(u->loop);
    q->tries = q->foreign = q->failed_at = 0;
    q->last_rcode = RCODE_SERVFAIL;
    q->tcp = false;
    memset(q->tries_at, 0, sizeof q->tries_at);
    q->socket = NULL;
    q->stream = NULL;
    q->carrier_prev = NULL;
    q->next = u->waiting;
    q->prev = &u->waiting;
    if (u->waiting != NULL)
        u->waiting->prev = &q->next;
    u->waiting = q;
    u->n_waiting++;
    if (!uv_is_active((uv_handle_t *)&u->timer) || uv_timer_get_repeat(&u->timer) != TICK_MS)
        (void)uv_timer_start(&u->timer, on_tick, TICK_MS, TICK_MS);
    try_next(u, q);
}

void upstream_ask(struct upstreams *u, struct upstream_query *q)
{
    u->last = q->name;
    u->last_qtype = q->qtype;
    q->only = NULL;
    enqueue(u, q);
}

void upstreams_prepare(struct upstreams *u)
{
    for (unsigned i = 0; i < u->n_servers; i++)
        udp_prepare(&u->servers[i], uv_now(u->loop));
}

struct upstreams *upstreams_new(uv_loop_t *loop, const struct upstream_config *c)
{
    struct upstreams *u = calloc(1, sizeof *u);

    if (u == NULL)
        return NULL;
    u->loop = loop;
    servers_configure(u, c);
    for (unsigned i = 0; i < u->n_servers && u->tls == NULL; i++)
        if (server_is_tls(&u->servers[i]))
            u->tls = stream_tls_context(c->trust);
    (void)uv_timer_init(loop, &u->timer);
    u->timer.data = u;
    return u;
}
