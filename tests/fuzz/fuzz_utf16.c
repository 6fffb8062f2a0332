/* Text in UTF-16 among other octets. */
#include "appliance/inspect/utf16.h"
#include "tests/fuzz/inspect_layers.h"

static void *new_one(struct scan_env *env)
{
    return utf16_new(env, 0, -1);
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    return utf16_feed(d, at, p, n, fin);
}

static void end(void *d)
{
    utf16_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    decode_both(&d, p, n);
    return 0;
}
