#include "appliance/flow/splice.h"

#include <fcntl.h>

#include "appliance/engine.h"
#include "appliance/flow/conn.h"
#include "lib/base.h"

/* Pipes are borrowed for a burst, so few are enough; the kernel gives an unprivileged user 64 MiB of them in
 * all, and 1 MiB for one. A few of that size make bulk a third cheaper. */
#define PIPE_SIZE KIB(256)
#define PIPE_BIG MIB(1)
#define PIPES_BIG 8
#define PIPES_KEPT 32
/* One direction's turn, before the others have theirs. */
#define TURN_MAX MIB(1)

struct pipe {
    int in, out; /* -1: none */
    bool big, small; /* small: there was no more to be had; not worth keeping */
};

struct pipe_pool {
    size_t n, n_big;
    struct pipe kept[PIPES_KEPT];
};

struct way {
    struct pipe pipe;
    uint32_t in_pipe; /* octets */
    bool bulk; /* the last read filled the buffer: splice the rest */
    bool eof, fin_sent;
    uint64_t bytes;
};

struct relay {
    struct engine *e;
    struct conn *side[2];
    struct way way[2]; /* [i]: from side[i] to the other */
    struct engine_timer timer;
    uint64_t last; /* loop ms of the last octet */
    uint32_t idle_ms;
    int err;
    bool over;
    relay_done_fn *done;
    void *arg;
};

/* ---- pipes ---- */

struct pipe_pool *pipe_pool_new(void)
{
    return calloc(1, sizeof(struct pipe_pool));
}

static void pipe_close(struct pipe_pool *pool, struct pipe *p)
{
    if (p->in < 0)
        return;
    pool->n_big -= p->big;
    (void)close(p->in);
    (void)close(p->out);
    p->in = p->out = -1;
}

void pipe_pool_free(struct pipe_pool *p)
{
    while (p && p->n)
        pipe_close(p, &p->kept[--p->n]);
    free(p);
}

static bool pipe_borrow(struct pipe_pool *pool, struct pipe *p)
{
    if (p->in >= 0)
        return true;
    if (pool && pool->n) {
        *p = pool->kept[--pool->n];
        return true;
    }
    int fds[2];
    if (!pool || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    *p = (struct pipe){.out = fds[0], .in = fds[1]};
    p->big = pool->n_big < PIPES_BIG && fcntl(p->in, F_SETPIPE_SZ, PIPE_BIG) >= 0;
    pool->n_big += p->big;
    p->small = !p->big && fcntl(p->in, F_SETPIPE_SZ, PIPE_SIZE) < 0;
    return true;
}

/* Only an empty one may serve another connection. */
static void pipe_return(struct pipe_pool *pool, struct pipe *p)
{
    if (p->in < 0)
        return;
    if (p->small || pool->n == PIPES_KEPT) {
        pipe_close(pool, p);
        return;
    }
    pool->kept[pool->n++] = *p;
    p->in = p->out = -1;
}

/* ---- the end ---- */

static void finish(void *arg)
{
    struct relay *r = arg;
    relay_done_fn *done = r->done;
    void *darg = r->arg;
    int err = r->err;
    uint64_t from_a = r->way[0].bytes, from_b = r->way[1].bytes;
    free(r);
    done(darg, err, from_a, from_b);
}

static void end(struct relay *r, int err)
{
    if (r->over)
        return;
    r->over = true;
    r->err = err;
    engine_timer_clear(&r->timer);
    for (int i = 0; i < 2; i++) {
        conn_close(r->side[i], err != 0);
        pipe_close(r->e->pipes, &r->way[i].pipe);
    }
    engine_defer(r->e, finish, r);
}

void relay_abort(struct relay *r)
{
    end(r, -ECANCELED);
}

static void on_idle(struct engine_timer *t)
{
    struct relay *r = (struct relay *)((char *)t - offsetof(struct relay, timer));
    uint64_t silent = engine_now_ms(r->e) - r->last;
    if (silent >= r->idle_ms)
        end(r, -ETIMEDOUT);
    else
        engine_timer_set(r->e, t, (uint32_t)(r->idle_ms - silent), on_idle);
}

/* ---- one direction ---- */

enum step { STEP_MORE, STEP_DRY, STEP_FULL, STEP_END };

static enum step fail(struct relay *r, int err)
{
    end(r, err);
    return STEP_END;
}

/* In the pipe, towards the socket. */
static enum step drain_pipe(struct relay *r, int i)
{
    struct way *w = &r->way[i];
    struct conn *to = r->side[!i];
    while (w->in_pipe) {
        ssize_t n =
            splice(w->pipe.out, NULL, conn_fd(to), NULL, w->in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return fail(r, -errno);
        if (n <= 0) {
            conn_want_write(to);
            return STEP_FULL;
        }
        w->in_pipe -= (uint32_t)n;
    }
    return STEP_MORE;
}

static enum step move_spliced(struct relay *r, int i)
{
    struct way *w = &r->way[i];
    ssize_t n =
        splice(conn_fd(r->side[i]), NULL, w->pipe.in, NULL, PIPE_BIG, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return errno == EAGAIN ? STEP_DRY : errno == EINTR ? STEP_MORE : fail(r, -errno);
    if (n == 0) {
        w->eof = true;
        return STEP_DRY;
    }
    w->in_pipe = (uint32_t)n;
    w->bytes += (uint64_t)n;
    return drain_pipe(r, i);
}

static enum step move_copied(struct relay *r, int i)
{
    struct way *w = &r->way[i];
    ssize_t n = conn_read(r->side[i], r->e->scratch, sizeof r->e->scratch);
    if (n == -EAGAIN)
        return STEP_DRY;
    if (n < 0)
        return fail(r, (int)n);
    if (n == 0) {
        w->eof = true;
        return STEP_DRY;
    }
    w->bytes += (uint64_t)n;
    w->bulk = (size_t)n == sizeof r->e->scratch;
    int sent = conn_send(r->side[!i], r->e->scratch, (size_t)n);
    return sent < 0 ? fail(r, sent) : sent ? STEP_FULL : STEP_MORE;
}

static enum step move(struct relay *r, int i)
{
    struct way *w = &r->way[i];
    if (w->in_pipe)
        return drain_pipe(r, i);
    if (conn_queued(r->side[!i]))
        return STEP_FULL;
    if (w->bulk && pipe_borrow(r->e->pipes, &w->pipe))
        return move_spliced(r, i);
    return move_copied(r, i);
}

/* Until the source has no more, the other side takes no more, or it is another's turn. */
static void pump(struct relay *r, int i)
{
    struct way *w = &r->way[i];
    uint64_t before = w->bytes;
    enum step s = STEP_MORE;
    while (s == STEP_MORE && !w->eof && w->bytes - before < TURN_MAX)
        s = move(r, i);
    if (s == STEP_END)
        return;
    if (w->bytes != before)
        r->last = engine_now_ms(r->e);
    conn_read_enable(r->side[i], s != STEP_FULL && !w->eof);
    if (s == STEP_DRY && !w->in_pipe) {
        w->bulk = false;
        pipe_return(r->e->pipes, &w->pipe);
    }
    if (!w->eof || w->in_pipe || s == STEP_FULL || w->fin_sent)
        return;
    w->fin_sent = true;
    conn_shutdown(r->side[!i]);
    if (r->way[!i].fin_sent)
        end(r, 0);
}

static int side_of(const struct relay *r, const struct conn *c)
{
    return c == r->side[1];
}

static void on_readable(struct conn *c, void *arg)
{
    struct relay *r = arg;
    pump(r, side_of(r, c));
}

static void on_drained(struct conn *c, void *arg)
{
    struct relay *r = arg;
    int i = !side_of(r, c);
    r->last = engine_now_ms(r->e);
    if (r->way[i].in_pipe && drain_pipe(r, i) != STEP_MORE)
        return;
    pump(r, i);
}

static void on_error(struct conn *c, void *arg, int err)
{
    (void)c;
    end(arg, err);
}

static const struct conn_ops relay_ops = {
    .on_readable = on_readable, .on_drained = on_drained, .on_error = on_error};

struct relay *relay_start(
    struct engine *e, struct conn *a, struct conn *b, uint32_t idle_ms, relay_done_fn *done, void *arg)
{
    struct relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->e = e;
    r->side[0] = a;
    r->side[1] = b;
    r->way[0].pipe = r->way[1].pipe = (struct pipe){.in = -1, .out = -1};
    r->idle_ms = idle_ms;
    r->last = engine_now_ms(e);
    r->done = done;
    r->arg = arg;
    for (int i = 0; i < 2; i++) {
        conn_set_ops(r->side[i], &relay_ops, r);
        conn_read_enable(r->side[i], true);
    }
    engine_timer_set(e, &r->timer, idle_ms, on_idle);
    return r;
}
