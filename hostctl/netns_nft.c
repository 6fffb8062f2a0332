#include "hostctl/netns_nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostctl/netns_link.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

#define TEXT_MAX KIB(16)
#define ATTR_HEAD sizeof(struct nlattr)

/** Text that grows until it is full, which is looked at once. */
struct text {
    char *p;
    size_t room, n;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->p + t->n, t->room - t->n, fmt, ap);
    va_end(ap);
    t->n = n < 0 || (size_t)n >= t->room - t->n ? t->room - 1 : t->n + (size_t)n;
}

/* `proto` is ip or ip6, as nft names both the table's family and the header. */
static void add_table(struct text *x, const struct host_table *t, const char *proto, const char *sidecar,
    const json_t *forwarding)
{
    add(x, "table %s %s {\n", proto, t->name);
    add(x, "  chain post {\n    type nat hook postrouting priority 100; policy accept;\n");
    add(x, "    %s saddr %s oifname != \"%s\" masquerade\n  }\n", proto, sidecar, t->link);
    /* What connection tracking does not follow (any more) was not translated. */
    add(x, "  chain left {\n    type filter hook postrouting priority 110; policy accept;\n");
    add(x, "    %s saddr %s oifname != \"%s\" drop\n  }\n", proto, sidecar, t->link);
    add(x, "  chain forward {\n    type filter hook forward priority -10; policy accept;\n");
    add(x, "    iifname \"%s\" %s saddr != %s drop\n", t->link, proto, sidecar);
    add(x, "    iifname \"%s\" oifname \"egh*\" drop\n", t->link); /* other sandboxes */
    add(x, "    iifname \"%s\" accept\n", t->link);
    add(x, "    oifname \"%s\" ct state established,related accept\n", t->link);
    add(x, "    oifname \"%s\" drop\n", t->link);
    /* The link is gone: an answer that comes late does not follow the default route. */
    add(x, "    %s daddr %s drop\n", proto, sidecar);
    for (size_t i = 0; i < json_array_size(forwarding); i++)
        add(x, "    iifname \"%s\" oifname != \"egh*\" drop\n",
            json_string_value(json_array_get(forwarding, i)));
    add(x, "  }\n}\n");
}

int host_table_text(const struct host_table *t, char *out, size_t outlen)
{
    struct text x = {.room = outlen};
    char ip[IP4_STRLEN], ip6[IP6_STRLEN];
    x.p = out;
    add_table(&x, t, "ip", ip4_format(t->sidecar, ip), t->forwarding);
    if (t->sidecar6)
        add_table(&x, t, "ip6", ip6_format(t->sidecar6, ip6), t->forwarding6);
    return x.n == x.room - 1 ? -ENOSPC : 0;
}

pid_t host_table_load(const struct host_table *t, int lock_fd)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    char text[TEXT_MAX];
    int err = host_table_text(t, text, sizeof text);
    if (err) {
        log_warn("too many interfaces for one nftables ruleset");
        return err;
    }
    struct spawn s = {.argv = argv, .input = text, .keep_fd = lock_fd};
    pid_t pid = spawn_start(&s, NULL);
    if (pid < 0)
        log_warn("cannot start nft: %s", strerror(-pid));
    return pid;
}

/* -- nfnetlink -- */

struct nfmsg {
    struct nlmsghdr h;
    struct nfgenmsg g;
    char attrs[300];
};

static void nf_head(struct nfmsg *m, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
    memset(m, 0, sizeof *m);
    m->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(sizeof m->g);
    m->h.nlmsg_type = type;
    m->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    m->g.nfgen_family = family;
    m->g.version = NFNETLINK_V0;
    m->g.res_id = htons(res_id);
}

static void nf_str(struct nfmsg *m, uint16_t type, const char *s)
{
    size_t len = strlen(s) + 1;
    struct nlattr a = {.nla_len = (uint16_t)(ATTR_HEAD + len), .nla_type = type};
    memcpy(m->attrs, &a, sizeof a);
    memcpy(m->attrs + ATTR_HEAD, s, len);
    m->h.nlmsg_len += (uint32_t)NLA_ALIGN(a.nla_len);
}

static int nf_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    return fd < 0 ? -errno : fd;
}

static int nf_ack(int nl)
{
    char reply[KIB(4)] __attribute__((aligned(8)));
    ssize_t n = recv(nl, reply, sizeof reply, 0);
    if (n < 0)
        return -errno;
    const struct nlmsghdr *h = (const void *)reply;
    if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static int delete_one(const char *name, uint8_t family)
{
    const uint16_t subsys = NFNL_SUBSYS_NFTABLES << 8;
    struct nfmsg m[3];
    cleanup_fd int nl = nf_open();
    if (nl < 0)
        return nl;
    if (strlen(name) + 1 > sizeof m[1].attrs - ATTR_HEAD)
        return -EINVAL;
    nf_head(&m[0], NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    nf_head(&m[1], (uint16_t)(subsys | NFT_MSG_DELTABLE), NLM_F_ACK, family, 0);
    nf_str(&m[1], NFTA_TABLE_NAME, name);
    nf_head(&m[2], NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    struct iovec iov[3];
    for (size_t i = 0; i < ARRAY_LEN(iov); i++)
        iov[i] = (struct iovec){&m[i], m[i].h.nlmsg_len};
    if (writev(nl, iov, ARRAY_LEN(iov)) < 0)
        return -errno;
    int err = nf_ack(nl);
    return err == -ENOENT ? 0 : err;
}

int host_table_delete(const char *name, bool ipv6)
{
    int err = delete_one(name, NFPROTO_IPV4), err6 = ipv6 ? delete_one(name, NFPROTO_IPV6) : 0;
    return err ? err : err6;
}

/* One attribute of a list, NULL where it is missing. */
static const struct nlattr *nf_find(const void *first, size_t len, uint16_t type)
{
    const char *p = first, *end = p + len;
    while ((size_t)(end - p) >= ATTR_HEAD) {
        const struct nlattr *a = (const void *)p;
        if (a->nla_len < ATTR_HEAD || a->nla_len > (size_t)(end - p))
            return NULL;
        if ((a->nla_type & NLA_TYPE_MASK) == type)
            return a;
        p += MIN((size_t)NLA_ALIGN(a->nla_len), (size_t)(end - p));
    }
    return NULL;
}

static const void *nf_data(const struct nlattr *a)
{
    return (const char *)a + ATTR_HEAD;
}

static uint32_t nf_u32(const struct nlattr *a)
{
    uint32_t v = 0;
    if (a && a->nla_len >= ATTR_HEAD + sizeof v)
        memcpy(&v, nf_data(a), sizeof v);
    return ntohl(v);
}

/* NULL: not a family that concerns us. */
static const char *family_name(uint8_t family, bool ipv6)
{
    switch (family) {
    case NFPROTO_INET: return "inet";
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_IPV6: return ipv6 ? "ip6" : NULL;
    default: return NULL;
    }
}

static void take_chain(const struct nlmsghdr *h, json_t *out, bool ipv6)
{
    const struct nfgenmsg *g = NLMSG_DATA(h);
    const void *attrs = (const char *)g + NLMSG_ALIGN(sizeof *g);
    size_t len = h->nlmsg_len - NLMSG_LENGTH(sizeof *g);
    const struct nlattr *hook = nf_find(attrs, len, NFTA_CHAIN_HOOK),
                        *policy = nf_find(attrs, len, NFTA_CHAIN_POLICY);
    const struct nlattr *table = nf_find(attrs, len, NFTA_CHAIN_TABLE),
                        *name = nf_find(attrs, len, NFTA_CHAIN_NAME);
    const char *family = family_name(g->nfgen_family, ipv6);
    if (!hook || !policy || !table || !name || !family)
        return;
    const struct nlattr *num = nf_find(nf_data(hook), hook->nla_len - ATTR_HEAD, NFTA_HOOK_HOOKNUM);
    if (!num || nf_u32(num) != NF_INET_FORWARD || nf_u32(policy) != NF_DROP)
        return;
    (void)json_array_append_new(out, json_pack("{s:s,s:s,s:s}", "family", family, "table",
                                         (const char *)nf_data(table), "chain", (const char *)nf_data(name)));
}

void nft_forward_droppers(json_t *out, bool ipv6)
{
    struct nfmsg m;
    cleanup_fd int nl = nf_open();
    if (nl < 0)
        return;
    nf_head(&m, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN), NLM_F_DUMP, NFPROTO_UNSPEC, 0);
    if (send(nl, &m, m.h.nlmsg_len, 0) < 0)
        return;
    char buf[KIB(32)] __attribute__((aligned(8)));
    for (;;) {
        ssize_t n = recv(nl, buf, sizeof buf, 0);
        if (n <= 0)
            return;
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
                return;
            take_chain(h, out, ipv6);
        }
    }
}

/* -- connection tracking -- */

#define CT_MESSAGE(type) ((uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | (type)))

/* The flow's first direction, where its source is `addr`; else NULL. */
static const struct nlattr *flow_from(const struct nlmsghdr *h, const void *addr, size_t len)
{
    const struct nfgenmsg *g = NLMSG_DATA(h);
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof *g))
        return NULL;
    const void *attrs = (const char *)g + NLMSG_ALIGN(sizeof *g);
    const struct nlattr *tuple = nf_find(attrs, h->nlmsg_len - NLMSG_LENGTH(sizeof *g), CTA_TUPLE_ORIG);
    const struct nlattr *ip =
        tuple ? nf_find(nf_data(tuple), tuple->nla_len - ATTR_HEAD, CTA_TUPLE_IP) : NULL;
    const struct nlattr *src = ip ? nf_find(nf_data(ip), ip->nla_len - ATTR_HEAD,
                                        len == sizeof(struct ip6) ? CTA_IP_V6_SRC : CTA_IP_V4_SRC)
                                  : NULL;
    return src && src->nla_len == ATTR_HEAD + len && memcmp(nf_data(src), addr, len) == 0 ? tuple : NULL;
}

static void flow_delete(int nl, uint8_t family, const struct nlattr *tuple)
{
    struct nfmsg m;
    nf_head(&m, CT_MESSAGE(IPCTNL_MSG_CT_DELETE), 0, family, 0);
    if (tuple->nla_len > sizeof m.attrs)
        return;
    memcpy(m.attrs, tuple, tuple->nla_len);
    m.h.nlmsg_len += (uint32_t)NLA_ALIGN(tuple->nla_len);
    (void)send(nl, &m, m.h.nlmsg_len, 0); /* it may have ended by itself */
}

static int forget(uint8_t family, const void *addr, size_t len)
{
    struct nfmsg m;
    cleanup_fd int list = nf_open(), del = nf_open();
    if (list < 0 || del < 0)
        return list < 0 ? list : del;
    nf_head(&m, CT_MESSAGE(IPCTNL_MSG_CT_GET), NLM_F_DUMP, family, 0);
    if (send(list, &m, m.h.nlmsg_len, 0) < 0)
        return -errno;
    char buf[KIB(32)] __attribute__((aligned(8)));
    for (;;) {
        ssize_t n = recv(list, buf, sizeof buf, 0);
        if (n <= 0)
            return n < 0 ? -errno : -EPROTO;
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
            const struct nlattr *tuple = flow_from(h, addr, len);
            if (tuple)
                flow_delete(del, family, tuple);
        }
    }
}

int host_flows_forget(const char *sidecar, const char *sidecar6)
{
    struct in_addr a;
    struct in6_addr a6;
    int err = 0, err6 = 0;
    if (sidecar && inet_pton(AF_INET, sidecar, &a) == 1)
        err = forget(AF_INET, &a, sizeof a);
    if (sidecar6 && inet_pton(AF_INET6, sidecar6, &a6) == 1)
        err6 = forget(AF_INET6, &a6, sizeof a6);
    return err ? err : err6;
}

int flows_flush(void)
{
    struct nfmsg m;
    cleanup_fd int nl = nf_open();
    nf_head(&m, CT_MESSAGE(IPCTNL_MSG_CT_DELETE), NLM_F_ACK, AF_UNSPEC, 0);
    if (nl < 0 || send(nl, &m, m.h.nlmsg_len, 0) < 0)
        return -errno;
    return nf_ack(nl);
}
