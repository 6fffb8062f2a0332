/** \file
 * Seed phrases of BIP-39. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_SEED_H
#define EGRESS_APPLIANCE_INSPECT_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_WORDS 2048u
#define SEED_WORD_MIN 3u
#define SEED_WORD_MAX 8u
#define SEED_MAX 24u /* words of a phrase */

/** All of them, each followed by a space, sorted. */
extern const char seed_words[];

/** A word of letters in any case, by its place in the list; -1: it is none. */
int seed_word(const uint8_t *word, size_t n);
/** Do the last 12, 15, 18, 21 or 24 of these words make a phrase? Their checksum must be right, and they must
 * not be sorted, as in the list itself. */
bool seed_phrase(const uint16_t *words, size_t n);
/** As in the list itself, or all the same. */
bool seeds_are_sorted(const uint16_t *words, size_t n);

#endif
