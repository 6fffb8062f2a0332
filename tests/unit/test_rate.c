#include <criterion/criterion.h>

#include "lib/rate.h"

static unsigned taken(struct rate *r, uint64_t now, unsigned tries)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++)
        n += rate_take(r, now, 500, 100);
    return n;
}

Test(rate, burst_then_so_many_a_second)
{
    struct rate r = {0};

    cr_assert_eq(taken(&r, 1000, 2000), 500);
    cr_assert_eq(taken(&r, 1000, 10), 0);
    cr_assert_eq(taken(&r, 1009, 10), 0); /* a token takes ten milliseconds */
    cr_assert_eq(taken(&r, 1010, 10), 1);
    cr_assert_eq(taken(&r, 2010, 2000), 100);
    cr_assert_eq(taken(&r, 1010, 10), 0); /* a clock that goes back gives nothing */
}

Test(rate, no_more_than_the_burst_is_saved)
{
    struct rate r = {0};

    cr_assert_eq(taken(&r, 5, 1), 1); /* also right after the start */
    cr_assert_eq(taken(&r, UINT64_C(40000000000), 2000), 500);
}

Test(rate, a_minute_of_a_flood)
{
    struct rate r = {0};
    unsigned n = 0;

    for (uint64_t ms = 0; ms < 60000; ms++)
        n += taken(&r, ms, 3);
    cr_assert_eq(n, 500 + 59999 * 100 / 1000);
}
