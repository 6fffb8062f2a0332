/** \file
 * What makes some servers take another method or path than a request's own. Pure.
 */
#ifndef EGRESS_LIB_POLICY_OVERRIDE_H
#define EGRESS_LIB_POLICY_OVERRIDE_H

#include <stdbool.h>

#include "lib/policy.h"

/** Is every method that a field or a parameter of the query names one of these? */
bool override_allowed(const struct request *req, const char *const *methods, size_t n);

/** Is there a field that replaces the path? No client sends one. */
bool override_path(const struct request *req);

/** Would a trailer, to a server that merges trailers into the head, be a field that was judged there, or that
 * would have been? */
bool override_trailer(const struct route *route, const struct field *f);

/** The first field that may be the other end of a COPY or MOVE (RFC 4918 10.3) from `*at` on, as origin-form:
 * a slice of its value. NULL: none. */
const char *override_destination(const struct request *req, size_t *at, size_t *len);

#endif
