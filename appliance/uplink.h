/** \file
 * Which interface is which: where the default route leaves, and where the agent is.
 */
#ifndef EGRESS_APPLIANCE_UPLINK_H
#define EGRESS_APPLIANCE_UPLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/addr.h"

struct uplink {
    char agent_if[IF_NAMESIZE], uplink_if[IF_NAMESIZE];
    struct addr self4, self6; /* the sidecar's addresses on the agent's network */
    bool ipv6; /* the uplink has IPv6 and so has the agent's network: self6 is set, else it is all zeros */
};

/** Fills in what the caller did not give (NULL): the uplink is where the IPv4 default route leaves, the agent
 * is on the one other interface with an IPv4 address. 0, or -errno and a sentence in `err` that says what to
 * do.
 *
 * IPv6 is there where a default route of it leaves by the uplink, and both interfaces have an address beyond
 * link-local. Anything less would be a half-open IPv6: then there is none. */
int uplink_find(const char *agent_if, const char *uplink_if, struct uplink *out, char *err, size_t errlen);

#endif
