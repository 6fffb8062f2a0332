/* Where no seed phrase can be: text is parted again and again by what stands in none. */
#include "appliance/inspect/seed.h"
#include "appliance/inspect/skip.h"
#include "lib/base.h"

#define BLOCK 64u
#define BLOCKS 8u /* looked at in one go */

/* Of 64 octets, bits; the first is bit 0. */
struct octets {
    uint64_t letters, backslashes;
};

#ifdef __SSE2__
#include <immintrin.h>

static void see_plainly(const uint8_t *p, size_t blocks, struct octets *out)
{
    for (size_t i = 0; i < blocks; i++, p += BLOCK) {
        out[i].letters = skip_letters(p);
        out[i].backslashes = 0;
        for (unsigned k = 0; k < BLOCK; k += SKIP_STEP)
            out[i].backslashes |= (uint64_t)skip_mask(skip_is(skip_load(p + k), '\\')) << k;
    }
}

__attribute__((target("avx512f,avx512bw"))) static void see_widely(
    const uint8_t *p, size_t blocks, struct octets *out)
{
    for (size_t i = 0; i < blocks; i++, p += BLOCK) {
        __m512i v = _mm512_loadu_si512(p), lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
        out[i].letters =
            _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8('a')), _mm512_set1_epi8(26));
        out[i].backslashes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
    }
}

size_t seed_skip_ways(void)
{
    return __builtin_cpu_supports("avx512bw") ? 2 : 1;
}

static void see(size_t way, const uint8_t *p, size_t blocks, struct octets *out)
{
    if (way)
        see_widely(p, blocks, out);
    else
        see_plainly(p, blocks, out);
}

#else

size_t seed_skip_ways(void)
{
    return 1;
}

static void see(size_t way, const uint8_t *p, size_t blocks, struct octets *out)
{
    (void)way;
    for (size_t i = 0; i < blocks; i++, p += BLOCK) {
        out[i].letters = skip_letters(p);
        out[i].backslashes = 0;
        for (unsigned k = 0; k < BLOCK; k++)
            out[i].backslashes |= (uint64_t)(p[k] == '\\') << k;
    }
}

#endif

/* What one block must know of the one before. */
struct carry {
    uint64_t letters, others, backslashes, first;
};

/* The last octet of each thing that is in no phrase: a word of one or two letters, ten letters in a row, nine
 * others. The letter of an escape is not told from the word behind it, so both together are let pass. */
static uint64_t breaks(const struct octets *o, struct carry *c)
{
    uint64_t letters = o->letters, others = ~letters;
    uint64_t first = letters & (others << 1 | c->others >> 63);
    first &= ~(o->backslashes << 1 | c->backslashes >> 63);
    uint64_t second = letters << 1 | c->letters >> 63;
    uint64_t brief = (first << 1 | c->first >> 63) | ((first << 2 | c->first >> 62) & second);
    uint64_t word = letters & letters << 1, gap = others & others << 1;
    word &= word << 2;
    word &= word << 4;
    word &= word << 2;
    gap &= gap << 2;
    gap &= gap << 4;
    gap &= others << 8;
    *c = (struct carry){letters, others, o->backslashes, first};
    return (brief & others) | word | gap;
}

/* SEED_PHRASE_MIN zeros in a row? */
static bool has_room(uint64_t breaks)
{
    static_assert(SEED_PHRASE_MIN == 47, "32 + 15");
    uint64_t m = ~breaks;
    m &= m >> 1;
    m &= m >> 2;
    m &= m >> 4;
    m &= m >> 8;
    m &= m >> 16;
    return m & m >> 15;
}

size_t seed_skip_by(size_t way, const uint8_t *p, size_t n)
{
    struct octets o[BLOCKS];
    struct carry c = {0};
    size_t done = 0; /* up to the last break */
    for (size_t i = 0, k; (k = MIN((n - i) / BLOCK, (size_t)BLOCKS)) != 0; i += k * BLOCK) {
        see(way, p + i, k, o);
        for (size_t b = 0; b < k; b++) {
            uint64_t m = breaks(&o[b], &c);
            size_t at = i + b * BLOCK;
            if (!m || at + (unsigned)__builtin_ctzll(m) - done >= SEED_PHRASE_MIN || has_room(m)) {
                /* the break that begins the gap may be in here */
                while (m && at + (unsigned)__builtin_ctzll(m) - done < SEED_PHRASE_MIN) {
                    done = at + (unsigned)__builtin_ctzll(m) + 1;
                    m &= m - 1;
                }
                return done;
            }
            done = at + BLOCK - (unsigned)__builtin_clzll(m);
        }
    }
    return done;
}

size_t seed_skip(const uint8_t *p, size_t n)
{
    return seed_skip_by(seed_skip_ways() - 1, p, n);
}
