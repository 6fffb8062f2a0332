/* An engine with nothing but its loop. */
#ifndef TESTS_UNIT_ENGINE_WORLD_H
#define TESTS_UNIT_ENGINE_WORLD_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "appliance/engine.h"

static struct engine *engine_up(void)
{
    struct engine *e = calloc(1, sizeof *e);
    cr_assert_eq(engine_loop_init(e), 0);
    return e;
}

static void engine_down(struct engine *e)
{
    engine_loop_close(e);
    free(e);
}

#endif
