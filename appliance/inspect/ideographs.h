/** \file
 * Orders to a model in Chinese, Japanese and Korean, which are not parted into words: characters in, a
 * finding out. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_IDEOGRAPHS_H
#define EGRESS_APPLIANCE_INSPECT_IDEOGRAPHS_H

#include <stdbool.h>
#include <stdint.h>

#define IDEOGRAPHS_MAX 32u

struct ideographs {
    uint16_t c[IDEOGRAPHS_MAX]; /* the latest of a sentence */
    uint32_t n;
};

/** One more character of a text: does an order end with it? */
bool ideographs_next(struct ideographs *i, uint32_t c);

#endif
