/** \file
 * Bundles: certificates in PEM, one after another.
 */
#ifndef EGRESS_INIT_TRUST_BUNDLE_H
#define EGRESS_INIT_TRUST_BUNDLE_H

#include <stdbool.h>

#include "init/file.h"
#include "init/place.h"

/** Whether all of `ca` stands in `bundle`. */
bool bundle_holds(const struct blob *bundle, const struct blob *ca);

/** What was there, a line's end, ours. Malloc'd. */
struct blob bundle_with(const struct blob *bundle, const struct blob *ca);

/** Appends `ca` to the bundle at `path`, if there is one and lacks it. True if it holds it now. */
bool bundle_append(struct place *p, const char *path, const struct blob *ca);

/** Reads a bundle that root need not have chosen: an earlier agent may have put a link to anything there. So
 * only the certificates of it are returned; false where it has none, and then `out` is empty. */
bool bundle_read_foreign(const char *path, struct blob *out);

#endif
