/** \file
 * The host's environment divided in two: secrets, which only the sidecar gets, and what CMD may see.
 * Portable.
 *
 * What must not reach an agent: values that the policy names as secrets, under whatever variable they stand;
 * proxy variables, since the agent needs none; and the addresses of host services that would be a way round
 * the sidecar.
 */
#ifndef EGRESS_HOSTCTL_HOSTENV_H
#define EGRESS_HOSTCTL_HOSTENV_H

#include <stdbool.h>
#include <stddef.h>

#include "hostctl/sandbox.h"

#define HOSTENV_SECRETS_MAX 256

/** Names of the secrets that a policy needs, each once; they point into the policy. */
struct secret_names {
    const char *name[HOSTENV_SECRETS_MAX];
    size_t n;
};
/** -E2BIG where there are too many. */
int secret_names_of(const struct policy *p, struct secret_names *out);

/** "NAME=value" lines for egressd from our environment, whose copies are overwritten. A missing one is an
 * error (said) unless `known` has a line for it already. */
int hostenv_take(const struct secret_names *names, const struct blob *known, struct blob *out);

/** Is the variable (without its value) for an agent? */
bool hostenv_passes(const char *name, size_t len);

/** A new environment for CMD, made of what passes and the given overrides ("NAME=value", NULL-terminated);
 * variables that contain a value of `secrets` are left out. Caller frees with hostenv_free(). NULL: no
 * memory. */
char **hostenv_for_agent(const struct blob *secrets, const char *const *overrides);
void hostenv_free(char **env);

#endif
