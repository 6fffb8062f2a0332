#include "hostctl/netns_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base.h"

#define REPLY_MAX KIB(32)

/** A request under construction. Attributes that do not fit set `full`, looked at once, when it is sent. */
struct request {
    union {
        struct nlmsghdr h;
        char buf[1024];
    } u;
    bool full;
};

static void *body(struct request *r, uint16_t type, uint16_t flags, size_t len)
{
    memset(r, 0, sizeof *r);
    r->u.h.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
    r->u.h.nlmsg_type = type;
    r->u.h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    return NLMSG_DATA(&r->u.h);
}

static struct rtattr *put(struct request *r, unsigned short type, const void *data, size_t len)
{
    size_t at = NLMSG_ALIGN(r->u.h.nlmsg_len);
    if (at + RTA_SPACE(len) > sizeof r->u.buf) {
        r->full = true;
        return NULL;
    }
    struct rtattr *a = (struct rtattr *)(void *)(r->u.buf + at);
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len)
        memcpy(RTA_DATA(a), data, len);
    r->u.h.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
    return a;
}

static void put_u32(struct request *r, unsigned short type, uint32_t v)
{
    (void)put(r, type, &v, sizeof v);
}

static void put_str(struct request *r, unsigned short type, const char *s)
{
    (void)put(r, type, s, strlen(s) + 1);
}

static struct rtattr *nest(struct request *r, unsigned short type)
{
    return put(r, type, NULL, 0);
}

static void nest_end(struct request *r, struct rtattr *a)
{
    if (a)
        a->rta_len = (unsigned short)(r->u.buf + r->u.h.nlmsg_len - (char *)a);
}

int link_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? -errno : fd;
}

int link_open_in(int netns)
{
    cleanup_fd int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (here < 0 || setns(netns, CLONE_NEWNET))
        return -errno;
    int fd = link_open();
    /* Going on in the wrong namespace would be worse than stopping. */
    if (setns(here, CLONE_NEWNET))
        abort();
    return fd;
}

typedef int reply_fn(const struct nlmsghdr *h, void *arg);

/* Reads until the acknowledgement or the end of a dump. */
static int receive(int nl, reply_fn *fn, void *arg)
{
    char buf[REPLY_MAX] __attribute__((aligned(8)));
    for (;;) {
        ssize_t n = recv(nl, buf, sizeof buf, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
            int err = fn ? fn(h, arg) : 0;
            if (err)
                return err;
        }
    }
}

static int ask(int nl, struct request *r, reply_fn *fn, void *arg)
{
    if (r->full)
        return -EMSGSIZE;
    if (send(nl, r->u.buf, r->u.h.nlmsg_len, 0) < 0)
        return -errno;
    return receive(nl, fn, arg);
}

int link_veth(int nl, const char *name, const char *peer, int peer_netns, unsigned mtu)
{
    static const struct ifinfomsg unspecified;
    struct request r;
    (void)body(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    put_str(&r, IFLA_IFNAME, name);
    put_u32(&r, IFLA_MTU, mtu);
    struct rtattr *info = nest(&r, IFLA_LINKINFO);
    put_str(&r, IFLA_INFO_KIND, "veth");
    struct rtattr *data = nest(&r, IFLA_INFO_DATA);
    struct rtattr *other = put(&r, VETH_INFO_PEER, &unspecified, sizeof unspecified);
    put_str(&r, IFLA_IFNAME, peer);
    put_u32(&r, IFLA_MTU, mtu);
    put_u32(&r, IFLA_NET_NS_FD, (uint32_t)peer_netns);
    nest_end(&r, other);
    nest_end(&r, data);
    nest_end(&r, info);
    return ask(nl, &r, NULL, NULL);
}

static int take_index(const struct nlmsghdr *h, void *arg)
{
    if (h->nlmsg_type == RTM_NEWLINK)
        *(int *)arg = ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
    return 0;
}

int link_index(int nl, const char *name)
{
    struct request r;
    int index = -ENODEV;
    (void)body(&r, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    put_str(&r, IFLA_IFNAME, name);
    int err = ask(nl, &r, take_index, &index);
    return err ? err : index;
}

int link_delete(int nl, const char *name)
{
    struct request r;
    (void)body(&r, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    put_str(&r, IFLA_IFNAME, name);
    return ask(nl, &r, NULL, NULL);
}

int link_address(int nl, int index, struct subnet s)
{
    struct request r;
    struct ifaddrmsg *m = body(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *m);
    m->ifa_family = AF_INET;
    m->ifa_prefixlen = (uint8_t)s.len;
    m->ifa_index = (uint32_t)index;
    put_u32(&r, IFA_LOCAL, htonl(s.addr));
    put_u32(&r, IFA_ADDRESS, htonl(s.addr));
    return ask(nl, &r, NULL, NULL);
}

static struct ifinfomsg *set_link(struct request *r, int index)
{
    struct ifinfomsg *m = body(r, RTM_NEWLINK, 0, sizeof *m);
    m->ifi_index = index;
    return m;
}

int link_up(int nl, int index)
{
    struct request r;
    struct ifinfomsg *m = set_link(&r, index);
    m->ifi_flags = IFF_UP;
    m->ifi_change = IFF_UP;
    return ask(nl, &r, NULL, NULL);
}

int link_no_ipv6_address(int nl, int index)
{
    struct request r;
    uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    (void)set_link(&r, index);
    struct rtattr *spec = nest(&r, IFLA_AF_SPEC), *v6 = nest(&r, AF_INET6);
    (void)put(&r, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
    nest_end(&r, v6);
    nest_end(&r, spec);
    return ask(nl, &r, NULL, NULL);
}

int link_set_forwarding(int nl, int index, bool on)
{
    struct request r;
    (void)set_link(&r, index);
    struct rtattr *spec = nest(&r, IFLA_AF_SPEC), *v4 = nest(&r, AF_INET), *conf = nest(&r, IFLA_INET_CONF);
    put_u32(&r, IPV4_DEVCONF_FORWARDING, on);
    nest_end(&r, conf);
    nest_end(&r, v4);
    nest_end(&r, spec);
    return ask(nl, &r, NULL, NULL);
}

int link_default_route(int nl, uint32_t gateway)
{
    struct request r;
    struct rtmsg *m = body(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *m);
    m->rtm_family = AF_INET;
    m->rtm_table = RT_TABLE_MAIN;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_UNICAST;
    put_u32(&r, RTA_GATEWAY, htonl(gateway));
    return ask(nl, &r, NULL, NULL);
}

int link_address6(int nl, int index, const struct ip6 *ip, unsigned len)
{
    struct request r;
    struct ifaddrmsg *m = body(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *m);
    m->ifa_family = AF_INET6;
    m->ifa_prefixlen = (uint8_t)len;
    m->ifa_index = (uint32_t)index;
    (void)put(&r, IFA_LOCAL, ip->b, sizeof ip->b);
    (void)put(&r, IFA_ADDRESS, ip->b, sizeof ip->b);
    put_u32(&r, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT | (len == 128 ? IFA_F_NOPREFIXROUTE : 0));
    return ask(nl, &r, NULL, NULL);
}

int link_default_route6(int nl, int index, const struct ip6 *gateway)
{
    struct request r;
    struct rtmsg *m = body(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *m);
    m->rtm_family = AF_INET6;
    m->rtm_table = RT_TABLE_MAIN;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_UNICAST;
    (void)put(&r, RTA_GATEWAY, gateway->b, sizeof gateway->b);
    put_u32(&r, RTA_OIF, (uint32_t)index);
    return ask(nl, &r, NULL, NULL);
}

char *ip6_format(const struct ip6 *ip, char out[static IP6_STRLEN])
{
    if (!inet_ntop(AF_INET6, ip->b, out, IP6_STRLEN))
        out[0] = 0;
    return out;
}

struct route_list {
    struct subnet *s;
    size_t n, room;
};

static const struct rtattr *find(const struct nlmsghdr *h, const struct rtattr *a, unsigned short type)
{
    size_t left = h->nlmsg_len - (size_t)((const char *)a - (const char *)h);
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == type)
            return a;
    return NULL;
}

static int take_route(const struct nlmsghdr *h, void *arg)
{
    struct route_list *l = arg;
    const struct rtmsg *m = NLMSG_DATA(h);
    const struct rtattr *dst = find(h, RTM_RTA(m), RTA_DST);
    uint32_t ip;
    if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_dst_len == 0 || !dst)
        return 0;
    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        struct subnet *s = realloc(l->s, l->room * sizeof *s);
        if (!s)
            return -ENOMEM;
        l->s = s;
    }
    memcpy(&ip, RTA_DATA(dst), sizeof ip);
    l->s[l->n++] = (struct subnet){ntohl(ip), m->rtm_dst_len};
    return 0;
}

int link_routes(int nl, struct subnet **out, size_t *n)
{
    struct request r;
    struct route_list l = {0};
    struct rtmsg *m = body(&r, RTM_GETROUTE, NLM_F_DUMP, sizeof *m);
    m->rtm_family = AF_INET;
    int err = ask(nl, &r, take_route, &l);
    if (err) {
        free(l.s);
        l = (struct route_list){0};
    }
    *out = l.s;
    *n = l.n;
    return err;
}

static int take_oif(const struct nlmsghdr *h, void *arg)
{
    const struct rtattr *oif = find(h, RTM_RTA((const struct rtmsg *)NLMSG_DATA(h)), RTA_OIF);
    if (h->nlmsg_type == RTM_NEWROUTE && oif)
        memcpy(arg, RTA_DATA(oif), sizeof(int));
    return 0;
}

int link_route_to(int nl, uint32_t dst)
{
    struct request r;
    int index = -ENETUNREACH;
    struct rtmsg *m = body(&r, RTM_GETROUTE, 0, sizeof *m);
    m->rtm_family = AF_INET;
    m->rtm_dst_len = 32;
    put_u32(&r, RTA_DST, htonl(dst));
    int err = ask(nl, &r, take_oif, &index);
    return err ? err : index;
}

bool subnet_overlaps(struct subnet a, struct subnet b)
{
    unsigned len = MIN(a.len, b.len);
    return len == 0 || (a.addr ^ b.addr) >> (32 - len) == 0;
}

char *ip4_format(uint32_t ip, char out[static IP4_STRLEN])
{
    (void)snprintf(out, IP4_STRLEN, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    return out;
}
