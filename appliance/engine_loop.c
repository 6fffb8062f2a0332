/* The part of an engine that everything else stands on: the loop, coarse timers, and calls put off to its
 * next turn. */
#include "appliance/engine.h"

#include <malloc.h>
#include <string.h>

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

struct deferred {
    void (*fn)(void *arg);
    void *arg;
};

struct engine_loop {
    uv_timer_t tick;
    uv_prepare_t prepare;
    uv_idle_t idle;
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

static void on_tick(uv_timer_t *handle)
{
    struct engine *e = handle->data;
    struct engine_loop *l = e->timers;
    uint64_t now = engine_now_ms(e), tick = now / TICK_MS;
    uint64_t first = tick - l->ticked > SLOTS ? tick - SLOTS : l->ticked;
    for (uint64_t i = first + 1; i <= tick; i++)
        run_slot(l, i % SLOTS, now);
    l->ticked = tick;
    bool idle = !any_timer(l);
    if (idle || tick % TRIM_TICKS == 0)
        trim_heap(e);
    if (idle)
        (void)uv_timer_stop(&l->tick);
}

void engine_timer_set(
    struct engine *e, struct engine_timer *t, uint32_t ms, void (*fn)(struct engine_timer *t))
{
    struct engine_loop *l = e->timers;
    engine_timer_clear(t);
    if (!uv_is_active((uv_handle_t *)&l->tick)) {
        l->ticked = engine_now_ms(e) / TICK_MS;
        (void)uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
    }
    t->fn = fn;
    t->due = engine_now_ms(e) + ms;
    push_timer(&l->slots[(t->due / TICK_MS + 1) % SLOTS], t);
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

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* its being active is what keeps the loop from waiting */
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

static void on_prepare(uv_prepare_t *handle)
{
    struct engine *e = handle->data;
    struct engine_loop *l = e->timers;
    run_deferred(l);
    if (l->n_calls)
        (void)uv_idle_start(&l->idle, on_idle);
    else
        (void)uv_idle_stop(&l->idle);
    if (e->on_turn)
        e->on_turn(e);
}

/* ---- life ---- */

int engine_loop_init(struct engine *e)
{
    (void)mallopt(M_TRIM_THRESHOLD, (int)HEAP_KEPT);
    (void)mallopt(M_TOP_PAD, (int)HEAP_STEP);
    struct engine_loop *l = calloc(1, sizeof *l);
    e->wire = calloc(1, sizeof *e->wire);
    if (!l || !e->wire) {
        free(l);
        free(e->wire);
        return -ENOMEM;
    }
    int err = uv_loop_init(&e->loop);
    if (err) {
        free(l);
        free(e->wire);
        return err;
    }
    e->timers = l;
    (void)uv_timer_init(&e->loop, &l->tick);
    (void)uv_prepare_init(&e->loop, &l->prepare);
    (void)uv_idle_init(&e->loop, &l->idle);
    l->tick.data = l->prepare.data = l->idle.data = e;
    (void)uv_prepare_start(&l->prepare, on_prepare);
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
    free(l->calls);
    free(l);
    free(e->wire);
    e->timers = NULL;
    e->wire = NULL;
}
