/** \file
 * HTTP/1.x towards the agent: octets into requests, responses into octets, one exchange at a time.
 *
 *     HEAD --> BODY --> WAIT --> HEAD ...      WAIT --101--> TUNNEL
 *
 * HEAD    octets of a head, kept in `stash` while it is not whole
 * BODY    the request's body goes to the exchange as it comes
 * WAIT    the request is whole, the exchange is not over; what comes now (pipelining) is kept, and reading
 * stops TUNNEL  after a 101: raw octets both ways
 *
 * Whatever ends an exchange calls release(): only there is it decided whether the connection goes on.
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

/* One request's head in parsed form with all that is made of it; some times H1_HEAD_MAX. */
#define REQUEST_ARENA_MAX KIB(512)
/* Reads in one turn, so that one fast agent does not hold up the loop. */
#define TURN_READS 4

enum state { HEAD, BODY, WAIT, TUNNEL };

struct h1_front {
    struct http_stream stream; /* first: ops get it back */
    struct http_front *f;
    struct engine *e;
    struct conn *c;
    http_front_closed *closed;
    void *closed_arg;
    struct arena arena; /* the present request's */
    struct engine_timer timer;
    struct h1_scan scan;
    struct h1_body body;
    uint8_t *stash; /* octets that wait for their turn */
    size_t stash_len;
    enum state state;
    uint8_t minor;
    bool keep_alive, head_method, draining;
    bool paused; /* by the exchange */
    bool stalled; /* we stopped reading: the agent is ahead of itself */
    bool eof;
    bool answered, chunked, close_framed, no_body, done; /* the response */
    bool cut, corked;
    bool deferred, gone;
    char ws_key[WS_KEY_LEN + 1]; /* of the present request, if it is an upgrade */
    unsigned holds; /* callbacks of ours on the stack */
};

static const struct http_stream_ops stream_ops;
static const struct http_front_ops front_ops;
static const struct conn_ops conn_callbacks;

static void on_timeout(struct engine_timer *t);

static void maybe_free(struct h1_front *h)
{
    if (h->gone && !h->holds && !h->deferred && !h->stream.x)
        free(h);
}

static void hold(struct h1_front *h)
{
    h->holds++;
}

static void unhold(struct h1_front *h)
{
    h->holds--;
    maybe_free(h);
}

/* The caller, or who called it, holds `h`. */
static void front_end(struct h1_front *h, bool reset)
{
    if (h->gone)
        return;
    h->gone = true;
    engine_timer_clear(&h->timer);
    if (h->stream.x)
        exchange_request_abort(h->stream.x, ABORT_PEER);
    uint64_t in = conn_bytes_in(h->c), out = conn_bytes_out(h->c);
    conn_close(h->c, reset);
    h->c = NULL;
    free(h->stash);
    h->stash = NULL;
    h1_body_free(&h->body);
    h->f->codec = NULL;
    h->closed(h->closed_arg, in, out);
}

/* ---- octets that wait ---- */

static bool stash_add(struct h1_front *h, const uint8_t *p, size_t n)
{
    uint8_t *grown = realloc(h->stash, h->stash_len + n);
    if (!grown)
        return false;
    memcpy(grown + h->stash_len, p, n);
    h->stash = grown;
    h->stash_len += n;
    return true;
}

static void feed(struct h1_front *h, const uint8_t *p, size_t n);

static void feed_stash(struct h1_front *h)
{
    cleanup_free uint8_t *p = steal_ptr(&h->stash);
    size_t n = h->stash_len;
    h->stash_len = 0;
    feed(h, p, n);
}

/* An agent that stopped being ahead is read again: not before, or one that pipelines without end would be
 * kept whole. */
static void read_again(struct h1_front *h)
{
    if (!h->stalled || h->state == WAIT)
        return;
    h->stalled = false;
    conn_read_enable(h->c, !h->paused);
}

static void on_deferred(void *arg)
{
    struct h1_front *h = arg;
    h->deferred = false;
    hold(h);
    if (!h->gone && h->stash_len && h->state != WAIT) {
        feed_stash(h);
        if (!h->gone && h->stream.x)
            exchange_request_flush(h->stream.x);
        if (!h->gone)
            read_again(h);
    }
    unhold(h);
}

/* Whoever was ahead may go on: what it sent is looked at from the loop, not from inside the exchange. */
static void go_on(struct h1_front *h)
{
    if (!h->stash_len) {
        read_again(h);
    } else if (!h->deferred) {
        h->deferred = true;
        engine_defer(h->e, on_deferred, h);
    }
}

/* ---- requests ---- */

static void await_request(struct h1_front *h)
{
    h->state = HEAD;
    h->scan = (struct h1_scan){.kind = H1_REQUEST};
    h->answered = h->chunked = h->close_framed = h->no_body = h->done = h->cut = h->head_method = false;
    h1_body_free(&h->body);
    engine_timer_set(h->e, &h->timer, h->e->policy->timeouts.keepalive, on_timeout);
}

static void reject(struct h1_front *h, enum reason why, const struct http_head *head)
{
    h->keep_alive = false;
    exchange_reject(h->f, &h->stream, why, head ? head->method : NULL, head ? head->target : NULL);
    arena_free(&h->arena);
    if (h->corked) {
        h->corked = false;
        (void)conn_uncork(h->c);
    }
    front_end(h, false);
}

static void begin(struct h1_front *h, const uint8_t *head, size_t len)
{
    arena_init(&h->arena, REQUEST_ARENA_MAX);
    struct h1_head *r = arena_alloc(&h->arena, sizeof *r);
    if (!r) {
        front_end(h, true);
        return;
    }
    enum reason why = h1_parse_request(&h->arena, head, len, h->f->tls, r);
    h->minor = r->minor;
    h->head_method = r->h.method && strcmp(r->h.method, "HEAD") == 0;
    if (r->h.method && strcmp(r->h.method, "CONNECT") == 0)
        why = REASON_MALFORMED;
    if (why == REASON_NONE && r->h.upgrade == UPGRADE_WEBSOCKET && !ws_take_key(&r->h, false, h->ws_key))
        why = REASON_MALFORMED;
    if (why != REASON_NONE) {
        reject(h, why, &r->h);
        return;
    }
    h->keep_alive = r->keep_alive && !h->draining && !h->eof;
    enum h1_body_kind kind = r->chunked ? H1_BODY_CHUNKED : r->body ? H1_BODY_LENGTH : H1_BODY_NONE;
    h1_body_init(&h->body, kind, r->body && !r->chunked ? (uint64_t)r->h.content_length : 0);
    h->state = r->body ? BODY : WAIT;
    if (r->body)
        engine_timer_set(h->e, &h->timer, h->e->policy->timeouts.request_body_idle, on_timeout);
    else
        engine_timer_clear(&h->timer);
    bool fin = !r->body && r->h.upgrade == UPGRADE_NONE;
    if (exchange_begin(h->f, &h->stream, &h->arena, &r->h, fin) != 0) {
        arena_free(&h->arena);
        front_end(h, true);
    }
}

static const uint8_t *take_head(struct h1_front *h, const uint8_t *p, const uint8_t *end)
{
    bool first = h->stash_len == 0;
    const uint8_t *head = p;
    size_t n = (size_t)(end - p), stop;
    if (!first) {
        if (!stash_add(h, p, n)) {
            front_end(h, true);
            return end;
        }
        head = h->stash;
        n = h->stash_len;
    }
    enum h1_scan_result r = h1_scan(&h->scan, head, n, &stop);
    if (r == H1_MORE) {
        if (first && !stash_add(h, p, n))
            front_end(h, true);
        else if (first)
            engine_timer_set(h->e, &h->timer, h->e->policy->timeouts.request_head, on_timeout);
        return end;
    }
    if (r != H1_DONE) {
        reject(h, r == H1_LIMIT ? REASON_LIMIT : REASON_MALFORMED, NULL);
        return end;
    }
    size_t skip = h->scan.skipped;
    if (first) {
        begin(h, head + skip, stop - skip);
        return p + stop;
    }
    cleanup_free uint8_t *whole = steal_ptr(&h->stash);
    h->stash_len = 0;
    begin(h, whole + skip, stop - skip);
    if (!h->gone && n > stop)
        feed(h, whole + stop, n - stop);
    return end;
}

static void end_body(struct h1_front *h, const uint8_t *data, size_t len)
{
    struct exchange *x = h->stream.x;
    h->state = WAIT;
    engine_timer_clear(&h->timer);
    if (!h->body.trailers) {
        exchange_request_data(x, data, len, true);
        return;
    }
    struct arena a;
    struct field *fields;
    size_t n;
    arena_init(&a, REQUEST_ARENA_MAX);
    enum reason why = h1_parse_trailers(&a, h->body.trailers, h->body.trailers_len, &fields, &n);
    if (len)
        exchange_request_data(x, data, len, false);
    if (h->stream.x && why == REASON_NONE)
        exchange_request_trailers(x, fields, n);
    else if (h->stream.x)
        exchange_request_abort(x, ABORT_PROTOCOL);
    arena_free(&a);
}

/* The last piece goes with the end, if that has come too: one write less on the other side. */
static const uint8_t *take_body(struct h1_front *h, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *held = NULL, *data;
    size_t held_len = 0, len;
    for (;;) {
        enum h1_body_result r = h1_body_next(&h->body, &p, end, &data, &len);
        if (r == H1_BODY_DONE) {
            end_body(h, held, held_len);
            return p;
        }
        if (held_len)
            exchange_request_data(h->stream.x, held, held_len, false);
        if (!h->stream.x)
            return end;
        if (r == H1_BODY_MORE)
            return p;
        if (r != H1_BODY_DATA) {
            exchange_request_abort(h->stream.x, ABORT_PROTOCOL);
            return end;
        }
        held = data;
        held_len = len;
    }
}

static void feed(struct h1_front *h, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    while (p < end && !h->gone) {
        switch (h->state) {
        case HEAD: p = take_head(h, p, end); break;
        case BODY: p = take_body(h, p, end); break;
        case TUNNEL:
            if (h->stream.x)
                exchange_request_data(h->stream.x, p, (size_t)(end - p), false);
            p = end;
            break;
        case WAIT:
            if (!stash_add(h, p, (size_t)(end - p)))
                front_end(h, true);
            p = end;
            break;
        }
    }
}

/* ---- the connection ---- */

static void on_end_of_input(struct h1_front *h, ssize_t why)
{
    h->eof = true;
    switch (h->state) {
    case HEAD:
        if (why == 0 && h->stash_len)
            reject(h, REASON_MALFORMED, NULL);
        else
            front_end(h, why != 0);
        break;
    case BODY: front_end(h, true); break;
    case TUNNEL:
        if (why == 0 && h->stream.x)
            exchange_request_data(h->stream.x, NULL, 0, true);
        else
            front_end(h, true);
        break;
    case WAIT: /* a half-close is no reason to withhold the answer */
        if (why != 0) {
            front_end(h, true);
            break;
        }
        h->keep_alive = false;
        break;
    }
}

static void on_readable(struct conn *c, void *arg)
{
    struct h1_front *h = arg;
    hold(h);
    for (int i = 0; i < TURN_READS && !h->gone; i++) {
        ssize_t n = conn_read(c, h->e->scratch, sizeof h->e->scratch);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            on_end_of_input(h, n);
            break;
        }
        if (h->state == BODY)
            engine_timer_set(h->e, &h->timer, h->e->policy->timeouts.request_body_idle, on_timeout);
        bool ahead = h->state == WAIT;
        feed(h, h->e->scratch, (size_t)n);
        if (h->gone)
            break;
        if (ahead && h->state == WAIT) {
            h->stalled = true;
            conn_read_enable(c, false);
        }
        if (h->paused || h->state == WAIT || h->state == HEAD)
            break;
    }
    if (!h->gone && h->stream.x)
        exchange_request_flush(h->stream.x);
    unhold(h);
}

static void on_drained(struct conn *c, void *arg)
{
    (void)c;
    struct h1_front *h = arg;
    if (h->stream.x)
        exchange_drained(h->stream.x, &h->stream);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c, (void)err;
    struct h1_front *h = arg;
    hold(h);
    front_end(h, true);
    unhold(h);
}

static void on_timeout(struct engine_timer *t)
{
    struct h1_front *h = (struct h1_front *)((char *)t - offsetof(struct h1_front, timer));
    hold(h);
    if (h->state == HEAD && h->stash_len)
        reject(h, REASON_LIMIT, NULL);
    else if (h->state == HEAD)
        front_end(h, false);
    else if (h->state == BODY && h->paused)
        engine_timer_set(h->e, t, h->e->policy->timeouts.request_body_idle, on_timeout);
    else if (h->state == BODY && h->stream.x)
        exchange_request_abort(h->stream.x, ABORT_TIMEOUT);
    unhold(h);
}

static const struct conn_ops conn_callbacks = {on_readable, on_drained, on_error};

/* ---- responses ---- */

static void cork(struct h1_front *h)
{
    if (!h->corked) {
        h->corked = true;
        conn_cork(h->c);
    }
}

static enum h1_framing choose_framing(struct h1_front *h, struct http_head *head, bool fin)
{
    h->no_body = h->head_method || head->status == 204 || head->status == 304;
    if (head->content_length >= 0 || h->no_body)
        return head->content_length >= 0 && head->status != 204 ? H1_FRAME_LENGTH : H1_FRAME_NONE;
    if (fin) {
        head->content_length = 0;
        return H1_FRAME_LENGTH;
    }
    if (head->until_close || h->minor == 0) {
        h->close_framed = true;
        h->keep_alive = false;
        return H1_FRAME_CLOSE;
    }
    h->chunked = true;
    return H1_FRAME_CHUNKED;
}

static int op_head(struct http_stream *s, const struct http_head *head, bool fin)
{
    struct h1_front *h = (struct h1_front *)s;
    if (h->gone)
        return -EPIPE;
    struct http_head copy = *head;
    enum h1_framing framing = H1_FRAME_NONE;
    enum h1_connection connection = H1_CONN_NONE;
    char accept[WS_ACCEPT_LEN + 1];
    if (head->status == 101) {
        ws_accept(h->ws_key, accept);
        copy.upgrade = UPGRADE_WEBSOCKET;
        copy.ws_proof = accept;
        h->answered = true;
        h->state = TUNNEL;
        h->keep_alive = false;
        go_on(h);
    } else if (head->status < 200) {
        if (h->minor == 0)
            return 0;
    } else {
        h->answered = true;
        if (h->state == BODY || h->draining)
            h->keep_alive = false;
        framing = choose_framing(h, &copy, fin);
        connection = !h->keep_alive ? H1_CONN_CLOSE : h->minor == 0 ? H1_CONN_KEEP_ALIVE : H1_CONN_NONE;
        h->done = fin;
    }
    struct h1_buf b;
    h1_buf_init(&b);
    cork(h);
    int r = h1_write_response(&b, &copy, framing, connection) ? conn_send(h->c, b.p, b.len) : -EBADMSG;
    h1_buf_free(&b);
    return r;
}

static int op_data(struct http_stream *s, const uint8_t *p, size_t n, bool fin)
{
    struct h1_front *h = (struct h1_front *)s;
    if (h->gone)
        return -EPIPE;
    int r = 0;
    cork(h);
    if (n && !h->no_body) {
        char line[H1_CHUNK_LINE_MAX];
        if (h->chunked)
            r = conn_send(h->c, line, h1_chunk_line(line, n));
        if (r >= 0)
            r = conn_send(h->c, p, n);
        if (r >= 0 && h->chunked)
            r = conn_send(h->c, "\r\n", 2);
    }
    if (fin && r >= 0) {
        if (h->chunked)
            r = conn_send(h->c, "0\r\n\r\n", 5);
        h->done = true;
        if (h->state == TUNNEL)
            conn_shutdown(h->c);
    }
    return r;
}

static int op_trailers(struct http_stream *s, const struct field *f, size_t n)
{
    struct h1_front *h = (struct h1_front *)s;
    if (!h->chunked || n == 0)
        return op_data(s, NULL, 0, true);
    if (h->gone)
        return -EPIPE;
    struct h1_buf b;
    h1_buf_init(&b);
    int r = h1_write_trailers(&b, f, n) ? conn_send(h->c, b.p, b.len) : -EBADMSG;
    h1_buf_free(&b);
    h->done = r >= 0;
    return r;
}

static int op_flush(struct http_stream *s)
{
    struct h1_front *h = (struct h1_front *)s;
    if (h->gone)
        return -EPIPE;
    if (!h->corked)
        return 0;
    h->corked = false;
    return conn_uncork(h->c);
}

static void op_read_pause(struct http_stream *s, bool paused)
{
    struct h1_front *h = (struct h1_front *)s;
    h->paused = paused;
    if (!h->gone)
        conn_read_enable(h->c, !paused && !h->stalled);
}

static void op_abort(struct http_stream *s, enum http_abort why)
{
    struct h1_front *h = (struct h1_front *)s;
    h->cut = true;
    if (h->gone || !h->close_framed || why != ABORT_PEER || conn_queued(h->c))
        return;
    /* The upstream's connection ended without saying whether that was the end. So does ours: FIN, but no
     * close_notify; the agent judges it as it would have without us. */
    h->close_framed = false;
    (void)shutdown(conn_fd(h->c), SHUT_WR);
}

static void op_release(struct http_stream *s)
{
    struct h1_front *h = (struct h1_front *)s;
    hold(h);
    if (!h->gone && h->corked) {
        h->corked = false;
        (void)conn_uncork(h->c);
    }
    if (!h->gone && h->paused)
        op_read_pause(s, false);
    if (!h->gone && h->done && !h->cut && h->keep_alive && h->state == WAIT) {
        await_request(h);
        go_on(h);
    } else {
        /* A response whose end is told by framing is truncated by any end; one that ends with the connection
         * needs an RST to be seen so. */
        bool truncated = !h->done || h->cut;
        front_end(h, !h->answered || (truncated && h->close_framed));
    }
    unhold(h);
}

static const struct http_stream_ops stream_ops = {
    op_head, op_data, op_trailers, op_flush, op_read_pause, op_abort, op_release};

static void op_drain(struct http_front *f)
{
    struct h1_front *h = f->codec;
    hold(h);
    h->draining = true;
    h->keep_alive = false;
    if (h->state == HEAD && h->stash_len == 0)
        front_end(h, false);
    unhold(h);
}

static void op_close(struct http_front *f)
{
    struct h1_front *h = f->codec;
    hold(h);
    front_end(h, true);
    unhold(h);
}

static const struct http_front_ops front_ops = {op_drain, op_close};

int h1_front_start(struct http_front *f, struct conn *c, http_front_closed *closed, void *arg)
{
    struct h1_front *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->stream.ops = &stream_ops;
    h->f = f;
    h->e = f->engine;
    h->c = c;
    h->closed = closed;
    h->closed_arg = arg;
    f->ops = &front_ops;
    f->codec = h;
    await_request(h);
    engine_timer_set(h->e, &h->timer, h->e->policy->timeouts.request_head, on_timeout);
    conn_set_linger(c);
    conn_set_ops(c, &conn_callbacks, h);
    conn_read_enable(c, true);
    return 0;
}
