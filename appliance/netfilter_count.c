/* What connection tracking has counted of one flow. The monitor asks for an engine; what it reads is the
 * kernel's. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "appliance/ipc.h"
#include "appliance/netfilter_internal.h"
#include "lib/base.h"

static void put_question(struct nlmsghdr *h, const struct ipc_count *c)
{
    const bool v4 = addr_is_v4(&c->src);
    struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG),
                  *inner = mnl_attr_nest_start(h, CTA_TUPLE_IP);
    if (v4) {
        mnl_attr_put(h, CTA_IP_V4_SRC, 4, c->src.b + 12);
        mnl_attr_put(h, CTA_IP_V4_DST, 4, c->dst.b + 12);
    } else {
        mnl_attr_put(h, CTA_IP_V6_SRC, 16, c->src.b);
        mnl_attr_put(h, CTA_IP_V6_DST, 16, c->dst.b);
    }
    mnl_attr_nest_end(h, inner);
    inner = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, IPPROTO_UDP);
    mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(c->sport));
    mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(c->dport));
    mnl_attr_nest_end(h, inner);
    mnl_attr_nest_end(h, tuple);
}

/* Octets of one direction, as two halves. */
static int take_octets(const struct nlattr *a, void *out)
{
    uint32_t be[2], *half = out;
    if (mnl_attr_get_type(a) != CTA_COUNTERS_BYTES || mnl_attr_get_payload_len(a) != sizeof be)
        return MNL_CB_OK;
    memcpy(be, mnl_attr_get_payload(a), sizeof be);
    half[0] = ntohl(be[1]);
    half[1] = ntohl(be[0]);
    return MNL_CB_OK;
}

static int take_counters(const struct nlattr *a, void *count)
{
    struct ipc_count *c = count;
    const uint16_t type = mnl_attr_get_type(a);
    if (type == CTA_COUNTERS_ORIG || type == CTA_COUNTERS_REPLY)
        return mnl_attr_parse_nested(a, take_octets, type == CTA_COUNTERS_ORIG ? c->out : c->in);
    return MNL_CB_OK;
}

static int take_answer(const void *buf, size_t len, struct ipc_count *c)
{
    const struct nlmsghdr *h = buf;
    if (!mnl_nlmsg_ok(h, (int)len))
        return -EPROTO;
    if (h->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
        return e->error == -ENOENT ? 0 : e->error ? e->error : -EPROTO;
    }
    c->found = 1;
    return mnl_attr_parse(h, sizeof(struct nfgenmsg), take_counters, c) < 0 ? -EPROTO : 0;
}

int netfilter_count(struct ipc_count *c)
{
    char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    memset(c->out, 0, sizeof c->out);
    memset(c->in, 0, sizeof c->in);
    c->found = 0;
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!nl)
        return -errno;
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
    h->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = addr_is_v4(&c->src) ? AF_INET : AF_INET6;
    put_question(h, c);
    ssize_t n = -1;
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 && mnl_socket_sendto(nl, h, h->nlmsg_len) > 0)
        n = recv(
            mnl_socket_get_fd(nl), buf, sizeof buf, MSG_DONTWAIT); /* netlink answers before it returns */
    int err = n < 0 ? -errno : take_answer(buf, (size_t)n, c);
    (void)mnl_socket_close(nl);
    return err;
}
