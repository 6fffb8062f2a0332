/* NFQUEUE: the socket that engines read, the verdicts that the monitor sends on it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/ipc.h"
#include "appliance/netfilter_internal.h"
#include "lib/base.h"

/* Octets of a packet that are copied: headers, and a whole QUIC Initial of any usual MTU. */
#define COPY_RANGE 2048
/* What may wait for a verdict is bounded by the socket's buffer, some thousands of packets: what the kernel
 * then drops has been numbered already, so that the gate sees from the gap how many there were. */
#define QUEUE_RCVBUF (8 * 1024 * 1024)
#define QUEUE_LENGTH 1000000u

static struct nlmsghdr *put_header(char *buf, unsigned type, unsigned queue)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
    h->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    g->nfgen_family = AF_UNSPEC;
    g->version = NFNETLINK_V0;
    g->res_id = htons((uint16_t)queue);
    return h;
}

static int configure(struct mnl_socket *nl, unsigned num)
{
    char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = put_header(buf, NFQNL_MSG_CONFIG, num);
    h->nlmsg_flags |= NLM_F_ACK;
    const struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_BIND};
    mnl_attr_put(h, NFQA_CFG_CMD, sizeof cmd, &cmd);
    const struct nfqnl_msg_config_params params = {
        .copy_range = htonl(COPY_RANGE), .copy_mode = NFQNL_COPY_PACKET};
    mnl_attr_put(h, NFQA_CFG_PARAMS, sizeof params, &params);
    mnl_attr_put_u32(h, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_LENGTH));
    /* Closed when full, whatever the kernel's default is or becomes. */
    mnl_attr_put_u32(h, NFQA_CFG_FLAGS, 0);
    mnl_attr_put_u32(h, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
    if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
        return -errno;
    char answer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t n = mnl_socket_recvfrom(nl, answer, sizeof answer);
    const struct nlmsghdr *r = (const void *)answer;
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(r);
    if (n < 0)
        return -errno;
    return r->nlmsg_type == NLMSG_ERROR ? e->error : -EIO;
}

static int open_once(const void *arg)
{
    const unsigned num = *(const unsigned *)arg;
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!nl)
        return -errno;
    const int size = QUEUE_RCVBUF;
    (void)setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    int err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : configure(nl, num);
    /* The library's object has no way to give up its descriptor; a duplicate is the same socket. */
    int fd = err ? err : fcntl(mnl_socket_get_fd(nl), F_DUPFD_CLOEXEC, 3);
    if (fd < 0 && !err)
        fd = -errno;
    (void)mnl_socket_close(nl);
    if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        err = -errno;
        (void)close(fd);
        return err;
    }
    return fd == -EPERM ? -EBUSY : fd; /* what the kernel says of a queue that somebody else has */
}

int netfilter_open_queue(unsigned num)
{
    return netfilter_retry_busy(open_once, &num);
}

int netfilter_verdict(int queue_fd, const struct ipc_verdict *v)
{
    const bool known = v->mark == MARK_RELAY || v->mark == MARK_FORWARD || v->mark == MARK_REFUSE;
    char buf[128] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = put_header(buf, NFQNL_MSG_VERDICT, v->queue);
    const struct nfqnl_msg_verdict_hdr hdr = {
        .verdict = htonl(known ? NF_ACCEPT : NF_DROP), .id = htonl(v->packet_id)};
    mnl_attr_put(h, NFQA_VERDICT_HDR, sizeof hdr, &hdr);
    if (known)
        mnl_attr_put_u32(h, NFQA_MARK, htonl(v->mark));
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(queue_fd, h, h->nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof kernel) < 0)
        return -errno;
    return 0;
}
