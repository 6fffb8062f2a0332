/** \file
 * The host's side of a netns sandbox's network: choice of addresses, the pair to the sidecar, forwarding, the
 * host's nftables; and undoing all of it from the record (Linux).
 *
 *     host  egh12345678 ---- eth0  sidecar  eth1 ---- eth0  agent
 *           100.127.x.y/30                  192.168.127.1/30
 */
#ifndef EGRESS_HOSTCTL_NETNS_NET_H
#define EGRESS_HOSTCTL_NETNS_NET_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "hostctl/netns_link.h"
#include "hostctl/record.h"

struct net_plan {
    char link[16]; /* on the host */
    char table[8 + SANDBOX_NAME_MAX + 1];
    uint32_t host_ip, sidecar_ip; /* a /30 */
    uint32_t gateway_ip, agent_ip; /* a /30: the agent network */
    uint32_t uplink_ip; /* the host's own there; 0: none */
    unsigned mtu;
    bool has_uplink; /* the host has a default route */
    bool ipv6; /* and IPv6 to give; then also: */
    struct ip6 host_ip6, sidecar_ip6, gateway_ip6;
};

/** Looks at the host, makes nothing: agent network, MTU, names. 0 or -errno after a message. */
int net_plan(int nl, const char *name, struct net_plan *out);

/** Makes the pair to the sidecar and its host side, under the registry lock; writes the record first. `*nft`
 * goes on by itself and is for net_open_host(). 0 or -errno after a message. */
int net_connect_host(int nl, int sidecar_netns, struct net_plan *plan, struct record *r, pid_t *nft);
/** Waits for the host's table to be there, and only then lets the host forward. 0 or -errno after a message.
 */
int net_open_host(int nl, const struct net_plan *plan, const struct record *r, pid_t nft);
/** Inside: addresses, the agent's pair. */
int net_connect_inside(int sidecar_netns, int agent_netns, const struct net_plan *plan);

/** The host has another uplink: lets answers for the sidecar come in there too. 0 or -errno after a message.
 */
int net_follow_uplink(struct record *r);

/** Removes what net_connect_host() made. Call with the registry lock held. 0 or -errno after a message. */
int net_remove(struct record *r);

/** For netns_net6.c. Does an array hold the string? */
bool net_lists(const json_t *names, const char *name);
/** Has another sandbox of this host namespace the interface in its record's list `key`? Dead ones count until
 * they are buried. */
bool net_others_rely(const struct record *r, const char *key, const char *interface);

#endif
