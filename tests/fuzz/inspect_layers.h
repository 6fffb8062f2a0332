/* One decoder of inspection by itself: octets are fed whole and cut, and what it says does not depend on
 * that. */
#ifndef TESTS_FUZZ_INSPECT_LAYERS_H
#define TESTS_FUZZ_INSPECT_LAYERS_H

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/layer.h"
#include "lib/base.h"
#include "tests/fuzz/inspect_setup.h"

static struct scan_env new_env(size_t n)
{
    set_up();
    return (struct scan_env){.i = inspector,
        .lits = &inspector->all,
        .detectors = DETECT_KNOWN_SECRETS | DETECT_TOKEN_PATTERNS,
        .stop = true,
        .input = n};
}

/* A decoder, by the functions that layers use it with. */
struct decoder {
    void *(*open)(struct scan_env *env);
    uint64_t (*feed)(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin);
    void (*close)(void *d);
};

/* What is settled never lies ahead of what has come, and at the end all is. Returns what came of it. */
static int decode(const struct decoder *d, const uint8_t *p, size_t n, size_t step)
{
    struct scan_env env = new_env(n);
    void *one = d->open(&env);
    check(one != NULL);
    for (size_t at = 0; at < n && !env.found && !env.too_much; at += step) {
        size_t k = MIN(MIN(step, n - at), (size_t)PIECE_MAX);
        uint64_t settled = d->feed(one, at, p + at, k, at + k == n);
        check(settled <= at + k);
        check(at + k < n || env.found || env.too_much || settled == n);
    }
    d->close(one);
    return env.too_much ? -1 : env.found;
}

/* The first octet says how it is cut: whether something is found does not depend on that. */
static void decode_both(const struct decoder *d, const uint8_t *p, size_t n)
{
    if (n < 2 || n > PIECE_MAX)
        return;
    int whole = decode(d, p + 1, n - 1, n), cut = decode(d, p + 1, n - 1, p[0] ? p[0] : 1);
    check(whole < 0 || cut < 0 || whole == cut);
}

#endif
