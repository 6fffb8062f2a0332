/** \file
 * The one canonical form of a request target's path: what is judged is what is sent (RFC 3986 6.2.2).
 *
 * Percent-encoded unreserved octets are decoded, hex digits upper-cased, dot segments removed. Whatever different
 * servers read in different ways is TARGET_AMBIGUOUS: encoded slash, backslash (raw or encoded), encoded dot segments,
 * empty segments ("//"), ";" parameters in a dot segment, NUL, other control octets, overlong or invalid UTF-8 once
 * decoded, double encoding of any of these, "%" without two hex digits, fragments.
 */
#ifndef EGRESS_LIB_TARGET_H
#define EGRESS_LIB_TARGET_H

#include <stddef.h>

#define TARGET_MAX 16384 /* octets; longer is 'limit' */

enum target_result { TARGET_OK, TARGET_BAD, TARGET_AMBIGUOUS };

/** Slices of `out`. */
struct target {
    const char *path;
    size_t path_len;
    const char *query; /* NULL if there is no '?' */
    size_t query_len;
};

/** `in` is origin-form ("/p?q") or "*". `out` must hold at least 3 * len + 2 octets. Pure. */
enum target_result target_canon(const char *in, size_t len, char *out, size_t outlen, struct target *t);

#endif
