#include "appliance/http/exchange_internal.h"

#include <stdio.h>
#include <string.h>

#include "appliance/flow/flow.h"
#include "lib/fields.h"

/* A front codec hands over at most one turn of its reads before it sees that it is paused. */
#define QUEUE_MAX (8 * ENGINE_SCRATCH)
/* How long a body waits for an upstream to say that it wants it: as long as curl's would. */
#define EXPECT_MS 1000

uint64_t exchange_clock(void)
{
    return uv_hrtime() / 1000;
}

/* ---- life ---- */

static void enter(struct exchange *x)
{
    x->depth++;
}

/* The end comes when the last of our calls returns: nobody below on the stack can then still hold on to `x`.
 */
static void leave(struct exchange *x)
{
    if (--x->depth > 0 || !x->ended)
        return;
    struct http_stream *front = x->front, *back = x->back;
    struct arena *arena = x->arena;
    engine_timer_clear(&x->timer);
    engine_timer_clear(&x->expect_timer);
    if (x->opening)
        upstream_cancel(x->opening);
    exchange_ws_end(x);
    exchange_inspect_end(x);
    exchange_audit(x);
    exchange_wipe_secrets(x);
    free(x->queue);
    exchange_keep_nothing(x);
    front->x = NULL;
    if (back)
        back->x = NULL;
    arena_free(arena);
    if (back)
        back->ops->release(back);
    front->ops->release(front);
}

static void end(struct exchange *x)
{
    x->ended = true;
}

static void on_timeout(struct engine_timer *t);
static void tunnel(struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n, bool fin);

static bool is_grpc(const struct exchange *x)
{
    const struct field *f = http_field(x->req->fields, x->req->n_fields, "content-type");
    if (!f || f->value_len < 16 || !http_ieq(f->value, 16, "application/grpc"))
        return false;
    return f->value_len == 16 || f->value[16] == '+' || f->value[16] == ';'; /* not grpc-web */
}

/* Streams both ways may begin with a long silence on the upstream's side, too. */
static void set_timer(struct exchange *x)
{
    const struct timeouts *t = &x->e->policy->timeouts;
    engine_timer_set(x->e, &x->timer, x->resp_started || is_grpc(x) ? t->idle : t->response_head, on_timeout);
}

static bool is_git_client(const struct exchange *x)
{
    const struct field *f = http_field(x->req->fields, x->req->n_fields, "user-agent");
    return f && f->value_len >= 4 && memcmp(f->value, "git/", 4) == 0;
}

/* Ends the exchange for a reason of ours: by an answer if there is none yet, else by a cut. */
static void refuse(struct exchange *x, enum reason why, uint16_t status, const char *hint)
{
    if (x->ended)
        return;
    x->reason = why;
    if (x->resp_started) {
        x->front->ops->abort(x->front, ABORT_POLICY);
    } else {
        struct denial d = {.reason = why,
            .status = status,
            .host = x->host,
            .hint = hint,
            .grpc = is_grpc(x),
            .plain = is_git_client(x)};
        x->status = d.grpc ? 200 : status ? status : (uint16_t)reason_status(why);
        x->resp_started = true;
        (void)exchange_write_denial(x->f, x->front, &d);
    }
    if (x->back)
        x->back->ops->abort(x->back, ABORT_POLICY);
    end(x);
}

/* For the agent: what it means, and what was met. NULL: there is nothing to add to the reason's own words. */
static const char *hint_with(struct exchange *x, enum reason why, const char *detail)
{
    enum { DETAIL_MAX = 160, ROOM = 320 };
    const char *words = reason_hint(why);
    char *hint = detail && strcmp(detail, words) != 0 ? arena_alloc(x->arena, ROOM) : NULL;
    if (hint)
        (void)snprintf(hint, ROOM, "%.*s: %.*s", (int)strlen(words) - 1, words, DETAIL_MAX, detail);
    return hint;
}

/* Ends it because one side is gone. */
static void cut(struct exchange *x, enum http_abort why)
{
    if (x->ended)
        return;
    if (x->resp_started && !x->resp_fin)
        x->front->ops->abort(x->front, why);
    if (x->back)
        x->back->ops->abort(x->back, why);
    end(x);
}

static void on_timeout(struct engine_timer *t)
{
    struct exchange *x = (struct exchange *)((char *)t - offsetof(struct exchange, timer));
    enter(x);
    x->detail = x->resp_started ? "idle for too long" : "the upstream did not answer in time";
    if (x->resp_started)
        cut(x, ABORT_TIMEOUT);
    else
        refuse(x, REASON_UPSTREAM_UNREACHABLE, 504, NULL);
    leave(x);
}

static void open_upstream(struct exchange *x, unsigned flags)
{
    if (x->req->upgrade != UPGRADE_NONE)
        flags |= UPSTREAM_WEBSOCKET;
    flags |= x->h1_only ? UPSTREAM_H1 : UPSTREAM_H2_OK;
    if (!exchange_is_idempotent(x->req->method))
        flags |= UPSTREAM_ONCE;
    if (!x->f->alpn_h2)
        flags |= UPSTREAM_LIKE_H1;
    struct upstream_request *r = upstream_open(x->e->pool, &x->key, x, flags);
    if (!x->ended && !x->back)
        x->opening = r;
}

static void pause_front(struct exchange *x, bool on)
{
    if (x->front_paused == on || x->ended)
        return;
    x->front_paused = on;
    x->front->ops->read_pause(x->front, on);
}

static void pause_back(struct exchange *x, bool on)
{
    if (x->back_paused == on || !x->back || x->ended)
        return;
    x->back_paused = on;
    x->back->ops->read_pause(x->back, on);
}

static void go_out(struct exchange *x)
{
    const struct endpoint *dst = x->f->flow ? flow_dst(x->f->flow) : NULL;
    x->key = (struct upstream_key){.host = x->host,
        .port = x->port,
        .tls = x->f->tls,
        .route = x->route,
        .dialled = dst ? &dst->addr : NULL};
    x->in_front = true;
    open_upstream(x, 0);
    x->in_front = false;
    if (!x->ended && !x->back && !x->req_fin)
        pause_front(x, true);
}

/* What the judgement waited for is there. */
static void whole_body(struct exchange *x)
{
    x->holding = false;
    enum reason why = exchange_judge_body(x);
    if (why != REASON_NONE)
        refuse(x, why, 0, NULL);
    else
        go_out(x);
}

/* An agent that waits to be told so would wait for an upstream that is not asked yet. */
static void ask_for_body(struct exchange *x)
{
    struct http_head go_on = {.status = 100, .content_length = -1};
    x->req->expect_continue = false;
    if (x->front->ops->head(x->front, &go_on, false) < 0 || x->front->ops->flush(x->front) < 0)
        end(x);
}

int exchange_begin(
    struct http_front *f, struct http_stream *front, struct arena *arena, struct http_head *h, bool fin)
{
    struct exchange *x = arena_alloc(arena, sizeof *x);
    if (!x)
        return -ENOMEM;
    x->f = f;
    x->e = f->engine;
    x->front = front;
    x->arena = arena;
    x->req = h;
    x->req_fin = fin;
    x->resp_left = -1;
    x->started_us = exchange_clock();
    front->x = x;
    enter(x);
    const char *hint = NULL;
    enum reason why = exchange_judge(x, &hint);
    x->holding = why == REASON_NONE && exchange_needs_body(x);
    if (why != REASON_NONE)
        refuse(x, why, 0, hint);
    else if (!x->holding)
        go_out(x);
    else if (fin)
        whole_body(x);
    else if (h->expect_continue)
        ask_for_body(x);
    leave(x);
    return 0;
}

/* ---- upstream ---- */

/* 0 and 1 as a stream's; a dead stream ends the exchange. */
static bool to_back(struct exchange *x, int r)
{
    if (r < 0) {
        x->detail = "the request could not be written";
        if (x->resp_started)
            cut(x, ABORT_PEER);
        else
            refuse(x, REASON_UPSTREAM_UNREACHABLE, 502, NULL);
        return false;
    }
    if (r > 0 && !x->req_fin)
        pause_front(x, true);
    return true;
}

static void drop_queue(struct exchange *x)
{
    free(x->queue);
    x->queue = NULL;
    x->queue_len = 0;
}

/* What has come of the body goes to the upstream. 0, 1 and -errno as a stream's. */
static int send_queue(struct exchange *x)
{
    struct http_stream *back = x->back;
    bool fin = x->req_fin && !x->has_trailers;
    int r = 0;
    if (x->queue_len) {
        exchange_keep(x, x->queue, x->queue_len);
        x->sent += x->queue_len;
        r = back->ops->data(back, x->queue, x->queue_len, fin);
    } else if (fin) {
        r = back->ops->data(back, NULL, 0, true);
    }
    if (r >= 0 && x->has_trailers)
        r = back->ops->trailers(back, x->trailers, x->n_trailers);
    drop_queue(x);
    return r;
}

static void sent(struct exchange *x, int r)
{
    if (r >= 0 && !x->in_front) {
        int flushed = x->back->ops->flush(x->back);
        r = flushed != 0 ? flushed : r;
    }
    if (to_back(x, r)) {
        if (r == 0)
            pause_front(x, false);
        set_timer(x);
    }
}

/* An upstream that has refused a body may take what follows for its next request: it gets nothing of it
 * before it has said that it wants it, or was silent for some time (RFC 9110 10.1.1). */
static void expectation_over(struct exchange *x, bool wanted)
{
    if (!x->expecting)
        return;
    x->expecting = false;
    engine_timer_clear(&x->expect_timer);
    if (wanted && (x->queue_len || x->req_fin)) {
        sent(x, send_queue(x));
        return;
    }
    x->unwanted = !wanted;
    drop_queue(x);
    pause_front(x, false);
}

static void on_expect_timeout(struct engine_timer *t)
{
    struct exchange *x = (struct exchange *)((char *)t - offsetof(struct exchange, expect_timer));
    enter(x);
    expectation_over(x, true);
    leave(x);
}

void exchange_upstream_ready(struct exchange *x, struct http_stream *back)
{
    enter(x);
    x->opening = NULL;
    x->back = back;
    x->back_paused = false;
    bool whole = x->req_fin && !x->queue_len && !x->has_trailers;
    x->req->expect_continue &= !x->queue_len && !x->req_fin; /* who does not wait has nothing to wait for */
    x->expecting = x->req->expect_continue;
    if (x->expecting)
        engine_timer_set(x->e, &x->expect_timer, EXPECT_MS, on_expect_timeout);
    int r = back->ops->head(back, x->req, whole);
    if (r >= 0 && !whole && !x->expecting && (x->queue_len || x->has_trailers))
        r = send_queue(x);
    drop_queue(x);
    sent(x, r);
    leave(x);
}

void exchange_upstream_failed(struct exchange *x, enum reason why, const char *detail)
{
    enter(x);
    x->opening = NULL;
    x->detail = detail ? arena_strndup(x->arena, detail, strnlen(detail, 300)) : NULL;
    refuse(x, why, 0, hint_with(x, why, x->detail));
    leave(x);
}

/* ---- request ---- */

static bool enqueue(struct exchange *x, const uint8_t *p, size_t n)
{
    uint8_t *grown = x->queue_len + n <= QUEUE_MAX ? realloc(x->queue, x->queue_len + n) : NULL;
    if (!grown)
        return false;
    memcpy(grown + x->queue_len, p, n);
    x->queue = grown;
    x->queue_len += n;
    return true;
}

static void forward_request(struct exchange *x, const uint8_t *p, size_t n, bool fin)
{
    x->req_fin |= fin;
    if (x->unwanted)
        return;
    if (x->expecting)
        pause_front(x, true);
    if (x->back && !x->expecting) {
        exchange_keep(x, p, n);
        x->sent += n;
        set_timer(x);
        (void)to_back(x, x->back->ops->data(x->back, p, n, fin));
    } else if (n && !enqueue(x, p, n)) {
        refuse(x, REASON_LIMIT, 0, NULL);
    } else if (fin && x->holding) {
        whole_body(x);
    }
}

/* What inspection holds comes with a later call, at the latest with the one that has `fin`. */
static bool pass_request(struct exchange *x, const uint8_t *p, size_t n, bool fin, bool last)
{
    struct inspect_out out;
    enum reason why = exchange_inspect_data(x, INSPECT_OUTBOUND, p, n, fin, &out);
    if (why != REASON_NONE) {
        refuse(x, why, 0, NULL);
        return false;
    }
    for (unsigned i = 0; i < out.n_spans && !x->ended; i++)
        forward_request(x, out.span[i].p, out.span[i].n, last && i + 1 == out.n_spans);
    if (last && !out.n_spans && !x->ended)
        forward_request(x, NULL, 0, true);
    return !x->ended;
}

void exchange_request_data(struct exchange *x, const uint8_t *p, size_t n, bool fin)
{
    if (x->ended)
        return;
    enter(x);
    if (x->tunnel) {
        tunnel(x, INSPECT_OUTBOUND, p, n, fin);
    } else {
        (void)pass_request(x, p, n, fin, fin);
    }
    leave(x);
}

static void forward_trailers(struct exchange *x, const struct field *f, size_t n)
{
    x->req_fin = true;
    struct field *copy = arena_alloc(x->arena, (n + 1) * sizeof *copy);
    bool ok = copy != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        copy[i] = f[i];
        copy[i].name = arena_strndup(x->arena, f[i].name, f[i].name_len);
        copy[i].value = arena_strndup(x->arena, f[i].value, f[i].value_len);
        ok = copy[i].name && copy[i].value;
    }
    if (!ok) {
        refuse(x, REASON_LIMIT, 0, NULL);
    } else {
        x->trailers = copy;
        x->n_trailers = exchange_filter_trailers(x->route, copy, n);
        x->has_trailers = true;
        if (x->back && !x->expecting && !x->unwanted)
            (void)to_back(x, x->back->ops->trailers(x->back, copy, x->n_trailers));
        else if (x->holding)
            whole_body(x);
    }
}

void exchange_request_trailers(struct exchange *x, const struct field *f, size_t n)
{
    if (x->ended)
        return;
    enter(x);
    enum reason why = exchange_inspect_trailers(x, INSPECT_OUTBOUND, f, n);
    if (why != REASON_NONE)
        refuse(x, why, 0, NULL);
    else if (pass_request(x, NULL, 0, true, false))
        forward_trailers(x, f, n);
    leave(x);
}

void exchange_request_flush(struct exchange *x)
{
    if (x->ended || !x->back)
        return;
    enter(x);
    (void)to_back(x, x->back->ops->flush(x->back));
    leave(x);
}

void exchange_request_abort(struct exchange *x, enum http_abort why)
{
    if (x->ended)
        return;
    enter(x);
    if (why == ABORT_PROTOCOL) {
        refuse(x, REASON_MALFORMED, 0, NULL);
    } else if (why == ABORT_TIMEOUT) {
        x->detail = x->resp_started ? "the agent took nothing of the response for too long"
                                    : "the request's body stopped coming";
        refuse(x, REASON_LIMIT, 0, NULL);
    } else {
        if (!x->resp_fin)
            x->detail = x->e->cutting ? "ended by a reload or stop" : "the agent closed";
        cut(x, ABORT_PEER);
    }
    leave(x);
}

/* ---- response ---- */

/* 0 and 1 as a stream's; without the agent there is no point in going on. */
static bool to_front(struct exchange *x, int r)
{
    if (r < 0) {
        x->detail = "the agent closed";
        if (x->back)
            x->back->ops->abort(x->back, ABORT_PEER);
        end(x);
        return false;
    }
    if (r > 0)
        pause_back(x, true);
    return true;
}

static void bad_response(struct exchange *x, const char *detail)
{
    x->detail = detail;
    if (x->resp_started)
        cut(x, ABORT_PROTOCOL);
    else
        refuse(x, REASON_UPSTREAM_UNREACHABLE, 502, hint_with(x, REASON_UPSTREAM_UNREACHABLE, detail));
}

static void response_done(struct exchange *x)
{
    x->resp_fin = true;
    if (x->resp_left > 0) {
        x->resp_fin = false;
        bad_response(x, "the response is shorter than its content-length");
    } else {
        end(x);
    }
}

static bool has_no_body(const struct exchange *x)
{
    return x->status == 204 || x->status == 304 || strcmp(x->req->method, "HEAD") == 0;
}

void exchange_response_head(struct exchange *x, struct http_head *h, bool fin)
{
    if (x->ended)
        return;
    enter(x);
    exchange_filter_response(h);
    enum reason why = exchange_inspect_response(x, h, fin);
    if (why != REASON_NONE) {
        refuse(x, why, 0, NULL);
    } else if (h->status < 200 && h->status != 101) {
        if (h->status == 100)
            expectation_over(x, true);
        set_timer(x);
        (void)to_front(x, x->front->ops->head(x->front, h, false));
    } else if (x->resp_started || (h->status == 101 && x->req->upgrade == UPGRADE_NONE)) {
        bad_response(x, "the upstream switched protocols unasked");
    } else {
        expectation_over(x, h->status < 300);
        x->resp_started = true;
        exchange_keep_nothing(x);
        x->status = h->status;
        x->first_us = exchange_clock();
        x->tunnel = h->status == 101;
        x->req_fin |= x->req->upgrade != UPGRADE_NONE && !x->tunnel;
        x->resp_left = has_no_body(x) ? -1 : h->content_length;
        set_timer(x);
        if (to_front(x, x->front->ops->head(x->front, h, fin)) && fin)
            response_done(x);
    }
    leave(x);
}

/* As pass_request(). `last`: no trailers follow. */
static bool pass_response(struct exchange *x, const uint8_t *p, size_t n, bool fin, bool last)
{
    struct inspect_out out;
    enum reason why = exchange_inspect_data(x, INSPECT_INBOUND, p, n, fin, &out);
    for (unsigned i = 0; i < out.n_spans && !x->ended; i++) {
        bool end_here = last && why == REASON_NONE && i + 1 == out.n_spans;
        (void)to_front(x, x->front->ops->data(x->front, out.span[i].p, out.span[i].n, end_here));
    }
    if (why != REASON_NONE && !x->ended) {
        (void)to_front(x, x->front->ops->flush(x->front)); /* what comes before it may be read */
        refuse(x, why, 0, NULL);
    } else if (last && !out.n_spans && !x->ended) {
        (void)to_front(x, x->front->ops->data(x->front, NULL, 0, true));
    }
    return !x->ended;
}

void exchange_response_data(struct exchange *x, const uint8_t *p, size_t n, bool fin)
{
    if (x->ended)
        return;
    enter(x);
    x->received += n;
    set_timer(x);
    if (x->tunnel) {
        tunnel(x, INSPECT_INBOUND, p, n, fin);
    } else if (x->resp_left >= 0 && (uint64_t)x->resp_left < n) {
        bad_response(x, "the response is longer than its content-length");
    } else {
        if (x->resp_left >= 0)
            x->resp_left -= (int64_t)n;
        bool whole = fin && x->resp_left <= 0;
        if (pass_response(x, p, n, fin, whole) && fin)
            response_done(x);
    }
    leave(x);
}

void exchange_response_trailers(struct exchange *x, const struct field *f, size_t n)
{
    if (x->ended)
        return;
    enter(x);
    /* An agent that did not say it takes trailers may merge them into the head (RFC 9110 6.5.1). */
    size_t pass = x->req->te_trailers || x->f->alpn_h2 ? n : 0;
    if (x->resp_left > 0) {
        response_done(x);
    } else if (pass_response(x, NULL, 0, true, false)) {
        f = exchange_redact_trailers(x, f, &pass);
        if (to_front(x, x->front->ops->trailers(x->front, f, pass)))
            response_done(x);
    }
    leave(x);
}

void exchange_response_flush(struct exchange *x)
{
    if (x->ended)
        return;
    enter(x);
    (void)to_front(x, x->front->ops->flush(x->front));
    leave(x);
}

void exchange_response_abort(struct exchange *x, enum http_abort why, const char *detail)
{
    if (x->ended)
        return;
    enter(x);
    if (exchange_may_retry(x, why)) {
        struct http_stream *old = x->back;
        x->retried = true;
        x->h1_only |= why == ABORT_H1;
        x->expecting = false;
        engine_timer_clear(&x->expect_timer);
        x->back = NULL;
        x->back_paused = false;
        old->x = NULL;
        old->ops->release(old);
        open_upstream(x, UPSTREAM_FRESH);
        if (!x->ended && !x->back && !x->req_fin)
            pause_front(x, true);
    } else if (x->resp_started) {
        x->detail = detail;
        cut(x, why);
    } else {
        x->detail = detail;
        refuse(x, REASON_UPSTREAM_UNREACHABLE, why == ABORT_TIMEOUT ? 504 : 502,
            hint_with(x, REASON_UPSTREAM_UNREACHABLE, detail));
    }
    leave(x);
}

/* ---- back-pressure ---- */

void exchange_drained(struct exchange *x, struct http_stream *s)
{
    if (x->ended)
        return;
    enter(x);
    set_timer(x);
    if (s == x->front)
        pause_back(x, false);
    else if (s == x->back)
        pause_front(x, false);
    leave(x);
}

/* ---- WebSocket ---- */

/* Tells both sides why, as far as they have not closed yet. */
static void close_tunnel(struct exchange *x, enum reason why)
{
    uint8_t frame[WS_CLOSE_FRAME_MAX];
    x->reason = why;
    size_t n = exchange_ws_close(x, INSPECT_INBOUND, frame);
    if (to_front(x, x->front->ops->data(x->front, frame, n, true)))
        (void)x->front->ops->flush(x->front);
    n = exchange_ws_close(x, INSPECT_OUTBOUND, frame);
    if (x->back && x->back->ops->data(x->back, frame, n, true) >= 0)
        (void)x->back->ops->flush(x->back);
    end(x);
}

static void tunnel(struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n, bool fin)
{
    struct ws_out out;
    enum reason why = exchange_ws_feed(x, dir, p, n, &out);
    bool last = fin && why == REASON_NONE;
    if (dir == INSPECT_OUTBOUND) {
        x->req_fin |= fin;
        x->sent += n;
        set_timer(x);
        (void)to_back(x, x->back->ops->data(x->back, out.p, out.n, last));
    } else {
        x->resp_fin |= fin;
        (void)to_front(x, x->front->ops->data(x->front, out.p, out.n, last));
    }
    free(out.p);
    if (why != REASON_NONE && !x->ended)
        close_tunnel(x, why);
    else if (x->req_fin && x->resp_fin)
        end(x);
}
