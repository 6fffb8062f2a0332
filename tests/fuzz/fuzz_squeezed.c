/* What is left of a text does not depend on the way in which it is squeezed, nor on how it is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/inspect/squeezed.h"
#include "lib/base.h"

#define ROOM(n) (2 * (n) + 256)

static size_t squeeze(size_t way, const uint8_t *p, size_t n, size_t step, uint8_t *out)
{
    struct squeezed s = {.way = way};
    size_t len = 0;
    for (size_t at = 0; at < n; at += step) {
        size_t k = MIN(step, n - at);
        /* of a size of its own, so that reading or writing past it shows */
        uint8_t *piece = malloc(k), *left = malloc(ROOM(k));
        if (!piece || !left)
            abort();
        memcpy(piece, p + at, k);
        size_t some = squeezed_feed(&s, at, piece, k, at + k == n, left);
        if (some > ROOM(k))
            abort();
        memcpy(out + len, left, some);
        len += some;
        free(piece);
        free(left);
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    size_t step = p[0] ? p[0] : 1;
    p++;
    n--;
    uint8_t *plain = malloc(ROOM(n)), *other = malloc(ROOM(n));
    if (!plain || !other)
        abort();
    size_t len = squeeze(0, p, n, n, plain);
    for (size_t way = 0; way < squeezed_ways(); way++)
        for (unsigned cut = 0; cut < 2; cut++)
            if (squeeze(way, p, n, cut ? step : n, other) != len || memcmp(plain, other, len) != 0)
                abort();
    free(plain);
    free(other);
    return 0;
}
