/** \file
 * Octets looked at many at a time, to pass quickly over those that say nothing. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SKIP_H
#define EGRESS_APPLIANCE_INSPECT_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where the first of three octets is, at the latest; what is before is none of them. For where it is near,
 * there is skip_to() below. */
size_t skip_far_to(const uint8_t *p, size_t n, char a, char b, char c);
/** No digit is before p[the result]. */
size_t skip_without_numbers(const uint8_t *p, size_t n);
/** No dot that has another seven behind it is. */
size_t skip_to_dots(const uint8_t *p, size_t n);
/** No run of 16 octets that may be in base64 or hex, or line breaks, begins there. */
size_t skip_to_run(const uint8_t *p, size_t n);

/** No escape (RFC 8259 7, RFC 3986 2.1, character references) does, but for line breaks that have no 16
 * digits of base64 before them, and quotes and tabs where these are to be passed over. p[0] is behind an
 * escape or in none. */
size_t skip_escapes(const uint8_t *p, size_t n, bool quotes, bool tabs);
/** No end of a JSON string is (RFC 8259 7); nor is that within an escape. p[0] is in the string, in no
 * escape. */
size_t skip_string(const uint8_t *p, size_t n);

/** The ways there are of doing these on this processor, the last the quickest, and one of them, for
 * tests. */
struct skip_way {
    size_t (*to)(const uint8_t *p, size_t n, char a, char b, char c);
    size_t (*without_numbers)(const uint8_t *p, size_t n);
    size_t (*to_dots)(const uint8_t *p, size_t n);
    size_t (*to_run)(const uint8_t *p, size_t n);
    size_t (*escapes)(const uint8_t *p, size_t n, bool quotes, bool tabs);
    size_t (*string)(const uint8_t *p, size_t n);
};
size_t skip_ways(void);
const struct skip_way *skip_way(size_t way);

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

/* Of 16 octets, those that are one of three. */
static inline unsigned skip_which(const uint8_t *p, char a, char b, char c)
{
    __m128i v = skip_load(p);
    return skip_mask(_mm_or_si128(skip_is(v, a), _mm_or_si128(skip_is(v, b), skip_is(v, c))));
}

static inline size_t skip_to(const uint8_t *p, size_t n, char a, char b, char c)
{
    size_t i = 0;
    for (; i < 64; i += SKIP_STEP) {
        if (i + SKIP_STEP > n)
            return i;
        unsigned m = skip_which(p + i, a, b, c);
        if (m)
            return i + (unsigned)__builtin_ctz(m);
    }
    return i + skip_far_to(p + i, n - i, a, b, c);
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

static inline size_t skip_to_text(const uint8_t *p, size_t n)
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
