/* Parts put together: multipart bodies, JSON, forms, markup; the first octet says which, or that the text
 * itself does. */
#include "tests/fuzz/inspect_layers.h"

static enum join_mode mode;

static void *new_one(struct scan_env *env)
{
    return join_new(env, 0, mode);
}

static uint64_t feed(void *d, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    return join_feed(d, at, p, n, fin);
}

static void end(void *d)
{
    join_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct decoder d = {new_one, feed, end};
    static const enum join_mode modes[] = {JOIN_MULTIPART, JOIN_JSON, JOIN_FORM, JOIN_MARKUP};
    struct join_judge g = {0};
    size_t used = 0;
    if (n < 3)
        return 0;
    mode = p[0] < 4 ? modes[p[0]] : join_judge(&g, p + 2, n - 2, &used);
    check(used < n - 2);
    if (mode != JOIN_NONE)
        decode_both(&d, p + 1, n - 1);
    return 0;
}
