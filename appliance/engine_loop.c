/* The part of an engine that everything else stands on: the loop, coarse timers, and calls put off to its
 * next turn.
 *
 * The outer loop is ours, with libuv's inside it by uv_backend_fd(): what connections wait for is in an epoll
 * set of our own, since uv_poll needs four system calls for a descriptor that comes and two for each change,
 * where one will do. What is rare (the monitor, the gate) is libuv's.
 *
 * What the kernel tells of is a descriptor and the number of the watch that it was set for, not a pointer: an
 * event that comes late, for a watch that has ended within the same turn, finds nobody. */
#include "appliance/engine.h"

#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>

#include "appliance/flow/conn_internal.h"
#include "lib/base.h"
#include "lib/log.h"

static_assert(LEASE_DNS_ID_LEN == AUDIT_ID_LEN, "a lease holds an id of the log");

#define TICK_MS 100u
/* A crowd that has gone leaves its memory in the heap; it is given back when fewer than half are left. */
#define TRIM_TICKS 50u
#define TRIM_MIN 256u
/* Less is kept: a connection more or less is no reason to ask the kernel for memory, or to give it back. */
#define HEAP_KEPT MIB(1)
#define HEAP_STEP KIB(256)
#define SLOTS 512u /* 51 s a round; later ones stay for another round */

#define EVENTS_A_TURN 256
#define FDS_STEP 64u
/* What libuv's own set is known by. */
#define INNER UINT64_MAX

struct deferred {
    void (*fn)(void *arg);
    void *arg;
};

/* One descriptor. */
struct place {
    struct engine_watch *w; /* NULL: none */
    uint32_t number; /* of the watch */
    bool in_set;
};

struct engine_loop {
    int epoll;
    struct place *places; /* by descriptor */
    size_t n_places;
    bool ticking; /* there are timers */
    uint64_t ticked; /* the last tick that was served, in ticks */
    uint64_t crowd; /* the most connections since the heap was last trimmed */
    struct engine_timer *slots[SLOTS];
    struct deferred *calls;
    size_t n_calls, cap_calls;
};

uint64_t engine_now_ms(const struct engine *e)
{
    return uv_now(&e->loop);
}

uint64_t engine_now_s(const struct engine *e)
{
    return uv_now(&e->loop) / 1000; /* libuv's clock is CLOCK_MONOTONIC */
}

bool engine_dns_id(
    const struct engine *e, const struct addr *addr, const char *name, char out[static AUDIT_ID_LEN + 1])
{
    const struct lease_table *const tables[] = {e->leases, e->refused};
    uint64_t now = engine_now_s(e);
    struct lease l;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (!tables[i] || !lease_find(tables[i], addr, name, now, &l))
            continue;
        memcpy(out, l.dns_id, sizeof l.dns_id);
        return true;
    }
    return false;
}

/* ---- timers ---- */

static void unlink_timer(struct engine_timer *t)
{
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = NULL;
    t->next = NULL;
}

void engine_timer_clear(struct engine_timer *t)
{
    if (t->prev)
        unlink_timer(t);
}

static void push_timer(struct engine_timer **head, struct engine_timer *t)
{
    t->next = *head;
    t->prev = head;
    if (t->next)
        t->next->prev = &t->next;
    *head = t;
}

/* Expired timers move to a list of their own first: what they call may set and clear any of them. */
static void run_slot(struct engine_loop *l, size_t slot, uint64_t now)
{
    struct engine_timer *due = NULL;
    for (struct engine_timer *t = l->slots[slot], *next; t; t = next) {
        next = t->next;
        if (t->due > now)
            continue;
        unlink_timer(t);
        push_timer(&due, t);
    }
    while (due) {
        struct engine_timer *t = due;
        unlink_timer(t);
        t->fn(t);
    }
}

static bool any_timer(const struct engine_loop *l)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (l->slots[i])
            return true;
    }
    return false;
}

static void trim_heap(const struct engine *e)
{
    struct engine_loop *l = e->timers;
    l->crowd = MAX(l->crowd, e->n_flows);
    if (l->crowd < TRIM_MIN || e->n_flows > l->crowd / 2)
        return;
    (void)malloc_trim(0);
    l->crowd = e->n_flows;
}

static void tick(struct engine *e)
{
    struct engine_loop *l = e->timers;
    uint64_t now = engine_now_ms(e), tick = now / TICK_MS;
    if (!l->ticking || tick <= l->ticked)
        return;
    uint64_t first = tick - l->ticked > SLOTS ? tick - SLOTS : l->ticked;
    for (uint64_t i = first + 1; i <= tick; i++)
        run_slot(l, i % SLOTS, now);
    l->ticked = tick;
    l->ticking = any_timer(l);
    if (!l->ticking || tick % TRIM_TICKS == 0)
        trim_heap(e);
}

void engine_timer_set(
    struct engine *e, struct engine_timer *t, uint32_t ms, void (*fn)(struct engine_timer *t))
{
    struct engine_loop *l = e->timers;
    engine_timer_clear(t);
    if (!l->ticking)
        l->ticked = engine_now_ms(e) / TICK_MS;
    l->ticking = true;
    t->fn = fn;
    t->due = engine_now_ms(e) + ms;
    push_timer(&l->slots[(t->due / TICK_MS + 1) % SLOTS], t);
}

/* ---- descriptors ---- */

static struct place *place_of(struct engine_loop *l, int fd)
{
    size_t at = (size_t)fd;
    if (at >= l->n_places) {
        size_t n = MAX(at + FDS_STEP, l->n_places * 2);
        struct place *p = reallocarray(l->places, n, sizeof *p);
        if (!p)
            die("out of memory");
        memset(p + l->n_places, 0, (n - l->n_places) * sizeof *p);
        l->places = p;
        l->n_places = n;
    }
    return &l->places[at];
}

static int control(const struct engine_loop *l, int op, int fd, uint32_t events, uint32_t number)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)number << 32 | (uint32_t)fd};
    return epoll_ctl(l->epoll, op, fd, &ev) == 0 ? 0 : -errno;
}

void engine_watch(struct engine *e, struct engine_watch *w, uint32_t events)
{
    struct engine_loop *l = e->timers;
    if (events == w->events)
        return;
    struct place *p = place_of(l, w->fd);
    if (p->w != w) {
        p->w = w;
        p->number++;
    }
    w->events = events;
    int err = 0;
    if (!events) {
        (void)control(l, EPOLL_CTL_DEL, w->fd, 0, 0);
        p->w = NULL;
    } else {
        err = control(l, p->in_set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, events, p->number);
        if (err == -ENOENT) /* who was given it closed it, and this is another of the same number */
            err = control(l, EPOLL_CTL_ADD, w->fd, events, p->number);
    }
    if (err)
        die("cannot watch a descriptor: %s", strerror(-err)); /* a lost one would be a hang */
    p->in_set = events != 0;
}

void engine_unwatch(struct engine *e, struct engine_watch *w)
{
    if (w->events)
        place_of(e->timers, w->fd)->w = NULL;
    w->events = 0;
}

void engine_watch_close(struct engine *e, struct engine_watch *w)
{
    engine_unwatch(e, w);
    place_of(e->timers, w->fd)->in_set = false;
    (void)close(steal_fd(&w->fd));
}

static void dispatch(struct engine *e, const struct epoll_event *ev)
{
    struct engine_loop *l = e->timers;
    int fd = (int)(uint32_t)ev->data.u64;
    struct place *p = place_of(l, fd);
    if (p->number != (uint32_t)(ev->data.u64 >> 32))
        return; /* the watch that this is for has ended */
    struct engine_watch *w = p->w;
    if (!w) {
        if (p->in_set) /* given on, and nobody waits for it */
            (void)control(l, EPOLL_CTL_DEL, fd, 0, 0);
        p->in_set = false;
        return;
    }
    uint32_t got = ev->events;
    if (got & EPOLLERR) {
        engine_watch(e, w, 0);
        w->fn(w, EPOLLERR);
        return;
    }
    got =
        got == EPOLLHUP ? w->events : got & w->events; /* what has been waited for has come, or never will */
    if (got)
        w->fn(w, got);
}

/* ---- deferred calls ---- */

void engine_defer(struct engine *e, void (*fn)(void *arg), void *arg)
{
    struct engine_loop *l = e->timers;
    if (l->n_calls == l->cap_calls) {
        size_t cap = l->cap_calls ? l->cap_calls * 2 : 64;
        struct deferred *p = reallocarray(l->calls, cap, sizeof *p);
        if (!p)
            die("out of memory"); /* a lost call would be a hang: the monitor starts another engine */
        l->calls = p;
        l->cap_calls = cap;
    }
    l->calls[l->n_calls++] = (struct deferred){fn, arg};
}

/* Calls made by these calls wait for the next turn, so that one busy connection does not starve the others.
 */
static void run_deferred(struct engine_loop *l)
{
    size_t n = l->n_calls;
    for (size_t i = 0; i < n; i++) {
        struct deferred d = l->calls[i];
        d.fn(d.arg);
    }
    l->n_calls -= n;
    if (l->n_calls)
        memmove(l->calls, l->calls + n, l->n_calls * sizeof *l->calls);
}

/* ---- turns ---- */

static bool inner_is_due(const struct engine *e)
{
    return uv_loop_alive(&e->loop) && uv_backend_timeout(&e->loop) == 0;
}

/* Milliseconds until something is due; -1: nothing is. */
static int patience(const struct engine *e)
{
    const struct engine_loop *l = e->timers;
    int inner = uv_loop_alive(&e->loop) ? uv_backend_timeout(&e->loop) : -1;
    if (l->n_calls || inner == 0)
        return 0;
    if (!l->ticking)
        return inner;
    uint64_t now = engine_now_ms(e), next = (l->ticked + 1) * TICK_MS;
    int ours = next > now ? (int)(next - now) : 0;
    return inner < 0 ? ours : MIN(inner, ours);
}

void engine_turn(struct engine *e, bool wait)
{
    struct engine_loop *l = e->timers;
    struct epoll_event ready[EVENTS_A_TURN];
    run_deferred(l);
    if (e->on_turn)
        e->on_turn(e);
    if (e->stopped)
        return;
    int n = epoll_wait(l->epoll, ready, EVENTS_A_TURN, wait ? patience(e) : 0);
    uv_update_time(&e->loop);
    bool inner = inner_is_due(e);
    for (int i = 0; i < n; i++) {
        if (ready[i].data.u64 == INNER)
            inner = true;
        else
            dispatch(e, &ready[i]);
    }
    tick(e);
    if (inner)
        (void)uv_run(&e->loop, UV_RUN_NOWAIT);
}

/* ---- life ---- */

static int set_up(struct engine *e, struct engine_loop *l)
{
    int err = uv_loop_init(&e->loop);
    if (err)
        return err;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event inner = {.events = EPOLLIN, .data.u64 = INNER};
    if (l->epoll >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, uv_backend_fd(&e->loop), &inner) == 0)
        return 0;
    err = -errno;
    (void)uv_loop_close(&e->loop);
    if (l->epoll >= 0)
        (void)close(l->epoll);
    return err;
}

int engine_loop_init(struct engine *e)
{
    (void)mallopt(M_TRIM_THRESHOLD, (int)HEAP_KEPT);
    (void)mallopt(M_TOP_PAD, (int)HEAP_STEP);
    struct engine_loop *l = calloc(1, sizeof *l);
    e->wire = calloc(1, sizeof *e->wire);
    int err = l && e->wire ? set_up(e, l) : -ENOMEM;
    if (err) {
        free(l);
        free(e->wire);
        return err;
    }
    e->timers = l;
    return 0;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void engine_loop_close(struct engine *e)
{
    struct engine_loop *l = e->timers;
    conn_close_all(e);
    while (l->n_calls)
        run_deferred(l); /* closed conns are freed by theirs */
    uv_walk(&e->loop, close_handle, NULL);
    (void)uv_run(&e->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&e->loop);
    (void)close(l->epoll);
    free(l->places);
    free(l->calls);
    free(l);
    free(e->wire);
    e->timers = NULL;
    e->wire = NULL;
}
