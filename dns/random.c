#include "dns/random.h"

#include <string.h>
#include <sys/random.h>

#include "lib/base.h"
#include "lib/log.h"

static void random_take(struct random_pool *p, void *out, size_t n)
{
    if (p->left < n) {
        if (getrandom(p->bytes, sizeof p->bytes, 0) != (ssize_t)sizeof p->bytes)
            die("no random numbers from the kernel"); /* predictable IDs would be worse than none */
        p->left = sizeof p->bytes;
    }
    p->left -= n;
    memcpy(out, p->bytes + p->left, n);
    memset(p->bytes + p->left, 0, n);
}

uint16_t random_u16(struct random_pool *p)
{
    uint16_t v;

    random_take(p, &v, sizeof v);
    return v;
}

uint64_t random_u64(struct random_pool *p)
{
    uint64_t v;

    random_take(p, &v, sizeof v);
    return v;
}
