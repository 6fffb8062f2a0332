/** \file
 * rtnetlink for the netns backend (Linux): what `ip link`, `ip address` and `ip route` would do, without
 * starting them.
 *
 * A socket speaks to the namespace it was opened in, wherever its process is later. Functions return 0 or
 * -errno and say nothing.
 */
#ifndef EGRESS_HOSTCTL_NETNS_LINK_H
#define EGRESS_HOSTCTL_NETNS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Addresses are IPv4 in host order; prefixes are lengths. */
struct subnet {
    uint32_t addr;
    unsigned len;
};

/** A socket in the present namespace, or in that of `netns` (an open /proc/PID/ns/net). The descriptor or
 * -errno. */
int link_open(void);
int link_open_in(int netns);

/** A pair: `name` here, `peer` in `peer_netns`; neither gets an IPv6 address by itself. */
int link_veth(int nl, const char *name, const char *peer, int peer_netns, unsigned mtu);
/** Its index or -errno. */
int link_index(int nl, const char *name);
int link_delete(int nl, const char *name);
int link_address(int nl, int index, struct subnet s);
int link_up(int nl, int index);
int link_no_ipv6_address(int nl, int index);
/** Forwarding of packets that come in here. */
int link_set_forwarding(int nl, int index, bool on);
int link_default_route(int nl, uint32_t gateway);

/** IPv6: 16 octets in network order, all zeros: none. */
struct ip6 {
    uint8_t b[16];
};
/** With `len` as its prefix, which is on the link but where `len` is 128. At once, without asking around. */
int link_address6(int nl, int index, const struct ip6 *ip, unsigned len);
int link_default_route6(int nl, int index, const struct ip6 *gateway);
#define IP6_STRLEN 46
char *ip6_format(const struct ip6 *ip, char out[static IP6_STRLEN]);

/** Every IPv4 route but defaults, of all tables: what a new network must not overlap. Frees with free(). */
int link_routes(int nl, struct subnet **out, size_t *n);
/** The interface that leads to `dst`, its index, or -ENETUNREACH. */
int link_route_to(int nl, uint32_t dst);

bool subnet_overlaps(struct subnet a, struct subnet b);
/** "10.0.0.1" into a static-size buffer; returns it. */
#define IP4_STRLEN 16
char *ip4_format(uint32_t ip, char out[static IP4_STRLEN]);

#endif
