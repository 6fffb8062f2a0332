/* Percent, backslash and HTML escapes undone. */
#include "tests/fuzz/inspect_layers.h"

static void *new_one(struct scan_env *env)
{
    return unescape_new(env, 0, 0);
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    size_t before = MIN((size_t)at, (size_t)UNESCAPE_BEFORE);
    return unescape_feed(d, at, &(const struct held_text){p - before, before}, p, n, fin);
}

static void end(void *d)
{
    unescape_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    decode_both(&d, p, n);
    return 0;
}
