/* What the kernel has: by what it says of itself, else by rules that it checks and that are never committed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <zlib.h>

#include "appliance/netfilter_internal.h"
#include "lib/base.h"

#define PROBE_TABLE "egressd-probe"
#define PROBE_CHAIN "probe"

/* What became of the rule for each name: a kernel without an expression answers -ENOENT, one that has it
 * complains of the missing attributes. One transaction for all of them: taking one back costs the kernel a
 * grace period of some 20 ms, whatever its size. */
int netfilter_probe_exprs(const char *const *names, int *results, size_t n)
{
    struct nft_batch b;
    int err = nft_batch_open(&b);
    if (err)
        return err;
    nft_batch_begin(&b);
    struct nlmsghdr *h = nft_batch_msg(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_INET);
    mnl_attr_put_strz(h, NFTA_TABLE_NAME, PROBE_TABLE);
    h = nft_batch_msg(&b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
    mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, PROBE_TABLE);
    mnl_attr_put_strz(h, NFTA_CHAIN_NAME, PROBE_CHAIN);
    const uint32_t before = h->nlmsg_seq;
    for (size_t i = 0; i < n; i++) {
        results[i] = 0;
        h = nft_batch_msg(&b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);
        mnl_attr_put_strz(h, NFTA_RULE_TABLE, PROBE_TABLE);
        mnl_attr_put_strz(h, NFTA_RULE_CHAIN, PROBE_CHAIN);
        struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);
        struct nlattr *elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
        mnl_attr_put_strz(h, NFTA_EXPR_NAME, names[i]);
        mnl_attr_nest_end(h, elem);
        mnl_attr_nest_end(h, list);
    }
    err = nft_batch_try(&b, before, results, n);
    nft_batch_close(&b);
    for (size_t i = 0; i < n; i++)
        if (results[i] != -ENOENT)
            results[i] = 0;
    return err;
}

/* What the kernel's own configuration says, where it is published: for free. -ENOENT: not there; 0: built in;
 * -EAGAIN: a module, or nothing published: only trying tells. */
static int ask_config(const char *key)
{
    gzFile f = gzopen("/proc/config.gz", "re");
    if (!f)
        return -EAGAIN;
    char line[256];
    const size_t len = strlen(key);
    int result = -EAGAIN;
    while (gzgets(f, line, sizeof line)) {
        if (strncmp(line, key, len) == 0 && line[len] == '=') {
            result = line[len + 1] == 'y' ? 0 : -EAGAIN;
            break;
        }
        if (strncmp(line, "# ", 2) == 0 && strncmp(line + 2, key, len) == 0 && line[2 + len] == ' ') {
            result = -ENOENT;
            break;
        }
    }
    (void)gzclose(f);
    return result;
}

int netfilter_probe_target(int family, const char *name, unsigned revision)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!nl)
        return -errno;
    char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (NFNL_SUBSYS_NFT_COMPAT << 8) | NFNL_MSG_COMPAT_GET;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = (uint8_t)family;
    g->version = NFNETLINK_V0;
    mnl_attr_put_strz(h, NFTA_COMPAT_NAME, name);
    mnl_attr_put_u32(h, NFTA_COMPAT_REV, htonl(revision));
    mnl_attr_put_u32(h, NFTA_COMPAT_TYPE, htonl(1)); /* a target */

    int err = 0;
    char answer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, h, h->nlmsg_len) < 0) {
        err = -errno;
    } else {
        ssize_t n = mnl_socket_recvfrom(nl, answer, sizeof answer);
        const struct nlmsghdr *r = (const void *)answer;
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(r);
        if (n < 0)
            err = -errno;
        else if (r->nlmsg_type == NLMSG_ERROR)
            err = e->error;
    }
    (void)mnl_socket_close(nl);
    return err;
}

static bool has_xt_tproxy(void)
{
    return netfilter_probe_target(NFPROTO_IPV4, "TPROXY", 1) == 0;
}

static bool has_xt_nfqueue(void)
{
    return netfilter_probe_target(NFPROTO_IPV4, "NFQUEUE", 3) == 0;
}

int netfilter_probe(struct netfilter_caps *caps)
{
    struct nft_batch b;
    int err = nft_batch_open(&b);
    if (!err)
        err = nft_check(&b);
    nft_batch_close(&b);
    if (err)
        return err;
    static const char *const names[] = {"tproxy", "queue"};
    int results[ARRAY_LEN(names)] = {ask_config("CONFIG_NFT_TPROXY"), ask_config("CONFIG_NFT_QUEUE")};
    if (results[0] == -EAGAIN || results[1] == -EAGAIN) {
        err = netfilter_probe_exprs(names, results, ARRAY_LEN(names));
        if (err)
            return err;
    }
    caps->intercept = results[0] == 0   ? INTERCEPT_NFT_TPROXY
                      : has_xt_tproxy() ? INTERCEPT_XT_TPROXY
                                        : INTERCEPT_REDIRECT;
    caps->gate = results[1] == 0 ? GATE_NFT_QUEUE : has_xt_nfqueue() ? GATE_XT_NFQUEUE : GATE_NONE;
    return 0;
}
