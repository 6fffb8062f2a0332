/* xtables targets for kernels whose nf_tables lacks `queue` or `tproxy`: rules of our own tables whose last
 * expression is the target (nft_compat), so that no iptables program is needed and nobody else's chains are
 * touched. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <netinet/in.h>
#include <string.h>

#include "appliance/netfilter_internal.h"
#include "appliance/roles.h"
#include "lib/base.h"

#define QUEUE_TABLE "egressd-queue" /* apart from the main table, so that a reload need not touch it */
#define QUEUE_CHAIN "queue"
#define QUEUE_PRIORITY (-150)
/* The kernel binds the TPROXY target to tables of this name, one a family. */
#define TPROXY_TABLE "mangle"
#define TPROXY_CHAIN "egressd"
#define TPROXY_PRIORITY (-139)
#define TARGET_INFO_MAX 64

/* linux/netfilter/xt_TPROXY.h needs headers of the kernel's for this one. */
struct tproxy_info_v1 {
    uint32_t mark_mask, mark_value;
    union nf_inet_addr laddr;
    uint16_t lport; /* network order */
};

static void put_table(struct nft_batch *b, unsigned type, uint8_t family, const char *name)
{
    struct nlmsghdr *h = nft_batch_msg(b, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, family);
    mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
}

static void put_chain(struct nft_batch *b, uint8_t family, const char *table, const char *name, int priority)
{
    struct nlmsghdr *h = nft_batch_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
    mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
    mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
    struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
    mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_INET_PRE_ROUTING));
    mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
    mnl_attr_nest_end(h, hook);
    mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
}

static void del_chain(struct nft_batch *b, uint8_t family, const char *table, const char *name)
{
    struct nlmsghdr *h = nft_batch_msg(b, NFT_MSG_DELRULE, 0, family);
    mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
    mnl_attr_put_strz(h, NFTA_RULE_CHAIN, name);
    h = nft_batch_msg(b, NFT_MSG_DELCHAIN, 0, family);
    mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
}

struct expr {
    struct nlattr *elem, *data;
};

static struct expr expr_start(struct nlmsghdr *h, const char *name)
{
    struct expr e = {.elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM)};
    mnl_attr_put_strz(h, NFTA_EXPR_NAME, name);
    e.data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
    return e;
}

static void expr_end(struct nlmsghdr *h, struct expr e)
{
    mnl_attr_nest_end(h, e.data);
    mnl_attr_nest_end(h, e.elem);
}

/* `meta KEY & MASK == VALUE` over `len` octets in host order. */
static void put_meta_match(struct nlmsghdr *h, uint32_t key, const void *mask, const void *value, size_t len)
{
    static const uint8_t zero[4];
    struct expr e = expr_start(h, "meta");
    mnl_attr_put_u32(h, NFTA_META_KEY, htonl(key));
    mnl_attr_put_u32(h, NFTA_META_DREG, htonl(NFT_REG_1));
    expr_end(h, e);
    if (mask) {
        e = expr_start(h, "bitwise");
        mnl_attr_put_u32(h, NFTA_BITWISE_SREG, htonl(NFT_REG_1));
        mnl_attr_put_u32(h, NFTA_BITWISE_DREG, htonl(NFT_REG_1));
        mnl_attr_put_u32(h, NFTA_BITWISE_LEN, htonl((uint32_t)len));
        struct nlattr *n = mnl_attr_nest_start(h, NFTA_BITWISE_MASK);
        mnl_attr_put(h, NFTA_DATA_VALUE, len, mask);
        mnl_attr_nest_end(h, n);
        n = mnl_attr_nest_start(h, NFTA_BITWISE_XOR);
        mnl_attr_put(h, NFTA_DATA_VALUE, len, zero);
        mnl_attr_nest_end(h, n);
        expr_end(h, e);
    }
    e = expr_start(h, "cmp");
    mnl_attr_put_u32(h, NFTA_CMP_SREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(h, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
    struct nlattr *n = mnl_attr_nest_start(h, NFTA_CMP_DATA);
    mnl_attr_put(h, NFTA_DATA_VALUE, len, value);
    mnl_attr_nest_end(h, n);
    expr_end(h, e);
}

static void put_target(struct nlmsghdr *h, const char *name, uint32_t revision, const void *info, size_t len)
{
    struct expr e = expr_start(h, "target");
    mnl_attr_put_strz(h, NFTA_TARGET_NAME, name);
    mnl_attr_put_u32(h, NFTA_TARGET_REV, htonl(revision));
    /* The kernel wants it padded as in an xtables rule (XT_ALIGN); the padding is not part of `info`. */
    uint8_t padded[TARGET_INFO_MAX] = {0};
    assert(XT_ALIGN(len) <= sizeof padded);
    memcpy(padded, info, len);
    mnl_attr_put(h, NFTA_TARGET_INFO, XT_ALIGN(len), padded);
    expr_end(h, e);
}

static struct nlmsghdr *rule_start(struct nft_batch *b, uint8_t family, const char *table, const char *chain)
{
    struct nlmsghdr *h = nft_batch_msg(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
    mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
    return h;
}

static void put_queue(struct nft_batch *b, unsigned n_queues)
{
    put_table(b, NFT_MSG_NEWTABLE, NFPROTO_INET, QUEUE_TABLE);
    put_chain(b, NFPROTO_INET, QUEUE_TABLE, QUEUE_CHAIN, QUEUE_PRIORITY);
    struct nlmsghdr *h = rule_start(b, NFPROTO_INET, QUEUE_TABLE, QUEUE_CHAIN);
    struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);
    const uint32_t mask = MARK_QUEUE_BITS, value = MARK_QUEUE;
    put_meta_match(h, NFT_META_MARK, &mask, &value, sizeof value);
    /* No NFQ_FLAG_BYPASS: nobody listens, nothing passes. */
    const struct xt_NFQ_info_v3 info = {.queuenum = QUEUE_NUMBER, .queues_total = (uint16_t)n_queues};
    put_target(h, "NFQUEUE", 3, &info, sizeof info);
    mnl_attr_nest_end(h, list);
}

static void put_tproxy_rule(struct nft_batch *b, uint8_t family, uint8_t proto, uint32_t mark, uint16_t port)
{
    struct nlmsghdr *h = rule_start(b, family, TPROXY_TABLE, TPROXY_CHAIN);
    /* The target's own check wants to see that the rule is for one protocol. */
    struct nlattr *compat = mnl_attr_nest_start(h, NFTA_RULE_COMPAT);
    mnl_attr_put_u32(h, NFTA_RULE_COMPAT_PROTO, htonl(proto));
    mnl_attr_put_u32(h, NFTA_RULE_COMPAT_FLAGS, 0);
    mnl_attr_nest_end(h, compat);
    struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);
    put_meta_match(h, NFT_META_MARK, NULL, &mark, sizeof mark);
    put_meta_match(h, NFT_META_L4PROTO, NULL, &proto, sizeof proto);
    const struct tproxy_info_v1 info = {
        .mark_mask = UINT32_MAX, .mark_value = MARK_TPROXY, .lport = htons(port)};
    put_target(h, "TPROXY", 1, &info, sizeof info);
    mnl_attr_nest_end(h, list);
}

static void put_tproxy(struct nft_batch *b, uint8_t family)
{
    put_table(b, NFT_MSG_NEWTABLE, family, TPROXY_TABLE);
    put_chain(b, family, TPROXY_TABLE, TPROXY_CHAIN, TPROXY_PRIORITY);
    put_tproxy_rule(b, family, IPPROTO_TCP, MARK_WEB, PORT_ENGINE);
    put_tproxy_rule(b, family, IPPROTO_TCP, MARK_RELAY, PORT_ENGINE);
    put_tproxy_rule(b, family, IPPROTO_TCP, MARK_DNS, PORT_DNS);
    put_tproxy_rule(b, family, IPPROTO_UDP, MARK_DNS, PORT_DNS);
}

/* The old and the new in one transaction, so that there is no moment without; none at all where nothing is to
 * do. */
static int apply_queue(struct nft_batch *b, bool wanted, unsigned n_queues)
{
    const bool there = nft_exists(b, NFPROTO_INET, QUEUE_TABLE, NULL);
    if (!there && !wanted)
        return 0;
    nft_batch_begin(b);
    if (there)
        put_table(b, NFT_MSG_DELTABLE, NFPROTO_INET, QUEUE_TABLE);
    if (wanted)
        put_queue(b, n_queues ? n_queues : 1);
    return nft_batch_commit(b);
}

static int apply_tproxy(struct nft_batch *b, uint8_t family, bool wanted)
{
    const bool there = nft_exists(b, family, TPROXY_TABLE, TPROXY_CHAIN);
    if (!there && !wanted)
        return 0;
    nft_batch_begin(b);
    if (there)
        del_chain(b, family, TPROXY_TABLE, TPROXY_CHAIN);
    if (wanted)
        put_tproxy(b, family);
    return nft_batch_commit(b);
}

int netfilter_xt_apply(const struct netfilter_config *c)
{
    const bool tproxy = c->caps.intercept == INTERCEPT_XT_TPROXY;
    struct nft_batch b;
    int err = nft_batch_open(&b);
    if (err)
        return err;
    err = apply_queue(&b, c->caps.gate == GATE_XT_NFQUEUE, c->n_queues);
    if (!err)
        err = apply_tproxy(&b, NFPROTO_IPV4, tproxy);
    if (!err)
        err = apply_tproxy(&b, NFPROTO_IPV6, tproxy && c->caps.ipv6);
    nft_batch_close(&b);
    return err;
}

void netfilter_xt_write(FILE *out, const struct netfilter_config *c)
{
    if (c->caps.gate == GATE_XT_NFQUEUE) {
        fprintf(out,
            "\n# This kernel's nf_tables has no queue: the xtables target, in a table of its own "
            "(inet " QUEUE_TABLE
            ", priority %d).\n# As commands, which egressd does not run but does the same as:\n",
            QUEUE_PRIORITY);
        for (int six = 0; six < 2; six++)
            fprintf(out,
                "#   ip%stables -t mangle -A PREROUTING -i %s -m mark --mark 0x%08x/0x%08x -j NFQUEUE "
                "--queue-balance %u:%u\n",
                six ? "6" : "", c->agent_if, MARK_QUEUE, MARK_QUEUE_BITS, (unsigned)QUEUE_NUMBER,
                QUEUE_NUMBER + (c->n_queues ? c->n_queues : 1) - 1);
    }
    if (c->caps.intercept == INTERCEPT_XT_TPROXY) {
        static const struct {
            const char *proto;
            uint32_t mark;
            unsigned port;
        } rules[] = {{"tcp", MARK_WEB, PORT_ENGINE}, {"tcp", MARK_RELAY, PORT_ENGINE},
            {"tcp", MARK_DNS, PORT_DNS}, {"udp", MARK_DNS, PORT_DNS}};
        fprintf(out,
            "\n# This kernel's nf_tables has no tproxy: the xtables target, in chain " TPROXY_CHAIN
            " of table " TPROXY_TABLE
            " (priority %d).\n# As commands, which egressd does not run but does the same "
            "as:\n",
            TPROXY_PRIORITY);
        for (int six = 0; six < (c->caps.ipv6 ? 2 : 1); six++)
            for (size_t i = 0; i < ARRAY_LEN(rules); i++)
                fprintf(out,
                    "#   ip%stables -t mangle -A PREROUTING -p %s -m mark --mark 0x%08x -j TPROXY --on-port "
                    "%u "
                    "--tproxy-mark 0x%08x\n",
                    six ? "6" : "", rules[i].proto, rules[i].mark, rules[i].port, MARK_TPROXY);
    }
}
