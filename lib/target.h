/** \file
 * The one canonical form of a request target's path: what is judged is what is sent (RFC 3986 6.2.2).
 *
 * Percent-encoded unreserved octets are decoded, hex digits upper-cased, dot segments removed, and octets
 * that have no place in a URI (non-ASCII, `"<>\^{|}[]` and the backtick) percent-encoded.
 *
 * What servers read in different ways comes in two kinds. Some of it no honest client sends: that is
 * TARGET_AMBIGUOUS, whatever the policy says. The rest has honest uses where a path is just a name
 * (`/@scope%2Fname`, object keys with
 * "//"): the target is TARGET_OK, its `ambiguous` bits say what was seen, and policy_judge() refuses it where
 * a rule depends on the path.
 */
#ifndef EGRESS_LIB_TARGET_H
#define EGRESS_LIB_TARGET_H

#include <stddef.h>

#define TARGET_MAX 16384 /* octets; longer is TARGET_BAD here and 'limit' to whoever reads the request */

enum target_result {
    TARGET_OK,
    /** Neither origin-form nor "*"; a raw space or control octet. */
    TARGET_BAD,
    /** '#'; in the path: '%' without two hex digits (%u002e too), an encoded control octet, overlong UTF-8,
     * "." or ".." spelled with %2e or followed by ';', and ".." above the root. */
    TARGET_AMBIGUOUS,
};

/** Bits of struct target's `ambiguous`; all of the path as it was received. */
#define AMBIGUOUS_SLASH 0x01u /* %2F */
#define AMBIGUOUS_BACKSLASH 0x02u /* raw or %5C */
#define AMBIGUOUS_EMPTY 0x04u /* "//" */
#define AMBIGUOUS_DOUBLE 0x08u /* %25 before what would decode to a separator, dot, '%' or control octet */
#define AMBIGUOUS_UTF8 0x10u /* octets that are not UTF-8 (overlong forms are TARGET_AMBIGUOUS) */
#define AMBIGUOUS_LOOKALIKE 0x20u /* full-width and such forms of "/\.%;", which some servers fold */
#define AMBIGUOUS_DELIMITER 0x40u /* %3F or %23 */
#define AMBIGUOUS_DOTS 0x80u /* a segment of only dots and spaces, which some file systems trim */

/** Slices of `out`. */
struct target {
    const char *path;
    size_t path_len;
    const char *query; /* NULL if there is no '?'; as received, but for octets that have no place in a URI */
    size_t query_len;
    unsigned ambiguous; /* AMBIGUOUS_ bits */
};

/** `in` is origin-form ("/p?q") or "*". `out` must hold at least 3 * len + 2 octets; what is sent on is
 * `path`, '?', `query`, contiguous in `out` and NUL-terminated. `*t` is set for TARGET_OK only. Pure. */
enum target_result target_canon(const char *in, size_t len, char *out, size_t outlen, struct target *t);

#endif
