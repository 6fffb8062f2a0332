/** \file
 * Other firewalls of the host (docker, ufw, firewalld, plain iptables) may drop what they do not know at the
 * forward hook. Our table cannot overrule them, so the sidecar's packets get a rule at the head of each such
 * chain.
 */
#ifndef EGRESS_HOSTCTL_NETNS_FORWARD_H
#define EGRESS_HOSTCTL_NETNS_FORWARD_H

#include <jansson.h>
#include <stdbool.h>

#include "hostctl/record.h"

/** The chains: an array of {family, table, chain}, "legacy" being the family of iptables-legacy. Never NULL
 * but without memory. `ipv6`: those that concern only IPv6 too. */
json_t *forward_droppers(bool ipv6);
/** Lets `link` through in each that the record lists; `name` marks the rules. 0 or -errno after a message. */
int forward_accept(const struct record *r, const char *name, const char *link);
/** Removes these rules; there may be none. */
void forward_unaccept(const json_t *chains, const char *name, const char *link);

#endif
