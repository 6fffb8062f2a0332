/** \file
 * Text 64 octets at a time: what is a letter or a number, and where a closer look is due. Private to
 * inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_BLOCK_H
#define EGRESS_APPLIANCE_INSPECT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/inspect/skip.h"

#define BLOCK 64u

/** Bit 0 is the first octet. */
struct block {
    uint64_t letters; /* and digits */
    uint64_t joins; /* a word may go on behind it: the apostrophe, '&', '\\', all that is not ASCII */
    uint64_t stops; /* joins, and '#', '<', '['; in a tag also '"', '>' */
};

/* The lowest bit of each octet of eight. */
static inline uint64_t block_bits(uint64_t v)
{
    return (v & 0x0101010101010101) * 0x0102040810204080 >> 56;
}

/* An octet at a time. */
static inline struct block block_look_plainly(const uint8_t *p, bool in_tag)
{
    /* 1: a letter or digit, 2: joins, 4: stops, 8: so in a tag */
    static const uint8_t kinds[256] = {['0' ... '9'] = 1,
        ['A' ... 'Z'] = 1,
        ['a' ... 'z'] = 1,
        ['&'] = 6,
        ['\''] = 6,
        ['\\'] = 6,
        [0x80 ... 0xff] = 6,
        ['#'] = 4,
        ['<'] = 4,
        ['['] = 4,
        ['"'] = 8,
        ['>'] = 8};
    struct block b = {0};
    for (unsigned k = 0; k < BLOCK; k += 8) {
        uint64_t v = 0;
        for (unsigned i = 0; i < 8; i++)
            v |= (uint64_t)kinds[p[k + i]] << 8 * i;
        b.letters |= block_bits(v) << k;
        b.joins |= block_bits(v >> 1) << k;
        b.stops |= block_bits(in_tag ? v >> 2 | v >> 3 : v >> 2) << k;
    }
    return b;
}

#ifdef __SSE2__

static inline struct block block_look(const uint8_t *p, bool in_tag)
{
    struct block b = {0};
    for (unsigned k = 0; k < BLOCK; k += SKIP_STEP) {
        __m128i v = skip_load(p + k), lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i letters = _mm_or_si128(skip_within(lower, 'a', 26), skip_within(v, '0', 10));
        /* '&' and '\'' differ in the last bit alone; the comparison leaves what is not ASCII as it was */
        __m128i joins = _mm_or_si128(skip_is(_mm_or_si128(v, _mm_set1_epi8(1)), '\''), skip_is(v, '\\'));
        __m128i stops = _mm_or_si128(skip_is(v, '#'), _mm_or_si128(skip_is(v, '<'), skip_is(v, '[')));
        if (in_tag)
            stops = _mm_or_si128(stops, _mm_or_si128(skip_is(v, '"'), skip_is(v, '>')));
        joins = _mm_or_si128(joins, v);
        b.letters |= (uint64_t)skip_mask(letters) << k;
        b.joins |= (uint64_t)skip_mask(joins) << k;
        b.stops |= (uint64_t)skip_mask(_mm_or_si128(stops, joins)) << k;
    }
    return b;
}

#else

static inline struct block block_look(const uint8_t *p, bool in_tag)
{
    return block_look_plainly(p, in_tag);
}

#endif
#endif
