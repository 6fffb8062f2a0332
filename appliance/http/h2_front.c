/** \file
 * HTTP/2 towards the agent: each stream is one exchange.
 *
 * A stream whose request cannot be taken as it is gets its answer (400 and the reason) like any other. A
 * connection that breaks the rules of framing, or floods, gets GOAWAY and one line in the log.
 */
#include <string.h>

#include "appliance/http/h2_nv.h"
#include "appliance/http/h2_session.h"
#include "appliance/http/ws_handshake.h"

/* Of a request that was answered before its end: how much, how long, and how long without an octet. As for
 * HTTP/1 (appliance/flow/conn.c). */
#define DISCARD_MAX MIB(64)
#define DISCARD_MS 30000
#define DISCARD_IDLE_MS 2000

struct h2_front {
    struct h2_session s; /* first */
    struct http_front *f;
    http_front_closed *closed;
    void *closed_arg;
    struct engine_timer timer; /* for the next request, or the rest of a head */
    bool heard; /* an octet has come */
    bool for_head; /* what the timer is set for */
};

static const struct h2_role role;
static const struct http_stream_ops stream_ops;

static struct h2_front *front_of(struct h2_session *s)
{
    return (struct h2_front *)s;
}

static const struct timeouts *timeouts(const struct h2_session *s)
{
    return &s->e->policy->timeouts;
}

/* ---- the connection ---- */

static void on_over(struct h2_session *s, int why)
{
    struct h2_front *h = front_of(s);
    if (s->gone)
        return;
    engine_timer_clear(&h->timer);
    uint64_t in = conn_bytes_in(s->c), out = conn_bytes_out(s->c);
    h2_session_end(s, why < 0);
    for (struct h2_stream *st = s->streams; st; st = st->next)
        if (st->base.x)
            exchange_request_abort(st->base.x, ABORT_PEER);
    h->f->codec = NULL;
    h->closed(h->closed_arg, in, out);
}

static void on_broken(struct h2_session *s, enum reason why, const char *detail)
{
    exchange_reject_connection(front_of(s)->f, why, detail);
}

static void on_release(struct h2_session *s)
{
    free(front_of(s));
}

static void on_timeout(struct engine_timer *t)
{
    struct h2_front *h = (struct h2_front *)((char *)t - offsetof(struct h2_front, timer));
    struct h2_session *s = &h->s;
    h2_enter(s);
    if (s->in_block && !s->goaway)
        h2_break(s, NGHTTP2_ENHANCE_YOUR_CALM, REASON_LIMIT, "a head that did not end in time");
    else if (!s->n_streams && !s->gone) {
        (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_NO_ERROR);
        s->ending = true;
        h2_schedule(s);
    }
    h2_leave(s);
}

/* Which of its waits the connection is in. */
static void set_timer(struct h2_front *h)
{
    struct h2_session *s = &h->s;
    if (s->gone)
        return;
    bool head = s->in_block || !h->heard;
    if (head && h->for_head) /* its time runs from its first octet */
        return;
    h->for_head = head;
    if (head) {
        engine_timer_set(s->e, &h->timer, timeouts(s)->request_head, on_timeout);
    } else if (!s->n_streams) {
        engine_timer_set(s->e, &h->timer, timeouts(s)->keepalive, on_timeout);
    } else {
        engine_timer_clear(&h->timer);
    }
}

static void on_freed(struct h2_session *s)
{
    if (s->n_streams)
        return;
    if (s->goaway && !s->ending) {
        s->ending = true;
        h2_schedule(s);
    }
    set_timer(front_of(s));
}

static void on_turn(struct h2_session *s)
{
    front_of(s)->heard = true;
    set_timer(front_of(s));
}

/* ---- requests ---- */

static struct h2_stream *on_begin(struct h2_session *s, int32_t id)
{
    struct h2_stream *st = h2_stream_new(s, &stream_ops, id);
    if (!st)
        return NULL;
    arena_init(&st->arena, H2_ARENA_MAX);
    h2_block_init(&st->block, H2_REQUEST, &st->arena);
    return st;
}

static void on_body_timeout(struct engine_timer *t)
{
    struct h2_stream *st = (struct h2_stream *)((char *)t - offsetof(struct h2_stream, timer));
    struct h2_session *s = st->s;
    h2_enter(s);
    if (st->paused)
        engine_timer_set(s->e, t, timeouts(s)->request_body_idle, on_body_timeout);
    else if (st->base.x)
        exchange_request_abort(st->base.x, ABORT_TIMEOUT);
    h2_leave(s);
}

/* Once the response has begun, or where both sides speak in turn, silence is no sloth. */
static void set_body_timer(struct h2_stream *st)
{
    if (!st->base.x || st->in_fin || st->out_head || st->in_left < 0)
        engine_timer_clear(&st->timer);
    else
        engine_timer_set(st->s->e, &st->timer, timeouts(st->s)->request_body_idle, on_body_timeout);
}

static void reject(struct h2_stream *st, enum reason why, const struct http_head *h)
{
    exchange_reject(front_of(st->s)->f, &st->base, why, h->method, h->target);
    arena_free(&st->arena);
}

static void begin(struct h2_stream *st, bool fin)
{
    struct http_front *f = front_of(st->s)->f;
    struct http_head *h = arena_alloc(&st->arena, sizeof *h), spare;
    enum reason why = h2_block_request(&st->block, f->tls, fin, h ? h : &spare);
    st->in_head = true;
    char key[WS_KEY_LEN + 1];
    if (!h)
        why = REASON_LIMIT;
    else if (why == REASON_NONE && h->upgrade == UPGRADE_WEBSOCKET && !ws_take_key(h, true, key))
        why = REASON_MALFORMED;
    if (why != REASON_NONE) {
        reject(st, why, h ? h : &spare);
        return;
    }
    st->head_method = strcmp(h->method, "HEAD") == 0;
    st->upgrade = h->upgrade == UPGRADE_WEBSOCKET;
    st->in_left = fin ? -1 : h->content_length;
    if (exchange_begin(f, &st->base, &st->arena, h, fin) != 0)
        h2_reset(st, NGHTTP2_INTERNAL_ERROR);
    else
        set_body_timer(st);
}

/* Work has begun, here and upstream, that this makes an end of: as good as a reset. */
static void malformed(struct h2_stream *st)
{
    struct h2_session *s = st->s;
    if (h2_flood_reset(&s->flood, engine_now_ms(s->e)))
        h2_break(s, NGHTTP2_ENHANCE_YOUR_CALM, REASON_LIMIT, "too many requests that break off");
    exchange_request_abort(st->base.x, ABORT_PROTOCOL);
}

static void trailers(struct h2_stream *st, bool fin)
{
    struct exchange *x = st->base.x;
    if (!x)
        return;
    engine_timer_clear(&st->timer);
    if (!fin || st->upgrade || st->in_left > 0 || !h2_block_trailers(&st->block))
        malformed(st);
    else
        exchange_request_trailers(x, st->block.fields, st->block.n);
}

static void on_headers(struct h2_stream *st, bool fin)
{
    if (!st->in_head)
        begin(st, fin);
    else
        trailers(st, fin);
}

/* What is sent must be what content-length says (RFC 9113 8.1.1): HTTP/1 behind us would take the rest for a
 * request.
 */
static void on_data(struct h2_stream *st, const uint8_t *p, size_t n, bool fin)
{
    if (st->upgrade && !st->tunnel) { /* nobody has agreed to take it */
        if (!st->out_head)
            malformed(st);
        return;
    }
    if (st->in_left >= 0) {
        if ((uint64_t)st->in_left < n || (fin && (uint64_t)st->in_left != n)) {
            malformed(st);
            return;
        }
        st->in_left -= (int64_t)n;
    }
    exchange_request_data(st->base.x, p, n, fin);
    set_body_timer(st);
}

static void on_flush(struct h2_stream *st)
{
    exchange_request_flush(st->base.x);
}

static void on_closed(struct h2_stream *st)
{
    exchange_request_abort(st->base.x, st->reset_got || !st->reset_sent ? ABORT_PEER : ABORT_PROTOCOL);
}

static void on_stalled(struct h2_stream *st)
{
    if (st->base.x)
        exchange_request_abort(st->base.x, ABORT_TIMEOUT);
    else
        h2_reset(st, NGHTTP2_CANCEL);
}

static void on_discard_timeout(struct engine_timer *t)
{
    struct h2_stream *st = (struct h2_stream *)((char *)t - offsetof(struct h2_stream, timer));
    struct h2_session *s = st->s;
    h2_enter(s);
    h2_reset(st, NGHTTP2_NO_ERROR);
    h2_leave(s);
}

/* The answer came before the request's end (RFC 9113 8.1). Many a client throws it away when it is reset
 * while it still sends, so it gets some time to stop by itself, or to come to the end. */
static void on_unread(struct h2_stream *st, size_t n)
{
    struct h2_session *s = st->s;
    uint64_t now = engine_now_ms(s->e);
    st->discarded += n;
    if (!st->discard_until)
        st->discard_until = now + DISCARD_MS;
    if (st->upgrade || st->discarded > DISCARD_MAX || now >= st->discard_until)
        h2_reset(st, NGHTTP2_NO_ERROR);
    else
        engine_timer_set(s->e, &st->timer, DISCARD_IDLE_MS, on_discard_timeout);
}

static const struct h2_role role = {.server = true,
    .begin = on_begin,
    .headers = on_headers,
    .unread = on_unread,
    .data = on_data,
    .flush = on_flush,
    .closed = on_closed,
    .stalled = on_stalled,
    .turn = on_turn,
    .over = on_over,
    .broken = on_broken,
    .freed = on_freed,
    .release = on_release};

/* ---- responses ---- */

static int op_head(struct http_stream *base, const struct http_head *head, bool fin)
{
    struct h2_stream *st = (struct h2_stream *)base;
    struct h2_session *s = st->s;
    if (s->gone || st->closed || st->reset_sent || s->ending)
        return -EPIPE;
    struct h2_nv nv;
    int r = NGHTTP2_ERR_INVALID_ARGUMENT;
    if (!h2_nv_response(&nv, head)) {
        h2_nv_free(&nv);
        return -EBADMSG;
    }
    if (head->status < 200 && head->status != 101) {
        r = nghttp2_submit_headers(s->ng, NGHTTP2_FLAG_NONE, st->id, NULL, nv.v, nv.n, NULL);
    } else if (!st->out_head) {
        nghttp2_data_provider provider = h2_data_provider(st);
        st->out_head = true;
        st->out_fin = fin;
        st->tunnel = head->status == 101;
        engine_timer_clear(&st->timer);
        r = nghttp2_submit_response(s->ng, st->id, nv.v, nv.n, fin ? NULL : &provider);
    }
    h2_nv_free(&nv);
    h2_schedule(s);
    return r == 0 ? 0 : -ENOMEM;
}

static int op_data(struct http_stream *base, const uint8_t *p, size_t n, bool fin)
{
    struct h2_stream *st = (struct h2_stream *)base;
    return h2_op_data(base, p, st->head_method ? 0 : n, fin);
}

static void op_abort(struct http_stream *base, enum http_abort why)
{
    h2_reset((struct h2_stream *)base, why == ABORT_POLICY ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
}

/* What the response still has queued goes out without the exchange; then an unfinished request is called off.
 */
static void op_release(struct http_stream *base)
{
    struct h2_stream *st = (struct h2_stream *)base;
    struct h2_session *s = st->s;
    h2_enter(s);
    engine_timer_clear(&st->timer);
    h2_op_read_pause(base, false);
    if (!st->out_head || !st->out_fin)
        h2_reset(st, NGHTTP2_INTERNAL_ERROR);
    else if (st->out_done && !st->in_fin)
        on_unread(st, 0);
    if (st->closed)
        h2_schedule(s);
    h2_leave_quietly(s);
}

static const struct http_stream_ops stream_ops = {
    op_head, op_data, h2_op_trailers, h2_op_flush, h2_op_read_pause, op_abort, op_release};

/* ---- the front ---- */

static void op_drain(struct http_front *f)
{
    struct h2_front *h = f->codec;
    struct h2_session *s = &h->s;
    h2_enter(s);
    if (!s->goaway) {
        s->goaway = true;
        (void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(s->ng),
            NGHTTP2_NO_ERROR, NULL, 0);
        s->ending = !s->n_streams;
        h2_schedule(s);
    }
    h2_leave(s);
}

static void op_close(struct http_front *f)
{
    struct h2_front *h = f->codec;
    h2_enter(&h->s);
    on_over(&h->s, -ECONNABORTED);
    h2_leave(&h->s);
}

static const struct http_front_ops front_ops = {op_drain, op_close};

int h2_front_start(struct http_front *f, struct conn *c, http_front_closed *closed, void *arg)
{
    struct h2_front *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->f = f;
    h->closed = closed;
    h->closed_arg = arg;
    int err = h2_session_init(&h->s, &role, f->engine, c);
    if (err) {
        free(h);
        return err;
    }
    f->ops = &front_ops;
    f->codec = h;
    set_timer(h);
    conn_set_linger(c);
    h2_session_start(&h->s);
    return 0;
}
