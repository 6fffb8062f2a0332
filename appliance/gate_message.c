#include "appliance/gate_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <string.h>

/* libmnl's iteration reads up to the aligned end of a message; a packet is the last attribute and may end
 * unaligned. */
static int attribute(uint16_t type, const uint8_t *data, size_t len, struct gate_message *m)
{
    struct nfqnl_msg_packet_hdr header;
    uint32_t number;
    switch (type & NLA_TYPE_MASK) {
    case NFQA_PACKET_HDR:
        if (len < sizeof header)
            return -EBADMSG;
        memcpy(&header, data, sizeof header);
        m->id = ntohl(header.packet_id);
        break;
    case NFQA_MARK:
    case NFQA_CAP_LEN:
        if (len < sizeof number)
            return -EBADMSG;
        memcpy(&number, data, sizeof number);
        if ((type & NLA_TYPE_MASK) == NFQA_MARK)
            m->mark = ntohl(number);
        else
            m->total = ntohl(number);
        break;
    case NFQA_PAYLOAD:
        m->data = data;
        m->len = len;
        break;
    default: break;
    }
    return 0;
}

int gate_message_parse(const void *buf, size_t len, struct gate_message *out)
{
    struct nlmsghdr h;
    struct nfgenmsg g;
    memset(out, 0, sizeof *out);
    if (len < sizeof h)
        return -EBADMSG;
    memcpy(&h, buf, sizeof h);
    if (h.nlmsg_len < sizeof h || h.nlmsg_len > len)
        return -EBADMSG;
    if (h.nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
        return 0;
    if (h.nlmsg_len < sizeof h + sizeof g)
        return -EBADMSG;
    memcpy(&g, (const uint8_t *)buf + sizeof h, sizeof g);
    out->queue = ntohs(g.res_id);

    const uint8_t *p = (const uint8_t *)buf + sizeof h + sizeof g, *end = (const uint8_t *)buf + h.nlmsg_len;
    while (p < end) {
        struct nlattr a;
        if ((size_t)(end - p) < sizeof a)
            return -EBADMSG;
        memcpy(&a, p, sizeof a);
        if (a.nla_len < sizeof a || a.nla_len > (size_t)(end - p))
            return -EBADMSG;
        if (attribute(a.nla_type, p + sizeof a, a.nla_len - sizeof a, out))
            return -EBADMSG;
        const size_t step = NLA_ALIGN(a.nla_len);
        p = step < (size_t)(end - p) ? p + step : end;
    }
    if (!out->id)
        return -EBADMSG;
    if (out->total < out->len)
        out->total = out->len;
    return 1;
}
