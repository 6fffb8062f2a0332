/* The matcher, and what verifies each token's format. */
#include "tests/fuzz/inspect_layers.h"

struct matcher {
    struct scan_env *env;
    struct scan scan;
};

static void *new_one(struct scan_env *env)
{
    struct matcher *m = calloc(1, sizeof *m);
    check(m != NULL);
    m->env = env;
    return m;
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    struct matcher *m = d;
    (void)at;
    return scan_feed(&m->scan, m->env, p, n, fin);
}

static void end(void *d)
{
    struct matcher *m = d;
    scan_free(&m->scan);
    free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    decode_both(&d, p, n);
    return 0;
}
