#include "init/firewall.h"

#include <errno.h>
#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "init/netlink.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

#define TABLE "egress_init"

/* <linux/netfilter.h> cannot be included beside the C library's <netinet/in.h>; these are its ABI. */
enum { FAMILY_INET = 1, FAMILY_IPV4 = 2, VERDICT_DROP = 0, VERDICT_ACCEPT = 1 };
enum { HOOK_INPUT = 1, HOOK_FORWARD = 2, HOOK_OUTPUT = 3 };
enum { FAMILY_IPV6 = 10, PROTO_ICMP = 1, ICMP_REDIRECT = 5, PROTO_ICMPV6 = 58 };
/* ICMPv6 types of neighbour discovery (RFC 4861 4), and where a solicitation names its target. */
enum {
    ROUTER_ADVERT = 134,
    NEIGHBOUR_SOLICIT = 135,
    NEIGHBOUR_ADVERT = 136,
    REDIRECT6 = 137,
    SOLICIT_TARGET = 8,
    DESTINATION6 = 24
};

struct gateways {
    uint32_t v4;
    const struct ipv6 *v6; /* NULL: none */
};

static uint16_t message(uint8_t type)
{
    return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
}

static void begin(struct nl_request *r, uint8_t type, uint16_t flags)
{
    struct nfgenmsg m = {.nfgen_family = FAMILY_INET};
    nl_begin(r, message(type), flags, &m, sizeof m);
}

static void frame(struct nl_request *r, uint16_t type)
{
    struct nfgenmsg m = {.nfgen_family = AF_UNSPEC, .res_id = htobe16(NFNL_SUBSYS_NFTABLES)};
    nl_begin(r, type, 0, &m, sizeof m);
}

/* Expressions. Attributes stand in the order in which the kernel dumps them, so that what is read back can be
 * compared octet by octet. Register 1 holds whatever was loaded last. */

static size_t expression(struct nl_request *r, const char *name, size_t *data)
{
    size_t element = nl_nest(r, NFTA_LIST_ELEM);
    nl_put_str(r, NFTA_EXPR_NAME, name);
    *data = nl_nest(r, NFTA_EXPR_DATA);
    return element;
}

static void end_expression(struct nl_request *r, size_t element, size_t data)
{
    nl_nest_end(r, data);
    nl_nest_end(r, element);
}

/* "meta" and "rt" have the same shape: a key, and the register its value goes to. */
static void load(struct nl_request *r, const char *expr, uint16_t key_attr, uint32_t key, uint16_t dreg_attr)
{
    size_t data, element = expression(r, expr, &data);
    nl_put_u32(r, key_attr, htobe32(key));
    nl_put_u32(r, dreg_attr, htobe32(NFT_REG_1));
    end_expression(r, element, data);
}

static void load_meta(struct nl_request *r, uint32_t key)
{
    load(r, "meta", NFTA_META_KEY, key, NFTA_META_DREG);
}

static void load_payload(struct nl_request *r, uint32_t base, uint32_t offset, uint32_t len)
{
    size_t data, element = expression(r, "payload", &data);
    nl_put_u32(r, NFTA_PAYLOAD_DREG, htobe32(NFT_REG_1));
    nl_put_u32(r, NFTA_PAYLOAD_BASE, htobe32(base));
    nl_put_u32(r, NFTA_PAYLOAD_OFFSET, htobe32(offset));
    nl_put_u32(r, NFTA_PAYLOAD_LEN, htobe32(len));
    end_expression(r, element, data);
}

static void load_transport(struct nl_request *r, uint32_t offset, uint32_t len)
{
    load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, len);
}

static void must_equal(struct nl_request *r, const void *value, size_t len)
{
    size_t data, element = expression(r, "cmp", &data);
    nl_put_u32(r, NFTA_CMP_SREG, htobe32(NFT_REG_1));
    nl_put_u32(r, NFTA_CMP_OP, htobe32(NFT_CMP_EQ));
    size_t nest = nl_nest(r, NFTA_CMP_DATA);
    nl_put(r, NFTA_DATA_VALUE, value, len);
    nl_nest_end(r, nest);
    end_expression(r, element, data);
}

static void interface_must_be(struct nl_request *r, uint32_t key, const char *name)
{
    char padded[16] = {0};
    for (size_t i = 0; i < sizeof padded - 1 && name[i] != '\0'; i++)
        padded[i] = name[i];
    load_meta(r, key);
    must_equal(r, padded, sizeof padded);
}

static void family_must_be(struct nl_request *r, uint8_t family)
{
    load_meta(r, NFT_META_NFPROTO);
    must_equal(r, &family, sizeof family);
}

static void verdict(struct nl_request *r, uint32_t code)
{
    size_t data, element = expression(r, "immediate", &data);
    nl_put_u32(r, NFTA_IMMEDIATE_DREG, htobe32(NFT_REG_VERDICT));
    size_t nest = nl_nest(r, NFTA_IMMEDIATE_DATA), inner = nl_nest(r, NFTA_DATA_VERDICT);
    nl_put_u32(r, NFTA_VERDICT_CODE, htobe32(code));
    nl_nest_end(r, inner);
    nl_nest_end(r, nest);
    end_expression(r, element, data);
}

static void add_chain(struct nl_request *r, const char *name, uint32_t hook)
{
    begin(r, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);
    nl_put_str(r, NFTA_CHAIN_TABLE, TABLE);
    nl_put_str(r, NFTA_CHAIN_NAME, name);
    size_t nest = nl_nest(r, NFTA_CHAIN_HOOK);
    nl_put_u32(r, NFTA_HOOK_HOOKNUM, htobe32(hook));
    nl_put_u32(r, NFTA_HOOK_PRIORITY, htobe32(0));
    nl_nest_end(r, nest);
    nl_put_u32(r, NFTA_CHAIN_POLICY, htobe32(VERDICT_DROP));
    nl_put_str(r, NFTA_CHAIN_TYPE, "filter");
}

/* Returns what end_rule() needs. */
static size_t begin_rule(struct nl_request *r, const char *chain)
{
    begin(r, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
    nl_put_str(r, NFTA_RULE_TABLE, TABLE);
    nl_put_str(r, NFTA_RULE_CHAIN, chain);
    return nl_nest(r, NFTA_RULE_EXPRESSIONS);
}

static void end_rule(struct nl_request *r, size_t nest, uint32_t code)
{
    verdict(r, code);
    nl_nest_end(r, nest);
}

static void icmpv6_must_be(struct nl_request *r, uint8_t type)
{
    static const uint8_t icmpv6 = PROTO_ICMPV6;
    family_must_be(r, FAMILY_IPV6);
    load_meta(r, NFT_META_L4PROTO);
    must_equal(r, &icmpv6, sizeof icmpv6);
    load_transport(r, 0, sizeof type);
    must_equal(r, &type, sizeof type);
}

/* Neighbour discovery is the kernel's own and has multicast next hops: who may be asked for is the gateway
 * alone. Answers go to whoever asks for us. */
static void output_rules6(struct nl_request *r, const struct link *link, const struct ipv6 *gateway)
{
    static const uint8_t multicast = 0xff;
    size_t rule = begin_rule(r, "output");
    interface_must_be(r, NFT_META_OIFNAME, link->name);
    icmpv6_must_be(r, NEIGHBOUR_SOLICIT);
    load_transport(r, SOLICIT_TARGET, sizeof gateway->b);
    must_equal(r, gateway->b, sizeof gateway->b);
    end_rule(r, rule, VERDICT_ACCEPT);

    rule = begin_rule(r, "output");
    interface_must_be(r, NFT_META_OIFNAME, link->name);
    icmpv6_must_be(r, NEIGHBOUR_ADVERT);
    end_rule(r, rule, VERDICT_ACCEPT);

    /* Without a route of its own, multicast has the gateway for its next hop; yet it means everybody. */
    rule = begin_rule(r, "output");
    family_must_be(r, FAMILY_IPV6);
    load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION6, sizeof multicast);
    must_equal(r, &multicast, sizeof multicast);
    end_rule(r, rule, VERDICT_DROP);

    rule = begin_rule(r, "output");
    family_must_be(r, FAMILY_IPV6);
    interface_must_be(r, NFT_META_OIFNAME, link->name);
    load(r, "rt", NFTA_RT_KEY, NFT_RT_NEXTHOP6, NFTA_RT_DREG);
    must_equal(r, gateway->b, sizeof gateway->b);
    end_rule(r, rule, VERDICT_ACCEPT);
}

static void output_rules(struct nl_request *r, const struct link *link, const struct gateways *g)
{
    size_t rule = begin_rule(r, "output");
    interface_must_be(r, NFT_META_OIFNAME, "lo");
    end_rule(r, rule, VERDICT_ACCEPT);

    /* The next hop of a packet that skips routing is its own destination, so this lets it through only where
     * that is the gateway. */
    rule = begin_rule(r, "output");
    family_must_be(r, FAMILY_IPV4);
    interface_must_be(r, NFT_META_OIFNAME, link->name);
    load(r, "rt", NFTA_RT_KEY, NFT_RT_NEXTHOP4, NFTA_RT_DREG);
    must_equal(r, &g->v4, sizeof g->v4);
    end_rule(r, rule, VERDICT_ACCEPT);

    if (g->v6 != NULL)
        output_rules6(r, link, g->v6);
}

/* Nobody on the link tells us of routers and routes. */
static void input_rules6(struct nl_request *r, const struct link *link)
{
    static const uint8_t lures[] = {ROUTER_ADVERT, REDIRECT6};
    size_t rule;
    for (unsigned i = 0; i < ARRAY_LEN(lures); i++) {
        rule = begin_rule(r, "input");
        icmpv6_must_be(r, lures[i]);
        end_rule(r, rule, VERDICT_DROP);
    }
    rule = begin_rule(r, "input");
    family_must_be(r, FAMILY_IPV6);
    interface_must_be(r, NFT_META_IIFNAME, link->name);
    end_rule(r, rule, VERDICT_ACCEPT);
}

static void input_rules(struct nl_request *r, const struct link *link, const struct gateways *g)
{
    static const uint8_t icmp = PROTO_ICMP, redirect = ICMP_REDIRECT;
    size_t rule = begin_rule(r, "input");
    interface_must_be(r, NFT_META_IIFNAME, "lo");
    end_rule(r, rule, VERDICT_ACCEPT);

    rule = begin_rule(r, "input");
    family_must_be(r, FAMILY_IPV4);
    load_meta(r, NFT_META_L4PROTO);
    must_equal(r, &icmp, sizeof icmp);
    load_transport(r, 0, sizeof redirect);
    must_equal(r, &redirect, sizeof redirect);
    end_rule(r, rule, VERDICT_DROP);

    rule = begin_rule(r, "input");
    family_must_be(r, FAMILY_IPV4);
    interface_must_be(r, NFT_META_IIFNAME, link->name);
    end_rule(r, rule, VERDICT_ACCEPT);

    if (g->v6 != NULL)
        input_rules6(r, link);
}

static void table_message(struct nl_request *r, uint8_t type, uint16_t flags)
{
    begin(r, type, (uint16_t)(flags | NLM_F_ACK));
    nl_put_str(r, NFTA_TABLE_NAME, TABLE);
}

/* `replace`: there is a table of ours already; one transaction deletes and makes it. Not done blindly, since
 * the kernel waits some 10 ms for the deletion to settle. */
static void build(struct nl_request *r, const struct link *link, const struct gateways *g, bool replace)
{
    *r = (struct nl_request){0};
    frame(r, NFNL_MSG_BATCH_BEGIN);
    if (replace)
        table_message(r, NFT_MSG_DELTABLE, 0);
    table_message(r, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    add_chain(r, "output", HOOK_OUTPUT);
    add_chain(r, "input", HOOK_INPUT);
    add_chain(r, "forward", HOOK_FORWARD);
    output_rules(r, link, g);
    input_rules(r, link, g);
    frame(r, NFNL_MSG_BATCH_END);
}

/* Reading back: the n-th rule of the dump must be the n-th that was sent, and each base chain must still
 * drop. */
struct review {
    const struct nl_request *sent;
    size_t at; /* of the next rule that was sent */
    unsigned chains, rules;
};

static const struct nlmsghdr *next_sent_rule(struct review *v)
{
    while (v->at < v->sent->len) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(v->sent->data + v->at);
        v->at += NLMSG_ALIGN(h->nlmsg_len);
        if (h->nlmsg_type == message(NFT_MSG_NEWRULE))
            return h;
    }
    return NULL;
}

static bool same(struct nl_view a, struct nl_view b, uint16_t type)
{
    struct nl_view x = nl_find(a, type), y = nl_find(b, type);
    return x.data != NULL && x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

static bool is_our_table(struct nl_view v, uint16_t type)
{
    struct nl_view name = nl_find(v, type);
    return name.len == sizeof TABLE && memcmp(name.data, TABLE, sizeof TABLE) == 0;
}

static int visit_rule(const struct nlmsghdr *h, void *arg)
{
    struct review *review = arg;
    struct nl_view v = nl_attributes(h, sizeof(struct nfgenmsg));
    if (h->nlmsg_type != message(NFT_MSG_NEWRULE) || !is_our_table(v, NFTA_RULE_TABLE))
        return 0;
    const struct nlmsghdr *sent = next_sent_rule(review);
    if (sent == NULL)
        return -EBADMSG;
    struct nl_view w = nl_attributes(sent, sizeof(struct nfgenmsg));
    review->rules++;
    return same(w, v, NFTA_RULE_CHAIN) && same(w, v, NFTA_RULE_EXPRESSIONS) ? 0 : -EBADMSG;
}

static int visit_chain(const struct nlmsghdr *h, void *arg)
{
    struct review *review = arg;
    struct nl_view v = nl_attributes(h, sizeof(struct nfgenmsg));
    if (h->nlmsg_type != message(NFT_MSG_NEWCHAIN) || !is_our_table(v, NFTA_CHAIN_TABLE))
        return 0;
    if (nl_find_u32(v, NFTA_CHAIN_POLICY, ~0u) != htobe32(VERDICT_DROP) ||
        nl_find(v, NFTA_CHAIN_HOOK).data == NULL)
        return -EBADMSG;
    review->chains++;
    return 0;
}

static void read_back(int fd, const struct nl_request *sent)
{
    struct review review = {.sent = sent};
    struct nl_request chains = {0}, rules = {0};
    begin(&chains, NFT_MSG_GETCHAIN, NLM_F_DUMP);
    begin(&rules, NFT_MSG_GETRULE, NLM_F_DUMP);
    nl_put_str(&rules, NFTA_RULE_TABLE, TABLE);
    int error = nl_dump(fd, &chains, visit_chain, &review);
    if (error == 0)
        error = nl_dump(fd, &rules, visit_rule, &review);
    if (error != 0)
        fatal_error(error, "the packet rules do not read back as they were loaded");
    if (review.chains != 3 || review.rules == 0 || next_sent_rule(&review) != NULL)
        fatal("the packet rules are not whole: %u chains, %u rules", review.chains, review.rules);
}

bool firewall_load(const struct link *link, uint32_t gateway, const struct ipv6 *gateway6)
{
    const struct gateways g = {gateway, ipv6_is_set(gateway6) ? gateway6 : NULL};
    static const char missing[] =
        "this kernel has no nf_tables: no packet rules, on-link neighbours are kept away by "
        "the system call filter only";
    cleanup_fd int fd = nl_open(NETLINK_NETFILTER);
    if (fd == -EPROTONOSUPPORT || fd == -EAFNOSUPPORT) {
        say("%s", missing);
        return false;
    }
    if (fd < 0)
        fatal_error(fd, "cannot open a netfilter socket");
    struct nl_request r;
    build(&r, link, &g, false);
    int error = nl_call(fd, &r);
    if (error == -EEXIST) {
        build(&r, link, &g, true);
        error = nl_call(fd, &r);
    }
    if (error == -EOPNOTSUPP) {
        say("%s", missing);
        return false;
    }
    if (error != 0)
        fatal_error(error, "cannot load the packet rules (is CAP_NET_ADMIN there?)");
    read_back(fd, &r);
    return true;
}

bool firewall_check(const struct link *link, uint32_t gateway, const struct ipv6 *gateway6)
{
    const struct gateways g = {gateway, ipv6_is_set(gateway6) ? gateway6 : NULL};
    cleanup_fd int fd = nl_open(NETLINK_NETFILTER);
    if (fd == -EPROTONOSUPPORT || fd == -EAFNOSUPPORT)
        return false;
    if (fd < 0)
        fatal_error(fd, "cannot open a netfilter socket");
    struct nl_request r;
    build(&r, link, &g, false);
    read_back(fd, &r);
    return true;
}
