/* Policy routing for TPROXY (ip rule fwmark, ip route local default) and forwarding, by rtnetlink: neither
 * the `ip` program nor a writable /proc/sys is needed. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "appliance/netfilter_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define REQUEST_MAX 512

/* Sends one request and waits for the kernel's answer. 0 or -errno. */
static int request(struct nlmsghdr *h)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!nl)
        return -errno;
    h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    char buf[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    int err = -EIO;
    if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, h, h->nlmsg_len) < 0) {
        err = -errno;
    } else {
        ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
        const struct nlmsghdr *r = (const void *)buf;
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(r);
        if (n < 0)
            err = -errno;
        else if (mnl_nlmsg_ok(r, (int)n) && r->nlmsg_type == NLMSG_ERROR)
            err = e->error;
    }
    (void)mnl_socket_close(nl);
    return err;
}

static int add_rule(uint8_t family)
{
    char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = RTM_NEWRULE;
    h->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
    struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof *r);
    r->family = family;
    r->action = FR_ACT_TO_TBL;
    r->table = RT_TABLE_UNSPEC; /* too large for this field: FRA_TABLE has it */
    mnl_attr_put_u32(h, FRA_PRIORITY, NETFILTER_ROUTE_PREF);
    mnl_attr_put_u32(h, FRA_FWMARK, MARK_TPROXY);
    mnl_attr_put_u32(h, FRA_FWMASK, UINT32_MAX);
    mnl_attr_put_u32(h, FRA_TABLE, NETFILTER_ROUTE_TABLE);
    return request(h);
}

static int add_route(uint8_t family)
{
    char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = RTM_NEWROUTE;
    h->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
    struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof *r);
    r->rtm_family = family;
    r->rtm_table = RT_TABLE_UNSPEC;
    r->rtm_protocol = RTPROT_STATIC;
    r->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    r->rtm_type = RTN_LOCAL;
    mnl_attr_put_u32(h, RTA_TABLE, NETFILTER_ROUTE_TABLE);
    mnl_attr_put_u32(h, RTA_OIF, if_nametoindex("lo"));
    return request(h);
}

/* A container's lo may be down, and a route through it then impossible. */
static int lo_up(void)
{
    char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = RTM_NEWLINK;
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof *i);
    i->ifi_family = AF_UNSPEC;
    i->ifi_index = (int)if_nametoindex("lo");
    i->ifi_flags = i->ifi_change = IFF_UP;
    return request(h);
}

/* net.ipv4.conf.IF.KEY, as `ip` cannot do it but netlink can. */
static int set_ipv4_conf(const char *ifname, int key, uint32_t value)
{
    char buf[REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
    h->nlmsg_type = RTM_SETLINK;
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof *i);
    i->ifi_family = AF_UNSPEC;
    i->ifi_index = (int)if_nametoindex(ifname);
    if (!i->ifi_index)
        return -errno;
    struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
    struct nlattr *inet = mnl_attr_nest_start(h, AF_INET);
    struct nlattr *conf = mnl_attr_nest_start(h, IFLA_INET_CONF);
    mnl_attr_put_u32(h, (uint16_t)key, value);
    mnl_attr_nest_end(h, conf);
    mnl_attr_nest_end(h, inet);
    mnl_attr_nest_end(h, spec);
    return request(h);
}

/* IPv6 has no such message; where /proc/sys is read-only only IPv6 udp routes are lost. */
static int set_ipv6_forwarding(void)
{
    cleanup_fd int fd = open("/proc/sys/net/ipv6/conf/all/forwarding", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, "1", 1) == 1 ? 0 : -errno;
}

static int set_forwarding(const struct netfilter_config *c, bool on)
{
    const char *const ifs[] = {c->agent_if, c->uplink_if};
    for (size_t i = 0; i < ARRAY_LEN(ifs); i++) {
        int err = set_ipv4_conf(ifs[i], IPV4_DEVCONF_FORWARDING, on);
        if (err && on)
            return err;
        /* The agent has one router; telling it of another would be an invitation. */
        if (on)
            (void)set_ipv4_conf(ifs[i], IPV4_DEVCONF_SEND_REDIRECTS, 0);
    }
    if (on && c->caps.ipv6) {
        int err = set_ipv6_forwarding();
        if (err)
            log_warn("udp routes will not work over IPv6: forwarding cannot be switched on here: %s",
                strerror(-err));
    }
    return 0;
}

/* Refusals are ICMP errors to one peer, of which the kernel sends one a second by default: the rest of a
 * burst would be silence, which no client understands. Where /proc/sys is read-only that is what is left; TCP
 * is not concerned. */
static void answer_every_refusal(void)
{
    static const char *const keys[] = {
        "/proc/sys/net/ipv4/icmp_ratelimit", "/proc/sys/net/ipv6/icmp/ratelimit"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        cleanup_fd int fd = open(keys[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            log_debug("%s: %s", keys[i], strerror(errno));
    }
}

static int add(uint8_t family)
{
    int err = add_rule(family);
    if (err && err != -EEXIST)
        return err;
    err = add_route(family);
    return err == -EEXIST ? 0 : err;
}

int netfilter_route_apply(const struct netfilter_config *c, bool forward)
{
    int err = lo_up();
    /* Never the other way round: 127/8 stays where it belongs, even if the image's defaults say otherwise. */
    if (!err)
        err = set_ipv4_conf(c->agent_if, IPV4_DEVCONF_ROUTE_LOCALNET, 0);
    if (!err && c->caps.intercept != INTERCEPT_REDIRECT) {
        err = add(AF_INET);
        if (!err && c->caps.ipv6)
            err = add(AF_INET6);
    }
    answer_every_refusal();
    return err ? err : set_forwarding(c, forward);
}
