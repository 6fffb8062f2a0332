/* What is left of a text: octet by octet, or many at a time where the processor can. */
#include "appliance/inspect/squeezed.h"

#include <string.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/skip.h"

#define GAP_MAX \
    256u /* so many octets without a letter or digit part what is around them: nothing waits longer */
#define ESCAPE_MAX SQUEEZED_CARRY

/* 0: left out; 1: may begin an escape */
#define LETTERS \
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', \
        'v', 'w', 'x', 'y', 'z'
static const uint8_t letter[256] = {['0'] = '0',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
    ['A'] = LETTERS,
    ['a'] = LETTERS,
    ['\\'] = 1,
    ['%'] = 1,
    ['&'] = 1};

size_t squeeze_text(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = letter[p[i]];
        out[len] = c;
        len += c > 1;
    }
    return len;
}

/* ---- escapes ---- */

struct undone {
    size_t used; /* 0: not whole */
    uint8_t value; /* 0: nothing that counts */
};

static struct undone drop(size_t n)
{
    return (struct undone){.used = n};
}

static struct undone code(const uint8_t *p, size_t n, size_t at, size_t width, unsigned bits)
{
    unsigned v = 0;
    for (size_t k = 0; k < width; k++) {
        if (at + k >= n)
            return drop(0);
        int d = hex_value(p[at + k]);
        if (d < 0 || d >> bits)
            return drop(1);
        v = v << bits | (unsigned)d;
    }
    return (struct undone){.used = at + width, .value = v < 0x80 && letter[v] > 1 ? letter[v] : 0};
}

/* "\n", "\u004b", "\x4b", "\113", and each with the backslash itself escaped */
static struct undone backslash(const uint8_t *p, size_t n)
{
    size_t at = 1;
    while (at < n && p[at] == '\\')
        at++;
    if (at == n)
        return drop(0);
    if (p[at] == 'u' || p[at] == 'x') {
        struct undone u = code(p, n, at + 1, p[at] == 'u' ? 4 : 2, 4);
        return u.used == 1 ? drop(at) : u;
    }
    if (p[at] >= '0' && p[at] <= '1') {
        struct undone u = code(p, n, at, 3, 3);
        return u.used == 1 ? drop(at) : u;
    }
    return drop(p[at] && strchr("nrtbf", p[at]) ? at + 1 : at);
}

/* "%4b", "%254b" */
static struct undone percent(const uint8_t *p, size_t n)
{
    size_t at = 1;
    while (at + 1 < n && p[at] == '2' && p[at + 1] == '5')
        at += 2;
    return code(p, n, at, 2, 4);
}

/* "&#75;", "&#x4b;", "&nbsp;" */
static struct undone entity(const uint8_t *p, size_t n)
{
    bool number = n > 1 && p[1] == '#', hex = number && n > 2 && (p[2] | 0x20) == 'x';
    unsigned v = 0;
    for (size_t at = number ? (hex ? 3 : 2) : 1; at < n; at++) {
        int d = hex_value(p[at]);
        if (p[at] == ';')
            return (struct undone){
                .used = at + 1, .value = number && v < 0x80 && letter[v] > 1 ? letter[v] : 0};
        if (number ? d < 0 || (!hex && d > 9) : letter[p[at]] <= 1)
            return drop(1);
        v = MIN(v * (hex ? 16 : 10) + (unsigned)MAX(d, 0), 0x10000u);
    }
    return drop(0);
}

static struct undone undo(const uint8_t *p, size_t n, bool fin)
{
    struct undone u = p[0] == '\\' ? backslash(p, n) : p[0] == '%' ? percent(p, n) : entity(p, n);
    if (!u.used && (fin || n >= ESCAPE_MAX))
        u = drop(1);
    return u;
}

/* ---- the text ---- */

/* What comes next stands at `at`: was there a gap before it? */
static void part(struct squeezed *s, uint64_t at)
{
    if (at - s->last >= GAP_MAX && !s->parted) {
        s->out[s->n++] = ' ';
        s->parted = true;
    }
}

static void put(struct squeezed *s, uint64_t at, size_t used, uint8_t c)
{
    part(s, at);
    s->out[s->n++] = c;
    s->last = at + used;
    s->parted = false;
}

/* Octet by octet, up to and with the first escape, or `upto`. Returns the octets used; `*whole`: false where
 * an escape is not. */
static size_t slowly(
    struct squeezed *s, uint64_t at, const uint8_t *p, size_t upto, size_t n, bool fin, bool *whole)
{
    for (size_t i = 0; i < upto; i++) {
        uint8_t c = letter[p[i]];
        if (c > 1)
            put(s, at + i, 1, c);
        if (c != 1)
            continue;
        struct undone u = undo(p + i, MIN(n - i, (size_t)ESCAPE_MAX), fin);
        *whole = u.used != 0;
        if (u.value)
            put(s, at + i, u.used, u.value);
        return i + u.used;
    }
    return upto;
}

#ifdef __SSE2__
#include <immintrin.h>

static uint8_t order[256][8]; /* the set bits' numbers */

__attribute__((constructor)) static void fill_order(void)
{
    for (unsigned m = 0; m < 256; m++)
        for (unsigned b = 0, n = 0; b < 8; b++)
            if (m >> b & 1)
                order[m][n++] = (uint8_t)b;
}

__attribute__((target("ssse3,popcnt"))) static size_t fill(uint8_t *out, __m128i half, unsigned mask)
{
    __m128i o = _mm_loadl_epi64((const __m128i *)(const void *)order[mask]);
    _mm_storel_epi64((__m128i *)(void *)out, _mm_shuffle_epi8(half, o));
    return (size_t)__builtin_popcount(mask);
}

/* Sixteen at a time, up to an octet that may begin an escape or n. Room behind the output: 16, widely() 64.
 */
__attribute__((target("ssse3,popcnt"))) static size_t quickly(
    struct squeezed *s, uint64_t at, const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + SKIP_STEP <= n; i += SKIP_STEP) {
        __m128i v = skip_load(p + i), lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i escapes = _mm_or_si128(skip_is(v, '\\'), skip_within(v, '%', 2));
        unsigned kept = skip_mask(_mm_or_si128(skip_within(lower, 'a', 26), skip_within(v, '0', 10)));
        unsigned escaped = skip_mask(escapes), before = escaped ? (unsigned)__builtin_ctz(escaped) : 0;
        if (escaped)
            kept &= (1u << before) - 1;
        if (!kept && !escaped)
            continue;
        if (!kept)
            return i + before;
        part(s, at + i + (unsigned)__builtin_ctz(kept));
        s->n += fill(s->out + s->n, lower, kept & 0xff);
        s->n += fill(s->out + s->n, _mm_srli_si128(lower, 8), kept >> 8);
        s->last = at + i + 32 - (unsigned)__builtin_clz(kept);
        s->parted = false;
        if (escaped)
            return i + before;
    }
    return i;
}

#define WIDE __attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))

/* What makes a backslash before it more than one octet that is left out. */
WIDE static uint64_t hard(__m512i v)
{
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('u')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('x')) |
           _mm512_cmpeq_epi8_mask(_mm512_or_si512(v, _mm512_set1_epi8(1)), _mm512_set1_epi8('1'));
}

/* Letters that are left out behind a backslash: "nrtbf". */
WIDE static uint64_t named(__m512i v)
{
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('n')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('r')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('t')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('b')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('f'));
}

/* Of '%' and '&' those that need a closer look: not "%20", of which nothing is left, nor what begins no
 * escape, as in "a && b" or "x=1&y=2". `*kept`: letters and digits. */
WIDE static uint64_t undo_some(__m512i v, __m512i lower, uint64_t marks, uint64_t *kept)
{
    uint64_t digits = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('0')), _mm512_set1_epi8(10));
    uint64_t hex =
        digits | _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8('a')), _mm512_set1_epi8(6));
    uint64_t two = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('2'));
    uint64_t three_to_seven =
        _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('3')), _mm512_set1_epi8(5));
    uint64_t percents = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('%')), names = marks & ~percents;
    uint64_t five = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('5')); /* "%25": another may begin with it */
    uint64_t nothing = percents & (hex & ~two & ~three_to_seven) >> 1 & hex >> 2;
    nothing |= percents & two >> 1 & (hex & ~five) >> 2;
    uint64_t numbers = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('#')), sum;
    uint64_t semicolons = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(';'));
    bool open = __builtin_add_overflow(names << 1, *kept, &sum); /* up to what ends each name */
    bool named = open || sum & ~*kept & semicolons;
    uint64_t hard = percents & *kept >> 1 & ~nothing;
    hard |= names & ((named ? *kept : 0) | numbers) >> 1;
    *kept &= ~(nothing << 1 | nothing << 2);
    return hard | (marks & 1ull << 63);
}

/* The same, 64 at a time; the rest is quickly()'s. Of a backslash by itself no closer look is taken. */
WIDE static size_t widely(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        __m512i v = _mm512_loadu_si512(p + i), lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
        __m512i letters = _mm512_sub_epi8(lower, _mm512_set1_epi8('a'));
        __m512i digits = _mm512_sub_epi8(v, _mm512_set1_epi8('0'));
        __m512i marks = _mm512_sub_epi8(v, _mm512_set1_epi8('%'));
        uint64_t kept = _mm512_cmplt_epu8_mask(letters, _mm512_set1_epi8(26)) |
                        _mm512_cmplt_epu8_mask(digits, _mm512_set1_epi8(10));
        uint64_t escaped = _mm512_cmplt_epu8_mask(marks, _mm512_set1_epi8(2));
        if (escaped)
            escaped = undo_some(v, lower, escaped, &kept);
        uint64_t slashes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
        if (slashes) {
            escaped |= slashes & (slashes << 1 | slashes >> 1 | hard(v) >> 1 | 1ull << 63);
            kept &= ~((slashes & ~escaped) << 1 & named(v));
        }
        if (escaped)
            kept &= (escaped & -escaped) - 1;
        if (kept) {
            part(s, at + i + (unsigned)__builtin_ctzll(kept));
            _mm512_storeu_si512(s->out + s->n, _mm512_maskz_compress_epi8(kept, lower));
            s->n += (unsigned)__builtin_popcountll(kept);
            s->last = at + i + 64 - (unsigned)__builtin_clzll(kept);
            s->parted = false;
        }
        if (escaped)
            return i + (unsigned)__builtin_ctzll(escaped);
    }
    return i;
}

size_t squeezed_ways(void)
{
    if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("popcnt"))
        return 1;
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") ? 3 : 2;
}

#else

static size_t quickly(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n)
{
    (void)s, (void)at, (void)p, (void)n;
    return 0;
}

static size_t widely(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n)
{
    return quickly(s, at, p, n);
}

size_t squeezed_ways(void)
{
    return 1;
}

#endif

/* Returns the octets used; the rest is an escape that is not whole. */
static size_t squeeze_some(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n, bool fin)
{
    for (size_t i = 0; i < n;) {
        if (s->way >= 2 && n - i >= 64)
            i += widely(s, at + i, p + i, n - i);
        if (s->way >= 1)
            i += quickly(s, at + i, p + i, n - i);
        bool whole = true;
        i += slowly(s, at + i, p + i, MIN(n - i, (size_t)16), n - i, fin, &whole);
        if (!whole)
            return i;
    }
    return n;
}

size_t squeezed_feed(struct squeezed *s, uint64_t at, const uint8_t *p, size_t n, bool fin, uint8_t *out)
{
    size_t i = 0;
    s->out = out;
    s->n = 0;
    while (s->n_carry && i < n) { /* one more octet at a time: it is short */
        s->carry[s->n_carry++] = p[i++];
        size_t len = s->n_carry, used = squeeze_some(s, at + i - len, s->carry, len, fin && i == n);
        s->n_carry = len - used;
        memmove(s->carry, s->carry + used, s->n_carry);
        if (used && s->n_carry <= i) { /* another, all of these octets */
            i -= s->n_carry;
            s->n_carry = 0;
        }
    }
    if (i < n) {
        size_t used = squeeze_some(s, at + i, p + i, n - i, fin);
        s->n_carry = n - i - used;
        memcpy(s->carry, p + i + used, s->n_carry);
    } else if (s->n_carry && fin) {
        (void)squeeze_some(s, at + n - s->n_carry, s->carry, s->n_carry, true);
    }
    part(s, at + n - s->n_carry); /* which may be a letter */
    return s->n;
}

size_t squeezed_back(const uint8_t *p, size_t n, uint64_t k)
{
    while (k && n)
        k -= letter[p[--n]] > 1;
    return n;
}
