/** \file
 * So many at once, and so many a second: a bucket of tokens. The time is passed in.
 */
#ifndef EGRESS_LIB_RATE_H
#define EGRESS_LIB_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

/** Zeroed: nothing was taken yet. */
struct rate {
    uint64_t gone, at; /* thousandths of a token that were taken and are not back yet; as of when, in ms */
};

/** Takes one, if there is one. `now` is in milliseconds and may stand still. */
static inline bool rate_take(struct rate *r, uint64_t now, unsigned burst, unsigned per_second)
{
    if (now > r->at) {
        r->gone -= MIN(r->gone, (now - r->at) * per_second);
        r->at = now;
    }
    if (r->gone + 1000 > burst * UINT64_C(1000))
        return false;
    r->gone += 1000;
    return true;
}

#endif
