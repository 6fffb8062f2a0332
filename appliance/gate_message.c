#include "appliance/gate_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>

static int attribute(const struct nlattr *a, void *arg)
{
    struct gate_message *m = arg;
    switch (mnl_attr_get_type(a)) {
    case NFQA_PACKET_HDR: {
        struct nfqnl_msg_packet_hdr h;
        if (mnl_attr_get_payload_len(a) < sizeof h)
            return MNL_CB_ERROR;
        memcpy(&h, mnl_attr_get_payload(a), sizeof h);
        m->id = ntohl(h.packet_id);
        break;
    }
    case NFQA_MARK:
        if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
            return MNL_CB_ERROR;
        m->mark = ntohl(mnl_attr_get_u32(a));
        break;
    case NFQA_CAP_LEN:
        if (mnl_attr_validate(a, MNL_TYPE_U32) < 0)
            return MNL_CB_ERROR;
        m->total = ntohl(mnl_attr_get_u32(a));
        break;
    case NFQA_PAYLOAD:
        m->data = mnl_attr_get_payload(a);
        m->len = mnl_attr_get_payload_len(a);
        break;
    default: break;
    }
    return MNL_CB_OK;
}

int gate_message_parse(const void *buf, size_t len, struct gate_message *out)
{
    const struct nlmsghdr *h = buf;
    memset(out, 0, sizeof *out);
    /* mnl_nlmsg_ok() takes a length above INT_MAX for a negative one, and that for short enough. */
    if (len < sizeof *h || len > INT32_MAX || h->nlmsg_len > len || !mnl_nlmsg_ok(h, (int)len))
        return -EBADMSG;
    if (h->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
        return 0;
    const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) < sizeof *g)
        return -EBADMSG;
    out->queue = ntohs(g->res_id);
    if (mnl_attr_parse(h, sizeof *g, attribute, out) < 0 || !out->id)
        return -EBADMSG;
    if (out->total < out->len)
        out->total = out->len;
    return 1;
}
