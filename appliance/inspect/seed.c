#include "appliance/inspect/seed.h"

#include <string.h>

#include <openssl/sha.h>

#include "lib/base.h"

#define SLOTS 8192u

/* Words by a hash of their first four letters, which are each word's own. */
static uint16_t slots[SLOTS]; /* offset in seed_words, from 1; 0: empty */
static uint16_t place[SLOTS];

static unsigned slot_of(const uint8_t *word)
{
    uint32_t v;
    memcpy(&v, word, sizeof v);
    return (v * 0x9e3779b1u) >> 19;
}

/* A word and the space behind it are at least four octets. */
__attribute__((constructor)) static void fill_slots(void)
{
    unsigned at = 0;
    for (uint16_t i = 0; i < SEED_WORDS; i++) {
        unsigned slot = slot_of((const uint8_t *)seed_words + at);
        while (slots[slot])
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint16_t)(at + 1);
        place[slot] = i;
        at += (unsigned)strcspn(seed_words + at, " ") + 1;
    }
}

int seed_word(const uint8_t *word, size_t n)
{
    uint8_t text[SEED_WORD_MAX + 1];
    if (n < SEED_WORD_MIN || n > SEED_WORD_MAX)
        return -1;
    memcpy(text, word, n);
    text[n] = ' ';
    for (unsigned slot = slot_of(text); slots[slot]; slot = (slot + 1) % SLOTS) {
        const char *at = seed_words + slots[slot] - 1;
        uint32_t a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, text, sizeof b);
        if (a == b && memcmp(at, text, n + 1) == 0)
            return place[slot];
    }
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

bool seeds_are_sorted(const uint16_t *words, size_t n)
{
    size_t up = 0;
    for (size_t i = 1; i < n; i++)
        up += words[i] > words[i - 1];
    return up + 1 == n || up == 0;
}

bool seed_phrase(const uint16_t *words, size_t n)
{
    for (size_t k = 12; k <= MIN(n, (size_t)SEED_MAX); k += 3)
        if (checksum_ok(words + n - k, k))
            return true;
    return false;
}
