#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "appliance/gate_message.h"

static size_t message(char *buf, unsigned type, const void *payload, size_t n, uint32_t cap)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->res_id = htons(8);
    struct nfqnl_msg_packet_hdr p = {.packet_id = htonl(4711)};
    mnl_attr_put(h, NFQA_PACKET_HDR, sizeof p, &p);
    mnl_attr_put_u32(h, NFQA_MARK, htonl(0x45470010));
    if (cap)
        mnl_attr_put_u32(h, NFQA_CAP_LEN, htonl(cap));
    mnl_attr_put(h, NFQA_PAYLOAD, n, payload);
    return h->nlmsg_len;
}

Test(gate_message, a_packet)
{
    char buf[512] __attribute__((aligned(8)));
    struct gate_message m;
    size_t n = message(buf, NFQNL_MSG_PACKET, "hello", 5, 0);
    cr_assert_eq(gate_message_parse(buf, n, &m), 1);
    cr_assert_eq(m.id, 4711);
    cr_assert_eq(m.queue, 8);
    cr_assert_eq(m.mark, 0x45470010);
    cr_assert_eq(m.len, 5);
    cr_assert_eq(m.total, 5);
    cr_assert_arr_eq(m.data, "hello", 5);
    n = message(buf, NFQNL_MSG_PACKET, "hello", 5, 1500);
    cr_assert_eq(gate_message_parse(buf, n, &m), 1);
    cr_assert_eq(m.total, 1500);
}

Test(gate_message, others_and_cut_ones)
{
    char buf[512] __attribute__((aligned(8)));
    struct gate_message m;
    size_t n = message(buf, NFQNL_MSG_VERDICT, "hello", 5, 0);
    cr_assert_eq(gate_message_parse(buf, n, &m), 0);
    n = message(buf, NFQNL_MSG_PACKET, "hello", 5, 0);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(gate_message_parse(buf, i, &m), -EBADMSG);
    struct nlmsghdr *h = (void *)buf;
    h->nlmsg_len = 0x80000010; /* a negative length, to whoever reads it as an int */
    cr_assert_eq(gate_message_parse(buf, n, &m), -EBADMSG);
    h->nlmsg_len = NLMSG_HDRLEN; /* no header of nfnetlink's */
    cr_assert_eq(gate_message_parse(buf, n, &m), -EBADMSG);
}
