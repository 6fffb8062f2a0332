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
#define SEED_PHRASE_MIN 47u /* octets: twelve words of three letters */

/** All of them, each followed by a space, sorted. */
extern const char seed_words[];

/** A word of letters in any case, by its place in the list; -1: it is none. */
int seed_word(const uint8_t *word, size_t n);
/** Do the last 12, 15, 18, 21 or 24 of these words make a phrase? Their checksum must be right. */
bool seed_phrase(const uint16_t *words, size_t n);
/** False: letters, SEED_WORD_MIN to SEED_WORD_MAX of them, that are no word of the list. Reads eight octets.
 */
bool seed_may_be(const uint8_t *word, size_t n);
/** No phrase begins before p[the result], which may be within a word; p[0] is where a word begins or what is
 * in none. */
size_t seed_skip(const uint8_t *p, size_t n);
/** The ways there are of doing that on this processor, the last the quickest, and one of them, for tests. */
size_t seed_skip_ways(void);
size_t seed_skip_by(size_t way, const uint8_t *p, size_t n);
/** Could somebody have drawn these twelve? Not, if they are sorted as in the list itself, or few words time
 * and again, as code and tables have them. `apart[i]` stands for what is between words i - 1 and i. */
bool seeds_look_drawn(const uint16_t *words, const uint8_t *apart);

#endif
