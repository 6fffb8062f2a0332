/** \file
 * Between the netfilter_*.c files only.
 */
#ifndef EGRESS_APPLIANCE_NETFILTER_INTERNAL_H
#define EGRESS_APPLIANCE_NETFILTER_INTERNAL_H

#include <libmnl/libmnl.h>

#include "appliance/netfilter.h"

/** Several nf_tables messages as one transaction. */
struct nft_batch {
    struct mnl_socket *nl;
    char buf[16384];
    size_t used;
    uint32_t seq;
    struct nlmsghdr *open; /* the message that is being built */
};
/** 0 or -errno. */
int nft_batch_open(struct nft_batch *b);
void nft_batch_close(struct nft_batch *b);
/** Begins a transaction anew. */
void nft_batch_begin(struct nft_batch *b);
/** A message NFT_MSG_* with its attributes to be added by mnl_attr_put_*(). */
struct nlmsghdr *nft_batch_msg(struct nft_batch *b, unsigned type, unsigned flags, uint8_t family);
/** 0, or the first error: then nothing of it has happened. */
int nft_batch_commit(struct nft_batch *b);
/** Lets the kernel check it and take it back. The errors of the `n` messages after sequence number `first`
 * (of the message's header) go to `results`; any other's is returned. */
int nft_batch_try(struct nft_batch *b, uint32_t first, int *results, size_t n);
/** 0; -EPERM without CAP_NET_ADMIN; -EOPNOTSUPP without nf_tables. */
int nft_check(struct nft_batch *b);
/** Whether there is such a table, or such a chain in it. Deleting in vain costs a grace period (some 20 ms).
 */
bool nft_exists(struct nft_batch *b, uint8_t family, const char *table, const char *chain);

/** The rules that the nft language cannot say: xtables targets inside nf_tables chains. Adds what `c` needs
 * and takes away what it does not; nothing at all where nft says everything. */
int netfilter_xt_apply(const struct netfilter_config *c);
/** The same as comments for `egressd ruleset`. */
void netfilter_xt_write(FILE *out, const struct netfilter_config *c);

/** netfilter_write() without the lines that take an earlier table away. */
int netfilter_write_fresh(FILE *out, const struct netfilter_config *c);

/** Policy routing for TPROXY; forwarding on both interfaces where `forward`. */
int netfilter_route_apply(const struct netfilter_config *c, bool forward);

/** Calls `try` again for half a second while what it wants is in use. */
int netfilter_retry_busy(int (*try)(const void *arg), const void *arg);

/** Whether any route is forwarded by the kernel. */
bool netfilter_forwards(const struct policy *p);

#endif
