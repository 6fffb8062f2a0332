/** \file
 * Step 2: packet rules of the agent's own, because routes do not confine: a socket bound to an interface
 * (SO_BINDTODEVICE) that asks for no routing (SO_DONTROUTE) reaches every on-link neighbour past the routing
 * table, as an unprivileged user.
 *
 *     table inet egress_init {
 *       chain output  { policy drop; oifname lo accept; oifname IF rt ip nexthop GATEWAY accept }
 *       chain input   { policy drop; iifname lo accept; iifname IF ip, but no ICMP redirects, accept }
 *       chain forward { policy drop }
 *     }
 *
 * IPv6 meets no accept rule but loopback's: that closes router advertisements and link-local neighbours too.
 */
#ifndef EGRESS_INIT_FIREWALL_H
#define EGRESS_INIT_FIREWALL_H

#include <stdbool.h>
#include <stdint.h>

#include "init/link.h"

/** Loads the table in place of an earlier one of ours, and reads it back. Where the kernel has no nf_tables
 * it says so and returns false; any other failure is fatal. */
bool firewall_load(const struct link *link, uint32_t gateway, const struct ipv6 *gateway6);

/** Reads back what firewall_load() loaded; fatal where it is not as it was. False where there are no
 * nf_tables. */
bool firewall_check(const struct link *link, uint32_t gateway, const struct ipv6 *gateway6);

#endif
