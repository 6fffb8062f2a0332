/** \file
 * Step 1b: the routing tables hold the way to the sidecar and nothing else.
 */
#ifndef EGRESS_INIT_ROUTE_H
#define EGRESS_INIT_ROUTE_H

#include <stdint.h>

#include "init/link.h"

/**
 * Leaves `GATEWAY/32 dev IF scope link` and `default via GATEWAY dev IF` in the main table, nothing in any
 * other but the kernel's own entries of the local table; in IPv6 the same two for `gateway6`, or no route but
 * loopback's where there is none. Reads all of it back; fatal where anything else is left.
 */
void route_confine(int rtnl, const struct link *link, uint32_t gateway, const struct ipv6 *gateway6);

/** Fatal where the tables are not what route_confine() made of them. Changes nothing. */
void route_check(int rtnl, const struct link *link, uint32_t gateway, const struct ipv6 *gateway6);

/** Tries to replace the default route. Returns 0 (it could: the privilege is still there) or -errno. */
int route_try_replace(void);

#endif
