/* nf_tables transactions over netlink: messages between NFNL_MSG_BATCH_BEGIN and _END. Without the END the
 * kernel checks every message and takes all back (nfnetlink_rcv_batch), which is how features are probed. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "appliance/netfilter_internal.h"
#include "lib/base.h"

/* Room for one more message with its attributes. */
#define MSG_ROOM 1024

int nft_batch_open(struct nft_batch *b)
{
    memset(b, 0, sizeof *b);
    b->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!b->nl)
        return -errno;
    if (mnl_socket_bind(b->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
        int err = -errno;
        nft_batch_close(b);
        return err;
    }
    return 0;
}

void nft_batch_close(struct nft_batch *b)
{
    if (b->nl)
        (void)mnl_socket_close(b->nl);
    b->nl = NULL;
}

/* The message being built is as long as its attributes made it by now. */
static void finish(struct nft_batch *b)
{
    if (b->open)
        b->used += NLMSG_ALIGN(b->open->nlmsg_len);
    b->open = NULL;
}

static struct nlmsghdr *put(
    struct nft_batch *b, unsigned type, unsigned flags, uint8_t family, uint16_t res_id)
{
    finish(b);
    assert(b->used + MSG_ROOM <= sizeof b->buf); /* a handful of small messages, none made of foreign data */
    struct nlmsghdr *h = mnl_nlmsg_put_header(b->buf + b->used);
    h->nlmsg_type = (uint16_t)type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_seq = ++b->seq;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = family;
    g->version = NFNETLINK_V0;
    g->res_id = htons(res_id);
    b->open = h;
    return h;
}

void nft_batch_begin(struct nft_batch *b)
{
    b->used = 0;
    b->open = NULL;
    (void)put(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

struct nlmsghdr *nft_batch_msg(struct nft_batch *b, unsigned type, unsigned flags, uint8_t family)
{
    return put(b, (NFNL_SUBSYS_NFTABLES << 8) | type, flags, family, 0);
}

/* Errors are sent at once; without an acknowledgement asked for, an empty socket means that all went well.
 * Returns the first error outside of messages `first` + 1 to `first` + n, whose errors go to `results`. */
static int read_errors(struct nft_batch *b, uint32_t first, int *results, size_t n_results)
{
    char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    int err = 0;
    for (;;) {
        ssize_t n = recv(mnl_socket_get_fd(b->nl), buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? err : -errno;
        int left = (int)n;
        for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left)) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            if (h->nlmsg_seq > first && h->nlmsg_seq - first <= n_results)
                results[h->nlmsg_seq - first - 1] = e->error;
            else if (!err)
                err = e->error;
        }
    }
}

static int send_batch(struct nft_batch *b)
{
    finish(b);
    return mnl_socket_sendto(b->nl, b->buf, b->used) < 0 ? -errno : 0;
}

int nft_batch_commit(struct nft_batch *b)
{
    (void)put(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    int err = send_batch(b);
    return err ? err : read_errors(b, 0, NULL, 0);
}

int nft_batch_try(struct nft_batch *b, uint32_t first, int *results, size_t n)
{
    int err = send_batch(b);
    return err ? err : read_errors(b, first, results, n);
}

/* Sends one request outside of a transaction: 0 for any answer, else the error. */
static int ask(struct nft_batch *b, struct nlmsghdr *h)
{
    char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    if (mnl_socket_sendto(b->nl, h, h->nlmsg_len) < 0)
        return -errno;
    ssize_t n = mnl_socket_recvfrom(b->nl, buf, sizeof buf);
    const struct nlmsghdr *r = (const void *)buf;
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(r);
    if (n < 0)
        return -errno;
    if (!mnl_nlmsg_ok(r, (int)n))
        return -EBADMSG;
    return r->nlmsg_type == NLMSG_ERROR ? e->error : 0;
}

int nft_check(struct nft_batch *b)
{
    b->used = 0;
    struct nlmsghdr *h = nft_batch_msg(b, NFT_MSG_GETGEN, 0, AF_UNSPEC);
    b->open = NULL;
    int err = ask(b, h);
    return err == 0 || err == -EPERM ? err : -EOPNOTSUPP;
}

bool nft_exists(struct nft_batch *b, uint8_t family, const char *table, const char *chain)
{
    b->used = 0;
    struct nlmsghdr *h = nft_batch_msg(b, chain ? NFT_MSG_GETCHAIN : NFT_MSG_GETTABLE, 0, family);
    mnl_attr_put_strz(h, chain ? NFTA_CHAIN_TABLE : NFTA_TABLE_NAME, table);
    if (chain)
        mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chain);
    b->open = NULL;
    return ask(b, h) == 0;
}
