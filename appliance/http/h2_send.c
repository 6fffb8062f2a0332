#include "appliance/http/h2_send.h"

#include <string.h>

#include "appliance/http/h2_nv.h"

#define FRAME_HEAD 9
/* One TLS write makes four records of this. */
#define OUT_SIZE KIB(64)

/* ---- frames to the conn ---- */

static void write_out(struct h2_session *s)
{
    if (!s->out_len || s->blocked)
        return;
    int r = conn_send(s->c, s->out, s->out_len);
    s->out_len = 0;
    s->blocked = r != 0;
    if (r < 0)
        s->write_err = r;
}

/* Room for one frame, or false: wait. */
static bool room(struct h2_session *s, size_t n)
{
    if (s->out_len + n > OUT_SIZE)
        write_out(s);
    if (s->blocked)
        return false;
    if (!s->out)
        s->out = malloc(OUT_SIZE);
    return s->out != NULL;
}

static void append(struct h2_session *s, const void *p, size_t n)
{
    memcpy(s->out + s->out_len, p, n);
    s->out_len += n;
}

static ssize_t on_send(nghttp2_session *ng, const uint8_t *p, size_t n, int flags, void *arg)
{
    (void)ng, (void)flags;
    struct h2_session *s = arg;
    size_t some = MIN(n, OUT_SIZE);
    if (!room(s, some))
        return NGHTTP2_ERR_WOULDBLOCK;
    append(s, p, some);
    return (ssize_t)some;
}

/* ---- a stream's data ---- */

static void on_stall(struct engine_timer *t)
{
    struct h2_stream *st = (struct h2_stream *)((char *)t - offsetof(struct h2_stream, stall));
    struct h2_session *s = st->s;
    h2_enter(s);
    s->role->stalled(st);
    h2_leave(s);
}

/* A window that stays shut holds our memory for as long (CVE-2019-9517). */
static void set_stall(struct h2_stream *st)
{
    if (st->s->role->stalled)
        engine_timer_set(st->s->e, &st->stall, st->s->e->policy->timeouts.request_body_idle, on_stall);
}

static void queue_consume(struct h2_stream *st, size_t n)
{
    st->queue_off += n;
    st->queue_len -= n;
    if (st->queue_len) {
        set_stall(st);
        return;
    }
    engine_timer_clear(&st->stall);
    free(st->queue);
    st->queue = NULL;
    st->queue_off = st->queue_cap = 0;
}

static bool queue_add(struct h2_stream *st, const uint8_t *p, size_t n)
{
    if (n == 0)
        return true;
    if (!st->queue_len)
        set_stall(st);
    if (st->queue_off + st->queue_len + n > st->queue_cap) {
        size_t cap = MAX((size_t)512, st->queue_len + n + st->queue_len / 2);
        uint8_t *b = malloc(cap);
        if (!b)
            return false;
        if (st->queue_len)
            memcpy(b, st->queue + st->queue_off, st->queue_len);
        free(st->queue);
        st->queue = b;
        st->queue_off = 0;
        st->queue_cap = cap;
    }
    memcpy(st->queue + st->queue_off + st->queue_len, p, n);
    st->queue_len += n;
    return true;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
    nghttp2_data_source *src, void *arg)
{
    (void)ng, (void)frame;
    struct h2_session *s = arg;
    struct h2_stream *st = src->ptr;
    if (!room(s, FRAME_HEAD + n))
        return NGHTTP2_ERR_WOULDBLOCK;
    append(s, head, FRAME_HEAD);
    if (st->queue_len) {
        append(s, st->queue + st->queue_off, n);
        queue_consume(st, n);
    } else if (n) {
        append(s, st->given, n);
        st->given += n;
        st->given_len -= n;
    }
    return 0;
}

static int submit_trailers(struct h2_stream *st)
{
    struct h2_nv nv;
    int r = h2_nv_trailers(&nv, st->trailers, st->n_trailers)
                ? nghttp2_submit_trailer(st->s->ng, st->id, nv.v, nv.n)
                : NGHTTP2_ERR_INVALID_ARGUMENT;
    h2_nv_free(&nv);
    return r;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is nghttp2's */
static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
    nghttp2_data_source *src, void *arg)
{
    (void)ng, (void)id, (void)buf, (void)arg;
    struct h2_stream *st = src->ptr;
    size_t from = st->queue_len ? st->queue_len : st->given_len, n = MIN(from, max);
    bool all = n == st->queue_len + st->given_len;
    if (n == 0 && !st->out_fin)
        return NGHTTP2_ERR_DEFERRED;
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (!all || !st->out_fin)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (st->n_trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(st) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)n;
}

nghttp2_data_provider h2_data_provider(struct h2_stream *st)
{
    return (nghttp2_data_provider){.source.ptr = st, .read_callback = on_read};
}

void h2_send_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_send_callback(cb, on_send);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
}

/* ---- turns ---- */

/* Frames into `out`, as far as windows and conn allow. */
static void pump(struct h2_session *s)
{
    if (s->in_ng || s->gone)
        return;
    s->in_ng = true;
    int r = nghttp2_session_send(s->ng);
    s->in_ng = false;
    if (r != 0 && r != NGHTTP2_ERR_WOULDBLOCK)
        h2_break(s, NGHTTP2_INTERNAL_ERROR, REASON_LIMIT, nghttp2_strerror(r));
}

static void tell_waiting(struct h2_session *s)
{
    for (struct h2_stream *st = s->waiting ? s->streams : NULL; st; st = st->next) {
        if (!st->waiting || st->queue_len)
            continue;
        st->waiting = false;
        s->waiting--;
        if (st->base.x)
            exchange_drained(st->base.x, &st->base);
    }
}

void h2_flush(struct h2_session *s)
{
    if (s->gone)
        return;
    pump(s);
    write_out(s);
    if (!s->out_len) {
        free(s->out);
        s->out = NULL;
    }
    if (s->ending && s->why != REASON_NONE) {
        enum reason why = s->why;
        s->why = REASON_NONE;
        s->role->broken(s, why, s->detail);
    }
    bool idle = !nghttp2_session_want_read(s->ng) && !nghttp2_session_want_write(s->ng);
    /* what an upstream said before it went can still be read */
    if (s->write_err && s->role->server)
        s->role->over(s, s->write_err);
    else if (s->ending || idle)
        s->role->over(s, 0);
    else if (!s->blocked)
        tell_waiting(s);
}

static void on_deferred(void *arg)
{
    struct h2_session *s = arg;
    s->scheduled = false;
    h2_enter(s);
    h2_flush(s);
    h2_leave(s);
}

void h2_schedule(struct h2_session *s)
{
    if (s->scheduled)
        return;
    s->scheduled = true;
    engine_defer(s->e, on_deferred, s);
}

/* ---- ops ---- */

static bool is_over(const struct h2_stream *st)
{
    return st->s->gone || st->closed || st->reset_sent || st->s->ending;
}

/* An upstream may answer and be done with a request that is still on its way: what it said decides, not that
 * it takes no more. Without an agent there is no point in going on. */
static int when_over(const struct h2_stream *st)
{
    return st->s->role->server ? -EPIPE : 0;
}

static int advance(struct h2_stream *st)
{
    struct h2_session *s = st->s;
    (void)nghttp2_session_resume_data(s->ng, st->id);
    if (!s->blocked)
        pump(s);
    bool kept = queue_add(st, st->given, st->given_len);
    st->given = NULL;
    st->given_len = 0;
    if (!kept)
        return -ENOMEM;
    h2_schedule(s);
    if (!st->queue_len && !s->blocked)
        return 0;
    s->waiting += !st->waiting;
    st->waiting = true;
    return 1;
}

int h2_op_data(struct http_stream *base, const uint8_t *p, size_t n, bool fin)
{
    struct h2_stream *st = (struct h2_stream *)base;
    if (is_over(st))
        return when_over(st);
    h2_enter(st->s);
    int r = 0;
    st->out_fin |= fin;
    if (st->queue_len || st->s->in_ng)
        r = queue_add(st, p, n) ? 0 : -ENOMEM;
    else {
        st->given = p;
        st->given_len = n;
    }
    if (r == 0)
        r = advance(st);
    h2_leave_quietly(st->s);
    return r;
}

static struct field *copy_fields(const struct field *f, size_t n)
{
    size_t len = n * sizeof *f;
    for (size_t i = 0; i < n; i++)
        len += f[i].name_len + f[i].value_len;
    struct field *copy = malloc(len);
    char *p = (char *)(copy + n);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = f[i];
        copy[i].name = memcpy(p, f[i].name, f[i].name_len);
        p += f[i].name_len;
        copy[i].value = memcpy(p, f[i].value, f[i].value_len);
        p += f[i].value_len;
    }
    return copy;
}

int h2_op_trailers(struct http_stream *base, const struct field *f, size_t n)
{
    struct h2_stream *st = (struct h2_stream *)base;
    if (is_over(st))
        return when_over(st);
    if (n) {
        st->trailers = copy_fields(f, n);
        if (!st->trailers)
            return -ENOMEM;
        st->n_trailers = n;
    }
    return h2_op_data(base, NULL, 0, true);
}

int h2_op_flush(struct http_stream *base)
{
    struct h2_stream *st = (struct h2_stream *)base;
    if (is_over(st))
        return when_over(st);
    h2_schedule(st->s);
    return 0;
}

void h2_reset(struct h2_stream *st, uint32_t code)
{
    struct h2_session *s = st->s;
    if (is_over(st) || !st->id)
        return;
    st->reset_sent = true;
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, st->id, code);
    h2_schedule(s);
}
