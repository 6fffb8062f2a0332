/** \file
 * Browsers keep their roots in each user's profile, which need not be there yet. What they read on every
 * machine is their policy.
 */
#ifndef EGRESS_INIT_TRUST_BROWSER_H
#define EGRESS_INIT_TRUST_BROWSER_H

#include "init/file.h"
#include "init/place.h"

/** Leaves a policy that adds the certificates of `ca` (PEM; `ca_path` is its file) for Chromium, Chrome, Edge
 * and Firefox, where /etc is the agent's own and has no such file. */
void trust_browser(const struct place *p, const struct blob *ca, const char *ca_path);

#endif
