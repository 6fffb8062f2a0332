/** \file
 * Small questions about header fields that codecs and exchange share. Pure.
 */
#ifndef EGRESS_LIB_FIELDS_H
#define EGRESS_LIB_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/policy.h"

/** An octet of a token (RFC 9110 5.6.2). */
bool http_is_tchar(uint8_t c);
/** The same for a whole name; false for the empty one. */
bool http_is_token(const char *s, size_t n);
/** A method, registered or not: longer than any registered one is none, nor is one with lower-case letters,
 * which a lenient server would take for another ("head", "connect") than we do. */
#define HTTP_METHOD_MAX 32
bool http_is_method(const char *s);
/** The answer to it is the request itself, with what was injected (RFC 9110 9.3.8). */
bool http_echoes(const char *method);
/** ASCII only, whatever the locale. */
bool http_ieq(const char *a, size_t n, const char *lower);

static inline bool field_is(const struct field *f, const char *lower, size_t n)
{
    return f->name_len == n && memcmp(f->name, lower, n) == 0;
}
#define FIELD_IS(f, literal) field_is((f), "" literal, sizeof(literal) - 1)

/** Makes the name lower case where it stands. */
void field_lower(struct field *f);
/** Leaves out the blanks around the value. */
void field_trim(struct field *f);

/** The value of a Content-Length: digits alone, of a length that cannot overflow. -1: it is none. */
int64_t http_length(const char *v, size_t n);

/** Next member of a comma-separated list (RFC 9110 5.6.1), trimmed, empty ones skipped. `*at` starts at 0. */
bool http_list_next(const char *v, size_t n, size_t *at, const char **item, size_t *len);

/** Whether a field may not travel as a trailer: framing, routing, authentication, request modifiers, response
 * control and payload processing (RFC 9110 6.5.1). `name` is lower case. */
bool http_trailer_forbidden(const char *name, size_t n);

/** First field of that lower-case name, or NULL. */
const struct field *http_field(const struct field *f, size_t n, const char *lower);

#endif
