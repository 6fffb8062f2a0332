/** \file
 * Text as a reader takes it: one case, one alphabet, words. Private to inspection. Pure.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_NORMAL_H
#define EGRESS_APPLIANCE_INSPECT_NORMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The letter a-z or digit that a character is or looks like; ' ' where a word ends; 0: nothing that is seen
 * (zero width, combining marks, apostrophes). Compatibility forms, accents, and the letters of Greek and
 * Cyrillic that are drawn like Latin ones are folded. */
char normal_char(uint32_t c);
/** A letter of another alphabet that looks like no Latin one: no word of English has it. */
bool normal_is_foreign(uint32_t c);

/** UTF-8 (RFC 3629), an octet at a time. */
struct utf8 {
    uint32_t value;
    uint8_t left;
};
/** True: `*out` is a character; octets that are no UTF-8 are characters of their own. */
static inline bool utf8_next(struct utf8 *u, uint8_t c, uint32_t *out)
{
    if (u->left && (c & 0xc0) == 0x80) {
        u->value = u->value << 6 | (c & 0x3fu);
        *out = u->value;
        return --u->left == 0;
    }
    u->left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    u->value = u->left == 3 ? c & 7u : u->left == 2 ? c & 15u : u->left == 1 ? c & 31u : c;
    *out = c;
    return u->left == 0;
}

#endif
