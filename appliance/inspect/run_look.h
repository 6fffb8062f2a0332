/** \file
 * A run of base64 or hex at a glance: is it worth decoding? Private to inspection. Pure.
 *
 * Text whose words are joined with '+', '/', '-' or '_' (forms, URLs, identifiers) is a run, too; it says
 * nothing in any of its decodings, and that shows without one.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_RUN_LOOK_H
#define EGRESS_APPLIANCE_INSPECT_RUN_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/skip.h"

#define RUN_LOOK_HEX 16u
#define RUN_LOOK_STEP 64u

struct run_look {
    bool mixed; /* capital letters and small ones */
    bool hex; /* RUN_LOOK_HEX hex digits in a row */
    bool text; /* base64 from some octet on may be eight characters of ASCII, or begin a compressed stream */
};

/* Of 64 octets, bits; the first is bit 0. */
struct run_bits {
    uint64_t upper, lower, hex, line;
    uint64_t under32, bit3, bit1; /* of the base64 value: it is under 32; these bits are 0 */
};

#ifdef __SSE2__

static inline __m128i run_add(__m128i v, __m128i which, int much)
{
    return _mm_add_epi8(v, _mm_and_si128(which, _mm_set1_epi8((char)much)));
}

static inline struct run_bits run_bits(const uint8_t *p)
{
    struct run_bits b = {0};
    for (unsigned k = 0; k < RUN_LOOK_STEP; k += SKIP_STEP) {
        __m128i c = skip_load(p + k), upper = skip_within(c, 'A', 26), lower = skip_within(c, 'a', 26);
        __m128i digit = skip_within(c, '0', 10), lines = skip_is(_mm_or_si128(c, _mm_set1_epi8(7)), 0x0f);
        __m128i hex = _mm_or_si128(digit, skip_within(_mm_or_si128(c, _mm_set1_epi8(0x20)), 'a', 6));
        __m128i v = run_add(run_add(run_add(c, upper, -65), lower, -71), digit, 4);
        v = run_add(run_add(v, skip_is(c, '+'), 19), skip_is(c, '-'), 17);
        v = run_add(run_add(v, skip_is(c, '/'), 16), skip_is(c, '_'), -32);
        b.upper |= (uint64_t)skip_mask(upper) << k;
        b.lower |= (uint64_t)skip_mask(lower) << k;
        b.hex |= (uint64_t)skip_mask(hex) << k;
        b.line |= (uint64_t)skip_mask(lines) << k;
        b.under32 |= (uint64_t)(skip_mask(_mm_slli_epi16(v, 2)) ^ 0xffff) << k;
        b.bit3 |= (uint64_t)(skip_mask(_mm_slli_epi16(v, 4)) ^ 0xffff) << k;
        b.bit1 |= (uint64_t)(skip_mask(_mm_slli_epi16(v, 6)) ^ 0xffff) << k;
    }
    return b;
}

/** Of 64 octets, those that may be the first digit of a character's hex code, or of 00. */
static inline uint64_t run_hex_firsts(const uint8_t *p)
{
    uint64_t m = 0;
    for (unsigned k = 0; k < RUN_LOOK_STEP; k += SKIP_STEP) {
        __m128i c = skip_load(p + k);
        m |= (uint64_t)skip_mask(_mm_or_si128(skip_within(c, '2', 6), skip_is(c, '0'))) << k;
    }
    return m;
}

#else

static inline uint64_t run_hex_firsts(const uint8_t *p)
{
    uint64_t m = 0;
    for (unsigned k = 0; k < RUN_LOOK_STEP; k++)
        m |= (uint64_t)(p[k] == '0' || (p[k] >= '2' && p[k] <= '7')) << k;
    return m;
}

static inline struct run_bits run_bits(const uint8_t *p)
{
    struct run_bits b = {0};
    for (unsigned k = 0; k < RUN_LOOK_STEP; k++) {
        uint64_t bit = 1ull << k;
        int digit = b64_value(p[k]);
        unsigned v = digit < 0 ? 63 : (unsigned)digit;
        b.upper |= p[k] >= 'A' && p[k] <= 'Z' ? bit : 0;
        b.lower |= p[k] >= 'a' && p[k] <= 'z' ? bit : 0;
        b.hex |= hex_value(p[k]) >= 0 ? bit : 0;
        b.line |= p[k] == '\n' || p[k] == '\r' ? bit : 0;
        b.under32 |= v & 32 ? 0 : bit;
        b.bit3 |= v & 8 ? 0 : bit;
        b.bit1 |= v & 2 ? 0 : bit;
    }
    return b;
}

#endif

/** Hex digits and line breaks, n of them: from some octet on, may they be eight characters of ASCII, or begin
 * a compressed stream? */
bool run_hex_says(const uint8_t *p, size_t n);
/** Looks at a run: nothing but base64 digits and line breaks. */
struct run_look run_look(const uint8_t *p, size_t n);

#endif
