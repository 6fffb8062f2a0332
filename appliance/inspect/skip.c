#include "appliance/inspect/skip.h"

#define STEP 64u
#define RUN 16u

/* Of 64 octets, where RUN in a row begin. */
static inline uint64_t rows(uint64_t m)
{
    m &= m >> 1;
    m &= m >> 2;
    m &= m >> 4;
    return m & m >> 8;
}

/* ---- an octet at a time ---- */

static size_t none_to(const uint8_t *p, size_t n, char a, char b, char c)
{
    (void)p, (void)n, (void)a, (void)b, (void)c;
    return 0;
}

static size_t none(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

static size_t no_escapes(const uint8_t *p, size_t n, bool quotes, bool tabs)
{
    (void)p, (void)n, (void)quotes, (void)tabs;
    return 0;
}

#ifdef __SSE2__
#include <immintrin.h>

/* ---- sixteen ---- */

static size_t to(const uint8_t *p, size_t n, char a, char b, char c)
{
    for (size_t i = 0; i + SKIP_STEP <= n; i += SKIP_STEP) {
        unsigned m = skip_which(p + i, a, b, c);
        if (m)
            return i + (unsigned)__builtin_ctz(m);
    }
    return n - n % SKIP_STEP;
}

static size_t without_numbers(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
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
static inline __m128i dots(const uint8_t *p)
{
    return _mm_and_si128(skip_is(skip_load(p), '.'), skip_is(skip_load(p + 7), '.'));
}

static size_t to_dots(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP + 7 <= n; i += STEP) {
        const uint8_t *at = p + i;
        __m128i a = _mm_or_si128(dots(at), dots(at + 16)), b = _mm_or_si128(dots(at + 32), dots(at + 48));
        if (skip_mask(_mm_or_si128(a, b)))
            break;
    }
    return i;
}

/* Digits of base64, line breaks and some more, soon: text is parted by what is none. */
static inline uint64_t nearly_digits(const uint8_t *p)
{
    __m128i v = skip_load(p), lines = skip_is(_mm_or_si128(v, _mm_set1_epi8(7)), 0x0f);
    return skip_mask(_mm_or_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('*')), lines));
}

static size_t to_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP - RUN + 1) { /* so many begin where these 64 hold all of them */
        const uint8_t *at = p + i;
        if (!rows(nearly_digits(at) | nearly_digits(at + 16) << 16 | nearly_digits(at + 32) << 32 |
                  nearly_digits(at + 48) << 48))
            continue;
        uint64_t m = rows(skip_digits(at) | (uint64_t)skip_digits(at + 16) << 16 |
                          (uint64_t)skip_digits(at + 32) << 32 | (uint64_t)skip_digits(at + 48) << 48);
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

/* ---- 64 ---- */

#define WIDE __attribute__((target("avx512f,avx512bw,bmi")))

WIDE static inline __m512i load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

WIDE static inline uint64_t is(__m512i v, char c)
{
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c));
}

WIDE static inline uint64_t within(__m512i v, char from, char n)
{
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(from)), _mm512_set1_epi8(n));
}

WIDE static size_t to_widely(const uint8_t *p, size_t n, char a, char b, char c)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        __m512i v = load(p + i);
        uint64_t m = is(v, a) | is(v, b) | is(v, c);
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i + to(p + i, n - i, a, b, c);
}

WIDE static size_t without_numbers_widely(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP)
        if (within(load(p + i), '0', 10))
            break;
    return i;
}

WIDE static size_t to_dots_widely(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP + 7 <= n; i += STEP)
        if (is(load(p + i), '.') & is(load(p + i + 7), '.'))
            break;
    return i;
}

WIDE static inline uint64_t digits(__m512i v)
{
    return within(_mm512_or_si512(v, _mm512_set1_epi8(0x20)), 'a', 26) | within(v, '/', 11) | is(v, '+') |
           is(v, '-') | is(v, '_') | is(v, '\n') | is(v, '\r');
}

WIDE static size_t to_run_widely(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP - RUN + 1) {
        __m512i v = load(p + i);
        uint64_t lines = is(_mm512_or_si512(v, _mm512_set1_epi8(7)), 0x0f), m;
        if (rows(_mm512_cmpgt_epi8_mask(v, _mm512_set1_epi8('*')) | lines) && (m = rows(digits(v))) != 0)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

/* The octets with RUN digits of base64 before them, or as many as the block has. */
static inline uint64_t behind_run(uint64_t digits)
{
    uint64_t m = digits << 1 | 1;
    m &= m << 1 | 1;
    m &= m << 2 | 3;
    m &= m << 4 | 15;
    return m & (m << 8 | 255);
}

/* Those of `m` that one of `seconds` is behind, or may be. */
static inline uint64_t before(uint64_t m, uint64_t seconds)
{
    return m & (seconds >> 1 | 1ull << (STEP - 1));
}

WIDE static inline uint64_t rare_escapes(__m512i v, bool quotes, bool tabs)
{
    uint64_t slashes = is(v, '\\'), percents = is(v, '%'), references = is(v, '&'), m = 0;
    __m512i lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    if (slashes) {
        uint64_t common = is(v, 'n') >> 1 & ~behind_run(digits(v) & ~(is(v, '\n') | is(v, '\r')));
        common |= (quotes ? is(v, '"') >> 1 : 0) | (tabs ? is(v, 't') >> 1 : 0);
        m = slashes & ~(common & ~(slashes << 1));
    }
    if (percents)
        m |= before(percents, within(v, '0', 10) | within(lower, 'a', 6) | is(v, 'u'));
    if (references)
        m |= before(references, is(v, '#') | within(v, 'a', 19));
    return m;
}

WIDE static size_t escapes_widely(const uint8_t *p, size_t n, bool quotes, bool tabs)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        uint64_t m = rare_escapes(load(p + i), quotes, tabs);
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

WIDE static size_t string_widely(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        __m512i v = load(p + i);
        uint64_t slashes = is(v, '\\'), rows = slashes & (slashes << 1 | slashes >> 1 | 1ull << (STEP - 1));
        uint64_t m = rows | (is(v, '"') & ~(slashes << 1));
        if (m)
            return i + (unsigned)__builtin_ctzll(m);
    }
    return i;
}

static const struct skip_way ways[] = {{none_to, none, none, none, no_escapes, none},
    {to, without_numbers, to_dots, to_run, no_escapes, none},
    {to_widely, without_numbers_widely, to_dots_widely, to_run_widely, escapes_widely, string_widely}};

size_t skip_ways(void)
{
    return __builtin_cpu_supports("avx512bw") ? 3 : 2;
}

#else

static const struct skip_way ways[] = {{none_to, none, none, none, no_escapes, none}};

size_t skip_ways(void)
{
    return 1;
}

#endif

const struct skip_way *skip_way(size_t way)
{
    return &ways[way];
}

static const struct skip_way *best(void)
{
    static const struct skip_way *way;
    if (!way)
        way = skip_way(skip_ways() - 1);
    return way;
}

size_t skip_far_to(const uint8_t *p, size_t n, char a, char b, char c)
{
    return best()->to(p, n, a, b, c);
}

size_t skip_without_numbers(const uint8_t *p, size_t n)
{
    return best()->without_numbers(p, n);
}

size_t skip_to_dots(const uint8_t *p, size_t n)
{
    return best()->to_dots(p, n);
}

size_t skip_to_run(const uint8_t *p, size_t n)
{
    return best()->to_run(p, n);
}

size_t skip_escapes(const uint8_t *p, size_t n, bool quotes, bool tabs)
{
    return best()->escapes(p, n, quotes, tabs);
}

size_t skip_string(const uint8_t *p, size_t n)
{
    return best()->string(p, n);
}
