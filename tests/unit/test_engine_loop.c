/* Timers and deferred calls of an engine. */
#include "tests/unit/engine_world.h"

static int fired;

static void on_timer(struct engine_timer *t)
{
    (void)t;
    fired++;
}

static void on_deferred(void *arg)
{
    ++*(int *)arg;
}

Test(engine, timers_fire_once_in_time)
{
    struct engine *e = engine_up();
    struct engine_timer t[4] = {0};
    fired = 0;
    engine_timer_set(e, &t[0], 0, on_timer);
    engine_timer_set(e, &t[1], 250, on_timer);
    engine_timer_set(e, &t[2], 60000, on_timer);
    engine_timer_set(e, &t[3], 100, on_timer);
    engine_timer_clear(&t[3]);
    uint64_t start = engine_now_ms(e);
    while (engine_now_ms(e) < start + 150)
        engine_turn(e, true);
    cr_assert_eq(fired, 1);
    while (engine_now_ms(e) < start + 500)
        engine_turn(e, true);
    cr_assert_eq(fired, 2);
    engine_timer_clear(&t[2]);
    engine_down(e);
}

Test(engine, deferred_calls_run_before_the_loop_waits)
{
    struct engine *e = engine_up();
    int n = 0;
    engine_defer(e, on_deferred, &n);
    engine_turn(e, false);
    cr_assert_eq(n, 1);
    engine_down(e);
}
