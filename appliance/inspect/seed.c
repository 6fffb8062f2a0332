#include "appliance/inspect/seed.h"

#include <endian.h>
#include <string.h>

#include <openssl/sha.h>

#include "lib/base.h"

#define SLOTS 4096u
#define HASHES 65536u

/* A word as a number: its letters, small, from the lowest octet on. */
static uint64_t keys[SEED_WORDS];
static uint16_t slots[SLOTS]; /* place in the list, from 1; 0: empty */
static uint64_t known[HASHES / 64]; /* bits of hashes: nearly all other words end here */

/* Of SEED_WORD_MIN to SEED_WORD_MAX letters. */
static uint64_t key_of(const uint8_t *word, size_t n)
{
    uint64_t key = word[0] | (uint64_t)word[1] << 8 | (uint64_t)word[2] << 16;
    if (n > 3) { /* the first four and the last four; what is in both is the same */
        uint32_t first, last;
        memcpy(&first, word, sizeof first);
        memcpy(&last, word + n - sizeof last, sizeof last);
        key = le32toh(first) | (uint64_t)le32toh(last) << 8 * (n - sizeof last);
    }
    return key | 0x2020202020202020u >> 8 * (SEED_WORD_MAX - n);
}

static uint64_t hash_of(uint64_t key)
{
    return (key ^ key >> 31) * 0x9e3779b97f4a7c15u;
}

static bool is_known(uint64_t h)
{
    return known[h >> 54] >> (h >> 48 & 63) & 1;
}

__attribute__((constructor)) static void fill_slots(void)
{
    const char *at = seed_words;
    for (uint16_t i = 0; i < SEED_WORDS; i++) {
        size_t n = strcspn(at, " ");
        keys[i] = key_of((const uint8_t *)at, n);
        uint64_t h = hash_of(keys[i]);
        unsigned slot = (unsigned)(h >> 52);
        while (slots[slot])
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint16_t)(i + 1);
        known[h >> 54] |= 1ull << (h >> 48 & 63);
        at += n + 1;
    }
}

bool seed_may_be(const uint8_t *word, size_t n)
{
    uint64_t key;
    memcpy(&key, word, sizeof key);
    unsigned above = 8 * (unsigned)(sizeof key - n);
    key = (le64toh(key) | 0x2020202020202020u) << above >> above;
    return is_known(hash_of(key));
}

int seed_word(const uint8_t *word, size_t n)
{
    if (n < SEED_WORD_MIN || n > SEED_WORD_MAX)
        return -1;
    uint64_t key = key_of(word, n), h = hash_of(key);
    if (!is_known(h))
        return -1;
    for (unsigned slot = (unsigned)(h >> 52); slots[slot]; slot = (slot + 1) % SLOTS)
        if (keys[slots[slot] - 1] == key)
            return slots[slot] - 1;
    return -1;
}

/* Eleven bits a word: entropy, and of its SHA-256 the first 1/32 as many. */
static bool checksum_ok(const uint16_t *words, size_t n)
{
    uint8_t bits[SEED_MAX * 11 / 8 + 1] = {0}, digest[SHA256_DIGEST_LENGTH];
    for (size_t i = 0; i < 11 * n; i++)
        if (words[i / 11] >> (10 - i % 11) & 1)
            bits[i / 8] |= (uint8_t)(0x80u >> i % 8);
    size_t entropy = n * 4 / 3, check = n / 3; /* octets, bits */
    (void)SHA256(bits, entropy, digest);
    return bits[entropy] >> (8 - check) == digest[0] >> (8 - check);
}

#define DRAWN 12u
#define DISTINCT_MIN 8u /* of those of the standard's own examples that are not one word eleven times */
#define DISTINCT_FREE 10u /* of 2048: one phrase in a million has fewer */

static unsigned distinct(const uint16_t *words)
{
    unsigned k = 0;
    for (size_t i = 0; i < DRAWN; i++) {
        size_t before = 0;
        while (words[before] != words[i])
            before++;
        k += before == i;
    }
    return k;
}

/* Which phrases are written with the same between all words; of `true, false, true` so is a table. */
bool seeds_look_drawn(const uint16_t *words, const uint8_t *apart)
{
    unsigned up = 0, same = 0, alike = 0, k = distinct(words);
    for (size_t i = 1; i < DRAWN; i++) {
        up += words[i] > words[i - 1];
        same += words[i] == words[0];
        alike += apart[i] == apart[1];
    }
    if (up + 1 == DRAWN || k == 1)
        return false;
    return k >= DISTINCT_FREE || (alike + 1 == DRAWN && (k >= DISTINCT_MIN || same + 2 == DRAWN));
}

bool seed_phrase(const uint16_t *words, size_t n)
{
    for (size_t k = 12; k <= MIN(n, (size_t)SEED_MAX); k += 3)
        if (checksum_ok(words + n - k, k))
            return true;
    return false;
}
