/* gzip, deflate, brotli, zstd and ZIP entries unpacked; the second octet says which, and whether it was
 * declared. */
#include "tests/fuzz/inspect_layers.h"

static unsigned coding, declared;

static void *new_one(struct scan_env *env)
{
    return unpack_new(env, 0, (enum coding)coding, declared, LAYER_TEXT);
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    return unpack_feed(d, at, p, n, fin);
}

static void end(void *d)
{
    unpack_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    if (n < 3)
        return 0;
    coding = p[0] % 5;
    declared = p[0] >> 7 && coding != CODING_ZIP;
    decode_both(&d, p + 1, n - 1);
    return 0;
}
