#include "appliance/http/h2_session.h"

#include <string.h>

#include "appliance/http/h2_send.h"

/* Reads in one turn, so that one fast peer does not hold up the loop. */
#define TURN_READS 4
/* Octets of slow streams that do not count against the connection's window: more than all streams of a
 * session hold if each is slow from the start, and a bound for those that were fast before. */
#define HELD_MAX MIB(32)
/* Beyond this much of them no window grows. */
#define HELD_GROWTH MIB(8)
/* SETTINGS entries in one frame. */
#define SETTINGS_ENTRIES_MAX 32
/* CONTINUATION frames of one block: 64 KiB in frames of usual size, and some. */
#define CONTINUATIONS_MAX 8
/* A compressed block may claim this many times what we take before it is an attack and not a mistake. */
#define LIST_ATTACK (4 * H2_LIST_MAX)

/* Every frame costs 1, a head too: it may be for a stream that is over. One that is of use earns more. */
enum { COST_SETTINGS = 5, COST_EMPTY = 1, WORTH_HEAD = 3, WORTH_DATA = 1 };

static struct h2_stream *stream_of(nghttp2_session *ng, int32_t id)
{
    return id ? nghttp2_session_get_stream_user_data(ng, id) : NULL;
}

static void touch(struct h2_stream *st)
{
    if (st->touched)
        return;
    st->touched = true;
    st->next_touched = st->s->touched;
    st->s->touched = st;
}

/* ---- streams ---- */

struct h2_stream *h2_stream_new(struct h2_session *s, const struct http_stream_ops *ops, int32_t id)
{
    struct h2_stream *st = calloc(1, sizeof *st);
    if (!st)
        return NULL;
    st->base.ops = ops;
    st->s = s;
    st->id = id;
    st->in_left = -1;
    st->window = H2_WINDOW;
    st->next = s->streams;
    st->prev = &s->streams;
    if (st->next)
        st->next->prev = &st->next;
    s->streams = st;
    s->n_streams++;
    return st;
}

static void stream_free(struct h2_stream *st)
{
    struct h2_session *s = st->s;
    engine_timer_clear(&st->timer);
    engine_timer_clear(&st->stall);
    *st->prev = st->next;
    if (st->next)
        st->next->prev = st->prev;
    s->n_streams--;
    s->closed--;
    s->waiting -= st->waiting;
    s->held -= st->held;
    arena_free(&st->arena);
    free(st->queue);
    free(st->trailers);
    free(st);
    if (s->role->freed && !s->gone)
        s->role->freed(s);
}

void h2_stream_closed(struct h2_stream *st, uint32_t code)
{
    if (st->closed)
        return;
    st->closed = true;
    st->close_code = code;
    st->s->closed++;
    if (st->id && !st->s->gone)
        (void)nghttp2_session_set_stream_user_data(st->s->ng, st->id, NULL);
}

/* ---- calls in ---- */

void h2_enter(struct h2_session *s)
{
    s->busy++;
}

void h2_leave(struct h2_session *s)
{
    if (s->busy == 1 && s->closed)
        for (struct h2_stream *st = s->streams; st; st = st->next)
            if (st->closed && st->base.x)
                s->role->closed(st);
    h2_leave_quietly(s);
}

void h2_leave_quietly(struct h2_session *s)
{
    if (--s->busy)
        return;
    s->busy = 1; /* what freeing calls must not come back to here */
    for (struct h2_stream *st = s->closed ? s->streams : NULL, *next; st; st = next) {
        next = st->next;
        if (st->closed && !st->base.x && !st->touched)
            stream_free(st);
    }
    s->busy = 0;
    if (s->gone && !s->streams && !s->scheduled) {
        arena_free(&s->block_arena);
        free(s->out);
        s->role->release(s);
    }
}

/* ---- windows ---- */

static void give_back(struct h2_session *s)
{
    if (!s->owed || s->held > HELD_MAX)
        return;
    (void)nghttp2_session_consume_connection(s->ng, s->owed);
    s->owed = 0;
}

/* A stream whose octets are taken at once may have more of them under way: a far server needs that. */
static void grow_window(struct h2_stream *st, size_t n)
{
    st->since_growth += n;
    if (st->since_growth < st->window || st->window >= H2_WINDOW_MAX || st->s->held > HELD_GROWTH)
        return;
    st->since_growth = 0;
    st->window *= 2;
    (void)nghttp2_session_set_local_window_size(st->s->ng, NGHTTP2_FLAG_NONE, st->id, (int32_t)st->window);
}

static void took(struct h2_stream *st, size_t n)
{
    struct h2_session *s = st->s;
    s->owed += n;
    if (st->paused && st->base.x) {
        st->held += n;
        s->held += n;
        st->since_growth = 0;
    } else if (!st->closed && !st->in_fin) {
        (void)nghttp2_session_consume_stream(s->ng, st->id, n);
        grow_window(st, n);
    }
    give_back(s);
}

void h2_op_read_pause(struct http_stream *base, bool paused)
{
    struct h2_stream *st = (struct h2_stream *)base;
    struct h2_session *s = st->s;
    st->paused = paused;
    if (paused || s->gone || !st->held)
        return;
    if (!st->closed)
        (void)nghttp2_session_consume_stream(s->ng, st->id, st->held);
    s->held -= st->held;
    st->held = 0;
    give_back(s);
    h2_schedule(s);
}

/* ---- the end ---- */

void h2_break(struct h2_session *s, uint32_t code, enum reason why, const char *detail)
{
    if (s->ending || s->gone)
        return;
    s->ending = s->goaway = true;
    s->why = why;
    s->detail = detail;
    (void)nghttp2_session_terminate_session(s->ng, code);
    h2_schedule(s);
}

static int calm(struct h2_session *s, const char *detail)
{
    h2_break(s, NGHTTP2_ENHANCE_YOUR_CALM, REASON_LIMIT, detail);
    return 0;
}

void h2_session_end(struct h2_session *s, bool reset)
{
    if (s->gone)
        return;
    assert(!s->in_ng); /* it would go on with what is freed here */
    s->gone = s->goaway = true;
    for (struct h2_stream *st = s->streams; st; st = st->next)
        h2_stream_closed(st, NGHTTP2_INTERNAL_ERROR);
    conn_close(s->c, reset);
    s->c = NULL;
    nghttp2_session_del(s->ng);
    s->ng = NULL;
}

/* ---- what nghttp2 calls ---- */

static uint32_t cost_of(const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_RST_STREAM: return 0; /* has a limit of its own */
    case NGHTTP2_DATA: return hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM) ? COST_EMPTY : 0;
    case NGHTTP2_SETTINGS: return hd->flags & NGHTTP2_FLAG_ACK ? 1 : COST_SETTINGS;
    default: return 1;
    }
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    (void)ng;
    struct h2_session *s = arg;
    uint32_t cost = cost_of(hd);
    s->begun++;
    s->frame_left = (uint32_t)hd->length;
    s->frame_padded = (hd->flags & NGHTTP2_FLAG_PADDED) != 0;
    s->in_block = hd->type == NGHTTP2_HEADERS || (s->in_block && hd->type == NGHTTP2_CONTINUATION);
    if (cost && h2_flood_control(&s->flood, engine_now_ms(s->e), cost))
        return calm(s, "too many frames without content");
    return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = stream_of(ng, frame->hd.stream_id);
    if (!st) {
        st = s->role->begin(s, frame->hd.stream_id);
        if (!st)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        (void)nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, st);
        return 0;
    }
    arena_free(&s->block_arena);
    arena_init(&s->block_arena, H2_ARENA_MAX);
    h2_block_init(&st->block, st->in_head || s->role->server ? H2_TRAILERS : H2_RESPONSE, &s->block_arena);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t nlen,
    const uint8_t *value, size_t vlen, uint8_t flags, void *arg)
{
    (void)flags;
    struct h2_session *s = arg;
    struct h2_stream *st = stream_of(ng, frame->hd.stream_id);
    if (!st)
        return 0;
    h2_block_add(&st->block, (const char *)name, nlen, (const char *)value, vlen);
    if (st->block.list_size > LIST_ATTACK)
        return calm(s, "a header list far beyond the limit");
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = stream_of(ng, id);
    s->frame_left -= (uint32_t)MIN(n, (size_t)s->frame_left);
    if (!st || s->ending) {
        (void)nghttp2_session_consume_connection(ng, n);
        return 0;
    }
    h2_flood_useful(&s->flood, WORTH_DATA);
    bool fin = (flags & NGHTTP2_FLAG_END_STREAM) && !s->frame_padded && s->frame_left == 0;
    st->in_fin |= fin;
    touch(st);
    if (st->base.x)
        s->role->data(st, p, n, fin);
    else if (st->out_done && !st->in_fin)
        h2_unread(st, n);
    took(st, n);
    return 0;
}

static void headers_recv(struct h2_session *s, struct h2_stream *st, const nghttp2_frame *frame)
{
    bool fin = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    s->in_block = false;
    h2_flood_useful(&s->flood, WORTH_HEAD);
    st->in_fin |= fin;
    touch(st);
    s->role->headers(st, fin);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = stream_of(ng, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (st && !s->ending)
            headers_recv(s, st, frame);
        break;
    case NGHTTP2_DATA:
        if (st && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !st->in_fin) {
            st->in_fin = true;
            touch(st);
            if (st->base.x)
                s->role->data(st, NULL, 0, true);
        } else if (frame->data.padlen && frame->hd.length <= frame->data.padlen &&
                   h2_flood_control(&s->flood, engine_now_ms(s->e), COST_EMPTY)) {
            return calm(s, "too many frames of padding");
        }
        break;
    case NGHTTP2_RST_STREAM:
        if (st)
            st->reset_got = true;
        if ((!st || !st->out_done) && h2_flood_reset(&s->flood, engine_now_ms(s->e)))
            return calm(s, "too many streams were reset");
        break;
    case NGHTTP2_SETTINGS: s->settings = true; break; /* the first is no ACK: nghttp2 sees to it */
    case NGHTTP2_GOAWAY:
        s->goaway = true;
        s->goaway_code = frame->goaway.error_code;
        if (s->role->goaway)
            s->role->goaway(s);
        break;
    default: break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *arg)
{
    (void)ng;
    struct h2_session *s = arg;
    s->in_block = false;
    /* nghttp2 takes it for an error of the connection: SETTINGS had been acknowledged */
    if (frame->hd.type == NGHTTP2_HEADERS && code == NGHTTP2_ERR_PROTO && s->role->server &&
        s->n_streams >= H2_STREAMS_MAX)
        return calm(s, "more streams at once than SETTINGS allow");
    if (h2_flood_reset(&s->flood, engine_now_ms(s->e)))
        return calm(s, "too many bad frames");
    return 0;
}

void h2_unread(struct h2_stream *st, size_t n)
{
    if (st->s->role->unread)
        st->s->role->unread(st, n);
    else
        h2_reset(st, NGHTTP2_CANCEL);
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = stream_of(ng, frame->hd.stream_id);
    bool carries = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (carries)
        h2_flood_useful(&s->flood, 4 * WORTH_DATA);
    if (st && carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        st->out_done = true;
        if (!st->base.x && !st->in_fin)
            h2_unread(st, 0);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && st)
        st->reset_sent = true;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !s->ending) {
        s->ending = s->goaway = true;
        s->why = REASON_MALFORMED;
        s->detail = "the rules of HTTP/2 were broken";
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    (void)arg;
    struct h2_stream *st = stream_of(ng, id);
    if (st)
        h2_stream_closed(st, code);
    return 0;
}

/* ---- the conn ---- */

/* What nghttp2 itself gives up for. */
static void broken_input(struct h2_session *s, ssize_t rv)
{
    switch (rv) {
    case NGHTTP2_ERR_FLOODED: (void)calm(s, "too many frames that want an answer"); break;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: (void)calm(s, "a head in too many frames"); break;
    case NGHTTP2_ERR_NOMEM: h2_break(s, NGHTTP2_INTERNAL_ERROR, REASON_LIMIT, "out of memory"); break;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        h2_break(s, NGHTTP2_PROTOCOL_ERROR, REASON_MALFORMED, "not HTTP/2");
        break;
    default: h2_break(s, NGHTTP2_PROTOCOL_ERROR, REASON_MALFORMED, nghttp2_strerror((int)rv)); break;
    }
}

static void flush_touched(struct h2_session *s)
{
    while (s->touched) {
        struct h2_stream *st = s->touched;
        s->touched = st->next_touched;
        st->touched = false;
        if (st->base.x)
            s->role->flush(st);
    }
}

/* Of types that nobody knows, and on streams that are over. */
static void count_ignored(struct h2_session *s, uint32_t all)
{
    uint32_t told = s->begun;
    s->begun = 0;
    if (all > told && h2_flood_control(&s->flood, engine_now_ms(s->e), all - told))
        (void)calm(s, "too many frames that mean nothing");
}

static void on_readable(struct conn *c, void *arg)
{
    struct h2_session *s = arg;
    ssize_t end = -EAGAIN;
    h2_enter(s);
    for (int i = 0; i < TURN_READS && !s->ending; i++) {
        ssize_t n = conn_read(c, s->e->scratch, sizeof s->e->scratch);
        if (n <= 0) {
            end = n;
            break;
        }
        uint32_t frames = h2_frames_count(&s->frames, s->e->scratch, (size_t)n);
        s->in_ng = true;
        ssize_t rv = nghttp2_session_mem_recv(s->ng, s->e->scratch, (size_t)n);
        s->in_ng = false;
        if (rv < 0)
            broken_input(s, rv);
        count_ignored(s, frames);
    }
    flush_touched(s);
    s->role->turn(s);
    if (end != -EAGAIN && !s->ending)
        s->role->over(s, (int)end);
    h2_flush(s);
    h2_leave(s);
}

static void on_drained(struct conn *c, void *arg)
{
    (void)c;
    struct h2_session *s = arg;
    h2_enter(s);
    s->blocked = false;
    h2_flush(s);
    h2_leave(s);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c;
    struct h2_session *s = arg;
    h2_enter(s);
    s->role->over(s, err);
    h2_leave(s);
}

static const struct conn_ops conn_callbacks = {on_readable, on_drained, on_error};

/* ---- the beginning ---- */

static nghttp2_option *options(void)
{
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_http_messaging(o, 1); /* h2_fields.c judges heads */
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_settings(o, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_continuations(o, CONTINUATIONS_MAX);
    nghttp2_option_set_max_send_header_block_length(o, 2 * H2_LIST_MAX);
    nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS_MAX);
    return o;
}

static int new_session(struct h2_session *s)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *o = options();
    if (!o)
        return -ENOMEM;
    if (nghttp2_session_callbacks_new(&cb) != 0) {
        nghttp2_option_del(o);
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    h2_send_callbacks(cb);
    int r = s->role->server ? nghttp2_session_server_new2(&s->ng, cb, s, o)
                            : nghttp2_session_client_new2(&s->ng, cb, s, o);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(o);
    return r == 0 ? 0 : -ENOMEM;
}

int h2_session_init(struct h2_session *s, const struct h2_role *role, struct engine *e, struct conn *c)
{
    s->role = role;
    s->e = e;
    int err = new_session(s);
    if (err)
        return err;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, role->server ? H2_STREAMS_MAX : 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_LIST_MAX},
        role->server ? (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}
                     : (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    /* servers wait for our preface; NO_RFC7540_PRIORITIES is for servers to say */
    size_t n = ARRAY_LEN(settings) - (role->server ? 0 : 1);
    if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, n) != 0 ||
        nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW) != 0) {
        nghttp2_session_del(s->ng);
        return -ENOMEM;
    }
    h2_flood_init(&s->flood, engine_now_ms(e));
    h2_frames_init(&s->frames, role->server);
    s->c = c;
    return 0;
}

void h2_session_start(struct h2_session *s)
{
    conn_set_ops(s->c, &conn_callbacks, s);
    conn_read_enable(s->c, true);
    h2_schedule(s);
}
