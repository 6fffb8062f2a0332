/** \file
 * HTTP/2 towards an upstream: one session, shared by whoever asks for the same host. Its errors are the
 * upstream's: each ends as exchange_response_abort() with what is known.
 */
#include <string.h>
#include <sys/socket.h>

#include "appliance/http/h2_nv.h"
#include "appliance/http/h2_session.h"
#include "appliance/http/ws_handshake.h"

/* 100s and 103s before the answer; more is a flood. */
#define INTERIM_MAX 32
/* Servers count pings against a client that has nothing to say (gRPC's allow one in 5 minutes); a peer whose
 * machine is gone is found by TCP's keep-alive long before. This is for one whose process hangs. */
#define PING_AFTER_MS 360000u
#define PING_PATIENCE_MS 30000u

struct h2_back {
    struct h2_session s; /* first */
    struct http_back base;
    const struct http_back_events *ev;
    struct engine_timer timer; /* while a stream is open: ping, or wait for its answer */
    uint64_t heard_ms;
    bool pinged;
    bool left; /* the pool knows that it must not use it */
    bool told; /* the pool knows the SETTINGS */
    bool websockets; /* one was opened */
    unsigned open; /* streams of exchanges */
};

static const struct h2_role role;
static const struct http_stream_ops stream_ops;

static struct h2_back *back_of(struct h2_session *s)
{
    return (struct h2_back *)s;
}

static struct h2_back *of_base(const struct http_back *base)
{
    return (struct h2_back *)((char *)(uintptr_t)base - offsetof(struct h2_back, base));
}

/* ---- the connection ---- */

static void leave_pool(struct h2_back *b)
{
    b->s.goaway = true;
    if (b->left)
        return;
    b->left = true;
    b->ev->on_dead(&b->base);
}

static void abort_stream(struct h2_stream *st, const char *detail)
{
    struct h2_back *b = back_of(st->s);
    bool untouched = !st->in_head && !st->interim;
    bool refused = st->closed && st->close_code == NGHTTP2_REFUSED_STREAM; /* also those of a GOAWAY */
    bool h1 = (st->closed && st->close_code == NGHTTP2_HTTP_1_1_REQUIRED) ||
              (refused && b->s.goaway_code == NGHTTP2_HTTP_1_1_REQUIRED) ||
              (st->upgrade && st->reset_got && !b->websockets);
    enum http_abort why = ABORT_PEER;
    if (untouched && h1)
        why = ABORT_H1;
    else if (untouched && refused)
        why = ABORT_REFUSED;
    else if (untouched && !st->reset_got && b->base.reused)
        why = ABORT_RETRY;
    exchange_response_abort(st->base.x, why, detail);
}

static void end_all(struct h2_back *b, bool reset, const char *detail)
{
    struct h2_session *s = &b->s;
    if (s->gone)
        return;
    engine_timer_clear(&b->timer);
    leave_pool(b);
    h2_session_end(s, reset);
    for (struct h2_stream *st = s->streams; st; st = st->next)
        if (st->base.x)
            abort_stream(st, detail);
}

static void on_over(struct h2_session *s, int why)
{
    end_all(back_of(s), why < 0, s->detail ? s->detail : "the upstream closed");
}

static void on_broken(struct h2_session *s, enum reason why, const char *detail)
{
    (void)s, (void)why, (void)detail; /* the exchanges say it: on_over() follows */
}

static void on_goaway(struct h2_session *s)
{
    leave_pool(back_of(s));
}

static void on_release(struct h2_session *s)
{
    free(back_of(s));
}

static void on_timer(struct engine_timer *t)
{
    struct h2_back *b = (struct h2_back *)((char *)t - offsetof(struct h2_back, timer));
    struct h2_session *s = &b->s;
    uint64_t silent = engine_now_ms(s->e) - b->heard_ms;
    h2_enter(s);
    if (silent < PING_AFTER_MS) {
        b->pinged = false;
        engine_timer_set(s->e, t, (uint32_t)(PING_AFTER_MS - silent), on_timer);
    } else if (b->pinged) {
        end_all(b, true, "the upstream does not answer pings");
    } else {
        b->pinged = true;
        (void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, NULL);
        h2_schedule(s);
        engine_timer_set(s->e, t, PING_PATIENCE_MS, on_timer);
    }
    h2_leave(s);
}

static void on_turn(struct h2_session *s)
{
    struct h2_back *b = back_of(s);
    b->heard_ms = engine_now_ms(s->e);
    if (!s->settings || b->told || b->left)
        return;
    b->told = true;
    b->ev->on_settings(&b->base);
}

static void on_freed(struct h2_session *s)
{
    struct h2_back *b = back_of(s);
    if (!b->left || s->n_streams)
        return;
    s->ending = true;
    h2_schedule(s);
}

/* ---- responses ---- */

static void fail(struct h2_stream *st, const char *detail)
{
    struct exchange *x = st->base.x;
    h2_reset(st, NGHTTP2_PROTOCOL_ERROR);
    if (x)
        exchange_response_abort(x, ABORT_PROTOCOL, detail);
}

/* The answer to an extended CONNECT (RFC 8441 5). Servers offer it whose applications know nothing of it:
 * those may be known by what they answer, and can be asked as ever. */
static void respond_websocket(struct h2_stream *st, struct http_head *h, bool fin)
{
    struct h2_back *b = back_of(st->s);
    bool unknown =
        h->status == 400 || h->status == 404 || h->status == 405 || h->status == 421 || h->status == 501;
    if (h->status >= 300 && unknown && !b->websockets) {
        h2_reset(st, NGHTTP2_CANCEL);
        exchange_response_abort(st->base.x, ABORT_H1, "the upstream does not know WebSocket over HTTP/2");
    } else if (h->status >= 300) {
        exchange_response_head(st->base.x, h, fin);
    } else if (fin || !ws_take_accept(h, NULL)) {
        fail(st, "the upstream's answer to the WebSocket handshake is wrong");
    } else {
        b->websockets = st->tunnel = true;
        h->status = 101;
        h->content_length = -1;
        exchange_response_head(st->base.x, h, false);
    }
}

static void respond(struct h2_stream *st, bool fin)
{
    struct http_head h;
    if (!h2_block_response(&st->block, st->head_method, fin, &h)) {
        fail(st, st->block.bad == REASON_LIMIT ? "the response head is too long"
                                               : "the response head is malformed");
    } else if (h.status < 200) {
        if (++st->interim > INTERIM_MAX)
            fail(st, "too many interim responses");
        else
            exchange_response_head(st->base.x, &h, false);
    } else {
        st->in_head = true;
        if (st->upgrade)
            respond_websocket(st, &h, fin);
        else
            exchange_response_head(st->base.x, &h, fin);
    }
}

static void on_headers(struct h2_stream *st, bool fin)
{
    if (!st->base.x)
        return;
    if (!st->in_head)
        respond(st, fin);
    else if (!fin || st->tunnel || !h2_block_trailers(&st->block))
        fail(st, "the trailers are malformed");
    else
        exchange_response_trailers(st->base.x, st->block.fields, st->block.n);
}

static void on_data(struct h2_stream *st, const uint8_t *p, size_t n, bool fin)
{
    if (st->in_head && !(st->head_method && n))
        exchange_response_data(st->base.x, p, n, fin);
    else
        fail(st, "the response has a body where none may be");
}

static void on_flush(struct h2_stream *st)
{
    exchange_response_flush(st->base.x);
}

static void on_closed(struct h2_stream *st)
{
    if (st->reset_sent && !st->reset_got)
        exchange_response_abort(st->base.x, ABORT_PROTOCOL, "the upstream broke the rules of HTTP/2");
    else
        abort_stream(st, "the upstream reset the stream");
}

static const struct h2_role role = {.headers = on_headers,
    .data = on_data,
    .flush = on_flush,
    .closed = on_closed,
    .goaway = on_goaway,
    .turn = on_turn,
    .over = on_over,
    .broken = on_broken,
    .freed = on_freed,
    .release = on_release};

/* ---- requests ---- */

static int op_head(struct http_stream *base, const struct http_head *h, bool fin)
{
    struct h2_stream *st = (struct h2_stream *)base;
    struct h2_session *s = st->s;
    if (s->gone || s->ending || st->id)
        return -EPIPE;
    struct h2_nv nv;
    nghttp2_data_provider provider = h2_data_provider(st);
    int32_t id = NGHTTP2_ERR_INVALID_ARGUMENT;
    if (h2_nv_request(&nv, h))
        id = nghttp2_submit_request(s->ng, NULL, nv.v, nv.n, fin ? NULL : &provider, st);
    h2_nv_free(&nv);
    if (id < 0)
        return id == NGHTTP2_ERR_INVALID_ARGUMENT ? -EBADMSG : -EPIPE;
    st->id = id;
    st->out_head = true;
    st->out_fin = fin;
    st->head_method = strcmp(h->method, "HEAD") == 0;
    st->upgrade = h->upgrade == UPGRADE_WEBSOCKET;
    h2_schedule(s);
    return 0;
}

static void op_abort(struct http_stream *base, enum http_abort why)
{
    (void)why;
    h2_reset((struct h2_stream *)base, NGHTTP2_CANCEL);
}

static void op_release(struct http_stream *base)
{
    struct h2_stream *st = (struct h2_stream *)base;
    struct h2_session *s = st->s;
    struct h2_back *b = back_of(s);
    h2_enter(s);
    h2_op_read_pause(base, false);
    b->open--;
    b->base.reused = true;
    if (!st->id) { /* nothing was sent: nghttp2 does not know it */
        st->closed = true;
        s->closed++;
    } else if (!st->in_fin || !st->out_fin) {
        h2_reset(st, NGHTTP2_CANCEL);
    }
    if (st->closed)
        h2_schedule(s);
    if (!b->open && !s->gone) {
        engine_timer_clear(&b->timer);
        if (!b->left)
            b->ev->on_idle(&b->base);
    }
    h2_leave_quietly(s);
}

static const struct http_stream_ops stream_ops = {
    op_head, h2_op_data, h2_op_trailers, h2_op_flush, h2_op_read_pause, op_abort, op_release};

/* ---- the session ---- */

static unsigned back_capacity(const struct http_back *base)
{
    const struct h2_back *b = of_base(base);
    if (b->s.goaway || b->s.ending || b->s.gone || !nghttp2_session_check_request_allowed(b->s.ng))
        return 0;
    uint32_t max = nghttp2_session_get_remote_settings(b->s.ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    max = MIN(max, (uint32_t)H2_STREAMS_MAX);
    return b->s.n_streams < max ? max - (unsigned)b->s.n_streams : 0;
}

static struct http_stream *back_open(struct http_back *base, struct exchange *x)
{
    struct h2_back *b = of_base(base);
    if (!back_capacity(base))
        return NULL;
    struct h2_stream *st = h2_stream_new(&b->s, &stream_ops, 0);
    if (!st)
        return NULL;
    st->base.x = x;
    st->base.gives_back = true;
    if (b->open++ == 0) {
        b->heard_ms = engine_now_ms(b->s.e);
        b->pinged = false;
        engine_timer_set(b->s.e, &b->timer, PING_AFTER_MS, on_timer);
    }
    return &st->base;
}

static void back_close(struct http_back *base)
{
    struct h2_back *b = of_base(base);
    h2_enter(&b->s);
    b->left = true;
    engine_timer_clear(&b->timer);
    if (b->s.in_ng) { /* it is the last stream's end that came to here: nghttp2 goes on with the session */
        b->s.ending = true;
        h2_schedule(&b->s);
    } else {
        h2_session_end(&b->s, false);
    }
    h2_leave_quietly(&b->s);
}

static bool back_alive(struct http_back *base)
{
    struct h2_back *b = of_base(base);
    char octet;
    ssize_t n = b->s.gone ? 0 : recv(conn_fd(b->s.c), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return (n < 0 && errno == EAGAIN) || n > 0;
}

static int back_websocket(const struct http_back *base)
{
    const struct h2_back *b = of_base(base);
    if (b->s.gone || b->s.ending)
        return 0;
    if (!b->s.settings)
        return -1;
    return nghttp2_session_get_remote_settings(b->s.ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

static const struct http_back_ops back_ops = {
    back_open, back_capacity, back_close, back_alive, back_websocket};

struct http_back *h2_back_new(struct engine *e, struct conn *c, const struct http_back_events *ev)
{
    struct h2_back *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->base.ops = &back_ops;
    b->ev = ev;
    if (h2_session_init(&b->s, &role, e, c) != 0) {
        free(b);
        return NULL;
    }
    h2_session_start(&b->s);
    return &b->base;
}
