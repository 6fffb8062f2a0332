/* Seed phrases, card numbers and what else has no beginning of its own. */
#include "tests/fuzz/inspect_layers.h"

static void *new_one(struct scan_env *env)
{
    return loose_new(env);
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    return loose_feed(d, at, p, n, fin);
}

static void end(void *d)
{
    loose_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    decode_both(&d, p, n);
    return 0;
}
