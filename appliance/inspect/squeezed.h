/** \file
 * A text with nothing left of it but letters and digits, in small letters. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SQUEEZED_H
#define EGRESS_APPLIANCE_INSPECT_SQUEEZED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQUEEZED_CARRY 16u /* octets of an escape */

/** Zeroed but for `way`: new. */
struct squeezed {
    size_t way; /* less than squeezed_ways() */
    uint64_t last; /* offset behind the last letter or digit */
    bool parted; /* the gap since then has been marked */
    uint8_t carry[SQUEEZED_CARRY]; /* an escape that is not whole */
    size_t n_carry;
    size_t n; /* octets of the output */
    uint8_t *out;
};

/** The ways to do it that this processor has: 0 is the plain one, the last the fastest. They differ in
 * nothing else. */
size_t squeezed_ways(void);
/** What is left of the octets at offset `at`, with a space for each long gap; its length. `out` has room for
 * n + SQUEEZED_CARRY octets, n / 256 + 1 gaps, and 64 more. */
size_t squeezed_feed(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n, bool fin, uint8_t *out);
/** Where the last `k` letters and digits of p[0..n) begin. */
size_t squeezed_back(const uint8_t *p, size_t n, uint64_t k);
/** The letters and digits of p[0..n) alone; their number. Room for n + 1. */
size_t squeeze_text(const uint8_t *p, size_t n, uint8_t *out);

#endif
