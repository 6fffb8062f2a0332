/** \file
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef EGRESS_LIB_UTF8_H
#define EGRESS_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Octets of the well-formed sequence at `s` (1 to 4), or 0 where there is none. Pure. */
size_t utf8_sequence(const char *s, size_t len);

#endif
