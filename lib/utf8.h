/** \file
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef EGRESS_LIB_UTF8_H
#define EGRESS_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Octets of the well-formed sequence at `s` (1 to 4), or 0 where there is none. Pure. */
size_t utf8_sequence(const char *s, size_t len);

/** Whether the well-formed sequence `s` of `n` octets is one that a terminal obeys instead of showing it: C1
 * control octets (U+0080 to U+009F), line and paragraph separators, and what turns the direction of text.
 * Pure. */
bool utf8_is_command(const char *s, size_t n);

#endif
