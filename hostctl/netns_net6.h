/** \file
 * IPv6 of a netns sandbox (Linux): the same as netns_net.h does for IPv4, where the host has IPv6 to give.
 *
 *     host  fd65:HHHH:HHHH:b::1/64 ---- eth0 ::2  sidecar  eth1 fd65:HHHH:HHHH:a::1/64 ---- eth0  agent
 *
 * HHHHHHHH is the hash that also names the host's link. The addresses are unique local ones and stay between
 * us: the host masquerades the sidecar, the sidecar lets nothing of the agent's through as it is. The agent's
 * own address is the shim's to set (egress-init --gateway6).
 *
 * A host has IPv6 to give where a packet to the world would leave it from an address beyond link-local, and
 * where it can forward without ceasing to listen to its own routers: it forwards already, or its kernel can
 * do so for one interface.
 */
#ifndef EGRESS_HOSTCTL_NETNS_NET6_H
#define EGRESS_HOSTCTL_NETNS_NET6_H

#include <stdbool.h>

#include "hostctl/netns_net.h"

/** Fills in the plan's IPv6 part; `hash` makes the addresses. Makes nothing, never fails: no IPv6 is an
 * answer. */
void net6_plan(struct net_plan *p, uint32_t hash);

/** Our end of the pair. 0 or -errno, as all below. */
int net6_connect_host(int nl, int index, const struct net_plan *p);
/** Sidecar's ends; call while the links are up. */
int net6_connect_inside(int sidecar_nl, const struct net_plan *p);

/** Names of interfaces that have to forward for us and do not yet. A new array. */
json_t *net6_forwarding_needed(const struct record *r);
/** `on`: the link and what net6_forwarding_needed() found. Off: what no other sandbox relies on. */
int net6_set_forwarding(const struct record *r, const char *link, bool on);

#endif
