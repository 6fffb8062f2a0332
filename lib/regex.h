/** \file
 * Regular expressions of the policy: PCRE2 over octets, anchored at both ends, bounded in time and memory.
 *
 * All compiling (and with it JIT, which maps executable memory) happens at load; matching afterwards
 * allocates nothing that a sandbox forbids. Subjects are octets, not UTF-8: a canonical path is ASCII anyway,
 * and a header value may be anything; a pattern cannot turn UTF on. Not thread-safe: matches of one set share
 * their working memory.
 */
#ifndef EGRESS_LIB_REGEX_H
#define EGRESS_LIB_REGEX_H

#include <stddef.h>

#define REGEX_PATTERN_MAX 4096 /* octets */

struct regex;
struct regex_set; /* patterns that live and die together */

enum regex_result { REGEX_NO, REGEX_YES, REGEX_LIMIT /* ran away: no verdict */ };

/** NULL: no memory. */
struct regex_set *regex_set_new(void);
/** And every pattern compiled into it. */
void regex_set_free(struct regex_set *set);

/** NULL, a message in `err`, and where in the pattern in `*offset`. The result belongs to `set`. */
const struct regex *regex_compile(
    struct regex_set *set, const char *pattern, size_t len, char *err, size_t errlen, size_t *offset);

/** Whether the whole of `subject` matches. */
enum regex_result regex_match(const struct regex *re, const char *subject, size_t len);

#endif
