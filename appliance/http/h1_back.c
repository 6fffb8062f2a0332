/** \file
 * HTTP/1.1 towards an upstream: one request at a time on a verified connection, kept for the next one where
 * both sides agree. Its errors are the upstream's: each ends as exchange_response_abort() with what is known.
 */
#include <string.h>
#include <sys/socket.h>

#include "appliance/engine.h"
#include "appliance/http/codec.h"
#include "appliance/http/h1_body.h"
#include "appliance/http/h1_parse.h"
#include "appliance/http/h1_write.h"
#include "appliance/http/ws_handshake.h"
#include "lib/base.h"

#define RESPONSE_ARENA_MAX KIB(512)
#define TURN_READS 8
/* 100s and 103s before the answer; more is a flood. */
#define INTERIM_MAX 32

enum state { IDLE, HEAD, BODY, TUNNEL, DONE };

struct h1_back {
    struct http_back base; /* first: the pool gives it back */
    struct http_stream stream;
    struct engine *e;
    struct conn *c;
    const struct http_back_events *ev;
    struct h1_scan scan;
    struct h1_body body;
    uint8_t *stash; /* a head that is not whole */
    size_t stash_len;
    enum state state;
    struct h1_asked asked;
    uint8_t interim;
    bool heard; /* an octet of this response has come */
    bool chunked, sent; /* the request's body; all of it is out */
    bool keep_alive, paused, corked;
    bool last; /* no other request after this one */
    bool in_turn, dead;
    char ws_key[WS_KEY_LEN + 1]; /* of the present request, if it is an upgrade */
};

static struct h1_back *of(struct http_stream *s)
{
    return (struct h1_back *)((char *)s - offsetof(struct h1_back, stream));
}

static void maybe_free(struct h1_back *b)
{
    if (b->dead && !b->in_turn && !b->stream.x)
        free(b);
}

static void shut(struct h1_back *b, bool reset)
{
    b->dead = true;
    conn_close(b->c, reset);
    b->c = NULL;
    free(b->stash);
    b->stash = NULL;
    h1_body_free(&b->body);
}

/* The session is of no use any more. */
static void die_off(struct h1_back *b)
{
    if (b->dead)
        return;
    b->ev->on_dead(&b->base);
    shut(b, b->state != DONE && b->state != IDLE);
}

static void fail(struct h1_back *b, enum http_abort why, const char *detail)
{
    b->keep_alive = false;
    if (b->stream.x)
        exchange_response_abort(b->stream.x, why, detail);
    else
        die_off(b);
}

/* ---- responses ---- */

static void await_head(struct h1_back *b)
{
    b->state = HEAD;
    b->scan = (struct h1_scan){.kind = H1_RESPONSE};
}

static void start_body(struct h1_back *b, const struct h1_head *r)
{
    enum h1_body_kind kind = H1_BODY_NONE;
    if (r->body)
        kind = r->chunked ? H1_BODY_CHUNKED : r->h.until_close ? H1_BODY_UNTIL_CLOSE : H1_BODY_LENGTH;
    h1_body_init(&b->body, kind, kind == H1_BODY_LENGTH ? (uint64_t)r->h.content_length : 0);
    b->body.spaces_ok = true;
    b->keep_alive = r->keep_alive && kind != H1_BODY_UNTIL_CLOSE && !b->last;
    b->state = r->body ? BODY : DONE;
}

static void respond(struct h1_back *b, const uint8_t *head, size_t len)
{
    struct arena a;
    struct h1_head r;
    arena_init(&a, RESPONSE_ARENA_MAX);
    if (h1_parse_response(&a, head, len, b->asked, &r) != REASON_NONE) {
        fail(b, ABORT_PROTOCOL, "the response head is malformed");
    } else if (r.status == 101 && !ws_take_accept(&r.h, b->ws_key)) {
        fail(b, ABORT_PROTOCOL, "the upstream's answer to the WebSocket handshake is wrong");
    } else if (r.status == 101) {
        b->state = TUNNEL;
        b->keep_alive = false;
        exchange_response_head(b->stream.x, &r.h, false);
    } else if (r.status < 200) {
        await_head(b);
        if (++b->interim > INTERIM_MAX)
            fail(b, ABORT_PROTOCOL, "too many interim responses");
        else
            exchange_response_head(b->stream.x, &r.h, false);
    } else {
        start_body(b, &r);
        exchange_response_head(b->stream.x, &r.h, !r.body);
    }
    arena_free(&a);
}

static bool stash_add(struct h1_back *b, const uint8_t *p, size_t n)
{
    uint8_t *grown = realloc(b->stash, b->stash_len + n);
    if (!grown)
        return false;
    memcpy(grown + b->stash_len, p, n);
    b->stash = grown;
    b->stash_len += n;
    return true;
}

static void feed(struct h1_back *b, const uint8_t *p, size_t n);

static const uint8_t *take_head(struct h1_back *b, const uint8_t *p, const uint8_t *end)
{
    bool first = b->stash_len == 0;
    const uint8_t *head = p;
    size_t n = (size_t)(end - p), stop;
    b->heard = true;
    if (!first) {
        if (!stash_add(b, p, n)) {
            fail(b, ABORT_PROTOCOL, "out of memory");
            return end;
        }
        head = b->stash;
        n = b->stash_len;
    }
    switch (h1_scan(&b->scan, head, n, &stop)) {
    case H1_MORE:
        if (first && !stash_add(b, p, n))
            fail(b, ABORT_PROTOCOL, "out of memory");
        return end;
    case H1_DONE: break;
    case H1_LIMIT: fail(b, ABORT_PROTOCOL, "the response head is too long"); return end;
    default: fail(b, ABORT_PROTOCOL, "the response is not HTTP/1.1"); return end;
    }
    if (first) {
        respond(b, head, stop);
        return p + stop;
    }
    cleanup_free uint8_t *whole = steal_ptr(&b->stash);
    b->stash_len = 0;
    respond(b, whole, stop);
    if (b->stream.x && n > stop)
        feed(b, whole + stop, n - stop);
    return end;
}

/* The response is whole. What follows it on the wire was not asked for, and makes the connection unfit. */
static void end_body(struct h1_back *b, const uint8_t *data, size_t len, bool extra)
{
    struct exchange *x = b->stream.x;
    b->state = DONE;
    b->keep_alive &= !extra;
    if (!b->body.trailers) {
        exchange_response_data(x, data, len, true);
        return;
    }
    struct arena a;
    struct field *fields;
    size_t n;
    arena_init(&a, RESPONSE_ARENA_MAX);
    enum reason why = h1_parse_trailers(&a, b->body.trailers, b->body.trailers_len, &fields, &n);
    if (len)
        exchange_response_data(x, data, len, false);
    if (b->stream.x && why == REASON_NONE)
        exchange_response_trailers(x, fields, n);
    else if (b->stream.x)
        fail(b, ABORT_PROTOCOL, "out of memory");
    arena_free(&a);
}

static const uint8_t *take_body(struct h1_back *b, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *held = NULL, *data;
    size_t held_len = 0, len;
    for (;;) {
        enum h1_body_result r = h1_body_next(&b->body, &p, end, &data, &len);
        if (r == H1_BODY_DONE) {
            end_body(b, held, held_len, p < end);
            return end;
        }
        if (held_len)
            exchange_response_data(b->stream.x, held, held_len, false);
        if (!b->stream.x)
            return end;
        if (r == H1_BODY_MORE)
            return p;
        if (r != H1_BODY_DATA) {
            fail(b, ABORT_PROTOCOL, "the response body is malformed");
            return end;
        }
        held = data;
        held_len = len;
    }
}

static void feed(struct h1_back *b, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    while (p < end && b->stream.x) {
        switch (b->state) {
        case HEAD: p = take_head(b, p, end); break;
        case BODY: p = take_body(b, p, end); break;
        case TUNNEL:
            exchange_response_data(b->stream.x, p, (size_t)(end - p), false);
            p = end;
            break;
        default: /* after the end: see end_body() */
            b->keep_alive = false;
            p = end;
            break;
        }
    }
}

/* ---- the connection ---- */

static void on_end_of_input(struct h1_back *b, ssize_t why)
{
    b->keep_alive = false;
    switch (b->state) {
    case BODY:
        if (why == 0 && b->body.kind == H1_BODY_UNTIL_CLOSE)
            end_body(b, NULL, 0, false);
        else /* a FIN without close_notify is passed on as one, anything worse as a reset */
            fail(b, why == 0 || why == -ECONNABORTED ? ABORT_PEER : ABORT_PROTOCOL,
                "the upstream closed in the middle of its response");
        break;
    case TUNNEL:
        if (why == 0)
            exchange_response_data(b->stream.x, NULL, 0, true);
        else
            fail(b, ABORT_PEER, "the upstream closed");
        break;
    case HEAD:
        fail(b, b->base.reused && !b->heard ? ABORT_RETRY : ABORT_PEER,
            "the upstream closed without an answer");
        break;
    case DONE: break; /* the request is still on its way; release() closes */
    case IDLE: die_off(b); break;
    }
}

static void on_readable(struct conn *c, void *arg)
{
    struct h1_back *b = arg;
    b->in_turn = true;
    for (int i = 0; i < TURN_READS && !b->dead && !b->paused; i++) {
        ssize_t n = conn_read(c, b->e->scratch, sizeof b->e->scratch);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            on_end_of_input(b, n);
            break;
        }
        if (b->state == IDLE) {
            die_off(b); /* nobody asked */
            break;
        }
        feed(b, b->e->scratch, (size_t)n);
        if (!b->stream.x || b->state == DONE)
            break;
    }
    if (b->stream.x)
        exchange_response_flush(b->stream.x);
    b->in_turn = false;
    maybe_free(b);
}

static void on_drained(struct conn *c, void *arg)
{
    (void)c;
    struct h1_back *b = arg;
    if (b->stream.x)
        exchange_drained(b->stream.x, &b->stream);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c;
    struct h1_back *b = arg;
    b->in_turn = true;
    on_end_of_input(b, err);
    b->in_turn = false;
    maybe_free(b);
}

static const struct conn_ops conn_callbacks = {on_readable, on_drained, on_error};

/* ---- requests ---- */

/* An upstream may answer and close while the request is still being sent. So a failed write is no error here:
 * what there is to read decides, an answer or the end. */
static int put(struct h1_back *b, const void *p, size_t n)
{
    int r = conn_send(b->c, p, n);
    return r < 0 ? 0 : r;
}

static int op_head(struct http_stream *s, const struct http_head *h, bool fin)
{
    struct h1_back *b = of(s);
    if (b->dead)
        return -EPIPE;
    enum h1_framing framing = H1_FRAME_NONE;
    b->asked = (struct h1_asked){strcmp(h->method, "HEAD") == 0, h->upgrade == UPGRADE_WEBSOCKET};
    if (h->content_length >= 0)
        framing = H1_FRAME_LENGTH;
    else if (!fin && !b->asked.upgrade)
        framing = H1_FRAME_CHUNKED;
    b->chunked = framing == H1_FRAME_CHUNKED;
    b->last = h1_odd_body(h, framing);
    b->sent = fin || b->asked.upgrade;
    struct http_head copy = *h;
    if (b->asked.upgrade) {
        if (!ws_new_key(b->ws_key))
            return -EIO;
        copy.ws_proof = b->ws_key;
    }
    struct h1_buf buf;
    h1_buf_init(&buf);
    if (!b->corked) {
        b->corked = true;
        conn_cork(b->c);
    }
    int r = h1_write_request(&buf, &copy, framing) ? put(b, buf.p, buf.len) : -EBADMSG;
    h1_buf_free(&buf);
    return r;
}

static int op_data(struct http_stream *s, const uint8_t *p, size_t n, bool fin)
{
    struct h1_back *b = of(s);
    if (b->dead)
        return -EPIPE;
    int r = 0;
    if (!b->corked) {
        b->corked = true;
        conn_cork(b->c);
    }
    if (n) {
        char line[H1_CHUNK_LINE_MAX];
        if (b->chunked)
            (void)put(b, line, h1_chunk_line(line, n));
        r = put(b, p, n);
        if (b->chunked)
            r = put(b, "\r\n", 2);
    }
    if (fin && b->chunked)
        r = put(b, "0\r\n\r\n", 5);
    if (fin && b->state == TUNNEL)
        conn_shutdown(b->c);
    b->sent |= fin;
    return r;
}

static int op_trailers(struct http_stream *s, const struct field *f, size_t n)
{
    struct h1_back *b = of(s);
    if (!b->chunked || n == 0)
        return op_data(s, NULL, 0, true);
    if (b->dead)
        return -EPIPE;
    struct h1_buf buf;
    h1_buf_init(&buf);
    int r = h1_write_trailers(&buf, f, n) ? put(b, buf.p, buf.len) : -EBADMSG;
    h1_buf_free(&buf);
    b->sent = true;
    return r;
}

static int op_flush(struct http_stream *s)
{
    struct h1_back *b = of(s);
    if (b->dead)
        return -EPIPE;
    if (!b->corked)
        return 0;
    b->corked = false;
    int r = conn_uncork(b->c);
    return r < 0 ? 0 : r;
}

static void op_read_pause(struct http_stream *s, bool paused)
{
    struct h1_back *b = of(s);
    b->paused = paused;
    if (!b->dead)
        conn_read_enable(b->c, !paused);
}

static void op_abort(struct http_stream *s, enum http_abort why)
{
    (void)why;
    of(s)->keep_alive = false;
}

static void op_release(struct http_stream *s)
{
    struct h1_back *b = of(s);
    if (!b->dead)
        (void)op_flush(s);
    if (!b->dead && b->state == DONE && b->sent && b->keep_alive) {
        if (b->paused)
            op_read_pause(s, false);
        b->state = IDLE;
        b->base.reused = true;
        h1_body_free(&b->body);
        b->ev->on_idle(&b->base);
        return;
    }
    die_off(b);
    maybe_free(b);
}

static const struct http_stream_ops stream_ops = {
    op_head, op_data, op_trailers, op_flush, op_read_pause, op_abort, op_release};

/* ---- the session ---- */

static struct http_stream *back_open(struct http_back *base, struct exchange *x)
{
    struct h1_back *b = (struct h1_back *)base;
    if (b->dead || b->state != IDLE)
        return NULL;
    await_head(b);
    b->heard = b->chunked = b->sent = b->paused = false;
    b->keep_alive = true;
    b->interim = 0;
    b->stream.x = x;
    return &b->stream;
}

static unsigned back_capacity(const struct http_back *base)
{
    const struct h1_back *b = (const struct h1_back *)base;
    return !b->dead && b->state == IDLE;
}

static void back_close(struct http_back *base)
{
    struct h1_back *b = (struct h1_back *)base;
    if (!b->dead)
        shut(b, false);
    maybe_free(b);
}

static bool back_alive(struct http_back *base)
{
    struct h1_back *b = (struct h1_back *)base;
    char octet;
    ssize_t n = b->dead ? 0 : recv(conn_fd(b->c), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    /* With TLS the octets may be a session ticket or a close_notify: the next read will tell. */
    return (n < 0 && errno == EAGAIN) || (n > 0 && conn_ssl(b->c));
}

static const struct http_back_ops back_ops = {back_open, back_capacity, back_close, back_alive, NULL};

struct http_back *h1_back_new(struct engine *e, struct conn *c, const struct http_back_events *ev)
{
    struct h1_back *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->base.ops = &back_ops;
    b->stream.ops = &stream_ops;
    b->e = e;
    b->c = c;
    b->ev = ev;
    conn_set_ops(c, &conn_callbacks, b);
    conn_read_enable(c, true);
    return &b->base;
}
