/** \file
 * Step 1a: the agent's interface, and no other.
 */
#ifndef EGRESS_INIT_LINK_H
#define EGRESS_INIT_LINK_H

#include <stdint.h>

#include "init/init.h"

struct link {
    uint32_t index;
    char name[16]; /* IFNAMSIZ */
    uint32_t addr; /* IPv4 in network order */
    uint8_t prefix;
    struct ipv6 addr6; /* none: IPv6 is closed */
};

/**
 * Finds the interface whose connected subnet holds `gateway`, waiting a few seconds for it to come, and sets
 * it up. Sets loopback up, and every other interface down: each is a door beside the sidecar. Fatal where it
 * cannot.
 */
void link_confine(int rtnl, uint32_t gateway, struct link *out);

/** Fills in what link_confine() and link_open_ipv6() left; fatal where it is no longer so. Changes nothing.
 */
void link_check(int rtnl, uint32_t gateway, const struct ipv6 *gateway6, struct link *out);

/** No IPv6 address but on loopback, no router advertisements, where the kernel lets us say so; the firewall
 * (firewall.h) holds where it does not. */
void link_close_ipv6(int rtnl, const struct link *link);

/** After that: the one address that we give, link->addr6: the gateway's /64 with our own IPv4 address at its
 * end, which needs no negotiation and no advertisement. And a link-local one, which the kernel needs to keep
 * its neighbour's address fresh. No prefix of either is on the link: the routes (route.h) are all there is.
 * Reads back; fatal. */
void link_open_ipv6(int rtnl, struct link *link, const struct ipv6 *gateway);

#endif
