/** \file
 * Octets looked at sixteen at a time, to pass quickly over those that say nothing. Private to inspection.
 * Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SKIP_H
#define EGRESS_APPLIANCE_INSPECT_SKIP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

#define SKIP_STEP 16u

static inline __m128i skip_load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i skip_is(__m128i v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

/* from <= octet < from + n; n < 128 */
static inline __m128i skip_within(__m128i v, char from, char n)
{
    __m128i moved = _mm_add_epi8(_mm_sub_epi8(v, _mm_set1_epi8(from)), _mm_set1_epi8(-128));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(n - 128)));
}

static inline unsigned skip_mask(__m128i v)
{
    return (unsigned)_mm_movemask_epi8(v);
}

/** Of 16 octets, those that may be in base64 or hex, or a line break in one: bit 0 is the first. */
static inline unsigned skip_digits(const uint8_t *p)
{
    __m128i v = skip_load(p), lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i letters = skip_within(lower, 'a', 26), numbers = skip_within(v, '/', 11); /* '/' to '9' */
    __m128i marks = _mm_or_si128(skip_is(v, '+'), _mm_or_si128(skip_is(v, '-'), skip_is(v, '_')));
    __m128i lines = _mm_or_si128(skip_is(v, '\n'), skip_is(v, '\r'));
    return skip_mask(_mm_or_si128(_mm_or_si128(letters, numbers), _mm_or_si128(marks, lines)));
}

static inline uint64_t skip_letters16(const uint8_t *p)
{
    return skip_mask(skip_within(_mm_or_si128(skip_load(p), _mm_set1_epi8(0x20)), 'a', 26));
}

/** Of 64 octets, the letters: bit 0 is the first. */
static inline uint64_t skip_letters(const uint8_t *p)
{
    return skip_letters16(p) | skip_letters16(p + 16) << 16 | skip_letters16(p + 32) << 32 |
           skip_letters16(p + 48) << 48;
}

/** How many letters and digits there are from p on, of 16 octets. */
static inline unsigned skip_word(const uint8_t *p)
{
    __m128i v = skip_load(p), lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
    unsigned m = skip_mask(_mm_or_si128(skip_within(lower, 'a', 26), skip_within(v, '0', 10)));
    return (unsigned)__builtin_ctz(~m);
}

/** Where the first of three octets is, at the latest; what is before is none of them. */
static inline size_t skip_to(const uint8_t *p, size_t n, char a, char b, char c)
{
    for (size_t i = 0; i + SKIP_STEP <= n; i += SKIP_STEP) {
        __m128i v = skip_load(p + i);
        unsigned m = skip_mask(_mm_or_si128(skip_is(v, a), _mm_or_si128(skip_is(v, b), skip_is(v, c))));
        if (m)
            return i + (unsigned)__builtin_ctz(m);
    }
    return n - n % SKIP_STEP;
}

/** Octets without a digit, in steps of 64. */
static inline size_t skip_without_numbers(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const uint8_t *at = p + i;
        __m128i a =
            _mm_or_si128(skip_within(skip_load(at), '0', 10), skip_within(skip_load(at + 16), '0', 10));
        __m128i b =
            _mm_or_si128(skip_within(skip_load(at + 32), '0', 10), skip_within(skip_load(at + 48), '0', 10));
        if (skip_mask(_mm_or_si128(a, b)))
            break;
    }
    return i;
}

/* Of 16 octets, the dots that have another seven behind them. */
static inline __m128i skip_dots(const uint8_t *p)
{
    return _mm_and_si128(skip_is(skip_load(p), '.'), skip_is(skip_load(p + 7), '.'));
}

/** Octets among which no dot has another seven behind it. */
static inline size_t skip_to_dots(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 + 7 <= n; i += 64) {
        const uint8_t *at = p + i;
        __m128i a = _mm_or_si128(skip_dots(at), skip_dots(at + 16));
        __m128i b = _mm_or_si128(skip_dots(at + 32), skip_dots(at + 48));
        if (skip_mask(_mm_or_si128(a, b)))
            break;
    }
    return i;
}

/** No eight octets in a row that are characters of ASCII or NUL begin before p[the result]. */
static inline size_t skip_to_text(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64 - 7) {
        uint64_t m = 0;
        for (unsigned k = 0; k < 64; k += SKIP_STEP) {
            __m128i v = skip_load(p + i + k);
            m |= (uint64_t)skip_mask(_mm_or_si128(skip_within(v, ' ', 95), skip_is(v, 0))) << k;
        }
        m &= m >> 1;
        m &= m >> 2;
        m &= m >> 4;
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

/* The same and some more, soon: text is parted by what is none. */
static inline unsigned skip_nearly_digits(const uint8_t *p)
{
    __m128i v = skip_load(p), lines = skip_is(_mm_or_si128(v, _mm_set1_epi8(7)), 0x0f);
    return skip_mask(_mm_or_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('*')), lines));
}

/* Of 64 octets, where 16 in a row begin. */
static inline uint64_t skip_runs(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t m = a | b << 16 | c << 32 | d << 48;
    m &= m >> 1;
    m &= m >> 2;
    m &= m >> 4;
    return m & m >> 8;
}

/** No run of 16 of those octets begins before p[the result]. */
static inline size_t skip_to_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 49) { /* 49 of them begin where these 64 hold all of them */
        const uint8_t *at = p + i;
        if (!skip_runs(skip_nearly_digits(at), skip_nearly_digits(at + 16), skip_nearly_digits(at + 32),
                skip_nearly_digits(at + 48)))
            continue;
        uint64_t m =
            skip_runs(skip_digits(at), skip_digits(at + 16), skip_digits(at + 32), skip_digits(at + 48));
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

/** How far base64 without line breaks goes on at least, in steps of 16. */
static inline size_t skip_digits_only(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + SKIP_STEP <= n; i += SKIP_STEP) {
        __m128i v = skip_load(p + i), lines = _mm_or_si128(skip_is(v, '\n'), skip_is(v, '\r'));
        if (skip_digits(p + i) != 0xffff || skip_mask(lines))
            break;
    }
    return i;
}

#else

static inline uint64_t skip_letters(const uint8_t *p)
{
    uint64_t m = 0;
    for (unsigned k = 0; k < 64; k++)
        m |= (uint64_t)((uint8_t)((p[k] | 0x20) - 'a') < 26) << k;
    return m;
}

static inline unsigned skip_word(const uint8_t *p)
{
    (void)p;
    return 0;
}

static inline size_t skip_to(const uint8_t *p, size_t n, char a, char b, char c)
{
    (void)p, (void)n, (void)a, (void)b, (void)c;
    return 0;
}

static inline size_t skip_without_numbers(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

static inline size_t skip_to_dots(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

static inline size_t skip_to_text(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

static inline size_t skip_to_run(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

static inline size_t skip_digits_only(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

#endif
#endif
