/* Where no seed phrase can be. Text is parted again and again by what stands in none, such as words of one or
 * two letters, and that shows in its bits; between two of these that are far apart one word is asked about.
 */
#include <string.h>

#include "appliance/inspect/seed.h"
#include "appliance/inspect/skip.h"
#include "lib/base.h"

#define BLOCK 64u
#define LOOK_BACK 10u /* octets of a block that its breaks may need before them */

/* Of BLOCK octets, bits; the first is bit 0. */
struct octets {
    uint64_t letters, backslashes;
};
typedef struct octets see_fn(const uint8_t *p);

/* The end of the last word that is not in the list, as its hash says, of those that begin among the first
 * SEED_PHRASE_MIN octets of BLOCK; 0: there is none. The letter of an escape is not told from the word behind
 * it, so both together are let pass. */
static size_t strange_word(const uint8_t *p)
{
    uint64_t letters = skip_letters(p);
    for (uint64_t begins = letters & ~letters << 1 & ((1ull << SEED_PHRASE_MIN) - 1); begins;) {
        unsigned k = 63 - (unsigned)__builtin_clzll(begins), n = (unsigned)__builtin_ctzll(~(letters >> k));
        if (p[k - 1] != '\\' && (n < SEED_WORD_MIN || n > SEED_WORD_MAX || !seed_may_be(p + k, n)))
            return k + n;
        begins ^= 1ull << k;
    }
    return 0;
}

/* The last octet of each thing that is in no phrase: a word of one or two letters, ten letters in a row, nine
 * others. The letter of an escape and the word behind it are let pass. */
static inline __attribute__((always_inline)) uint64_t breaks(struct octets o)
{
    uint64_t letters = o.letters, others = ~letters;
    uint64_t first = letters & others << 1 & ~(o.backslashes << 1);
    uint64_t brief = (first << 1 | (first << 2 & letters << 1)) & others;
    uint64_t word = letters & letters << 1, gap = others & others << 1;
    word &= word << 2;
    gap &= gap << 2;
    word &= word << 4;
    gap &= gap << 4;
    return brief | (word & word << 2) | (gap & others << 8);
}

/* How far blocks go that have no room for a phrase, from `at` on; `*done`: behind the last break. */
static inline __attribute__((always_inline)) size_t without_room(
    const uint8_t *p, size_t n, size_t at, size_t *done, see_fn *see)
{
    /* with one of these there is none within the block */
    static const uint64_t middle = (1ull << SEED_PHRASE_MIN) - (1ull << (BLOCK - SEED_PHRASE_MIN));
    size_t behind = *done;
    for (; at + BLOCK <= n; at += BLOCK - LOOK_BACK) {
        uint64_t m = breaks(see(p + at));
        if (!(m & middle) || at + (unsigned)__builtin_ctzll(m) >= behind + SEED_PHRASE_MIN)
            break;
        behind = at + BLOCK - (unsigned)__builtin_clzll(m);
    }
    *done = behind;
    return at;
}

/* The same where there is room, up to the end of a block with the breaks `m`. False: there may be a phrase.
 */
static __attribute__((noinline)) bool without_words(
    const uint8_t *p, size_t n, size_t at, uint64_t m, size_t *done)
{
    for (;;) {
        size_t next = m ? at + (unsigned)__builtin_ctzll(m) : at + BLOCK;
        if (next >= *done + SEED_PHRASE_MIN) {
            size_t strange = *done + BLOCK <= n ? strange_word(p + *done) : 0;
            if (!strange)
                return false;
            *done += strange;
        } else if (m) {
            *done = MAX(*done, next + 1);
            m &= m - 1;
        } else {
            return true;
        }
    }
}

static inline __attribute__((always_inline)) size_t skip(const uint8_t *p, size_t n, see_fn *see)
{
    size_t done = 0;
    for (size_t at = 0; (at = without_room(p, n, at, &done, see)) + BLOCK <= n; at += BLOCK - LOOK_BACK)
        if (!without_words(p, n, at, breaks(see(p + at)), &done))
            break;
    return done;
}

#ifdef __SSE2__
#include <immintrin.h>

static inline struct octets see_plainly(const uint8_t *p)
{
    struct octets o = {.letters = skip_letters(p)};
    for (unsigned k = 0; k < BLOCK; k += SKIP_STEP)
        o.backslashes |= (uint64_t)skip_mask(skip_is(skip_load(p + k), '\\')) << k;
    return o;
}

#define WIDE __attribute__((target("avx512f,avx512bw,bmi,lzcnt")))

WIDE static inline struct octets see_widely(const uint8_t *p)
{
    __m512i v = _mm512_loadu_si512(p), lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    return (struct octets){
        _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8('a')), _mm512_set1_epi8(26)),
        _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'))};
}

WIDE static size_t skip_widely(const uint8_t *p, size_t n)
{
    return skip(p, n, see_widely);
}

size_t seed_skip_ways(void)
{
    return __builtin_cpu_supports("avx512bw") ? 2 : 1;
}

#else

static inline struct octets see_plainly(const uint8_t *p)
{
    struct octets o = {.letters = skip_letters(p)};
    for (unsigned k = 0; k < BLOCK; k++)
        o.backslashes |= (uint64_t)(p[k] == '\\') << k;
    return o;
}

static size_t skip_widely(const uint8_t *p, size_t n)
{
    return skip(p, n, see_plainly);
}

size_t seed_skip_ways(void)
{
    return 1;
}

#endif

size_t seed_skip_by(size_t way, const uint8_t *p, size_t n)
{
    return way ? skip_widely(p, n) : skip(p, n, see_plainly);
}

size_t seed_skip(const uint8_t *p, size_t n)
{
    return seed_skip_by(seed_skip_ways() - 1, p, n);
}
