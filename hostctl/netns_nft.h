/** \file
 * The netns backend's one table in the host's nftables, `egressd-NAME`: masquerade for the sidecar, and what
 * keeps the host from becoming a router for anyone else while it forwards for us.
 */
#ifndef EGRESS_HOSTCTL_NETNS_NFT_H
#define EGRESS_HOSTCTL_NETNS_NFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hostctl/netns_link.h"

struct host_table {
    const char *name; /* egressd-NAME */
    const char *link; /* our end of the pair to the sidecar */
    uint32_t sidecar; /* its address, host order */
    const json_t *forwarding; /* interfaces that forward only because of us: array of names */
    const struct ip6 *sidecar6; /* NULL: no IPv6, and no table for it */
    const json_t *forwarding6;
};

/** The ruleset as nft reads it, NUL-terminated; -ENOSPC where it does not fit. Pure. */
int host_table_text(const struct host_table *t, char *out, size_t outlen);
/** Starts loading it: the pid of nft for spawn_status(), or -errno after a message. `lock_fd`: the
 * record's. */
pid_t host_table_load(const struct host_table *t, int lock_fd);
/** 0 also where there is none. Silent -errno otherwise. `ipv6`: there may be one of that family too. */
int host_table_delete(const char *name, bool ipv6);
/** Has the host's connection tracking forget the flows that came from these addresses (NULL: none), so that
 * late answers are not translated back to an address that nobody, or somebody else, has by then. 0 or -errno,
 * silent. */
int host_flows_forget(const char *sidecar, const char *sidecar6);

/** Has this namespace's connection tracking forget every flow. 0 or -errno, silent. */
int flows_flush(void);

/** Appends {family, table, chain} of every base chain at the forward hook whose policy is drop; those of IPv6
 * alone where `ipv6`. */
void nft_forward_droppers(json_t *out, bool ipv6);

#endif
