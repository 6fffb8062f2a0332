#include "appliance/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base.h"

struct default_route {
    unsigned only; /* the one interface that counts; 0: any */
    unsigned ifindex; /* 0: none yet */
    uint32_t metric;
};

static int route_attr(const struct nlattr *a, void *data)
{
    const struct nlattr **table = data;
    if (mnl_attr_type_valid(a, RTA_MAX) >= 0)
        table[mnl_attr_get_type(a)] = a;
    return MNL_CB_OK;
}

/** Keeps the default route of the main table with the least metric. */
static int route_entry(const struct nlmsghdr *head, void *data)
{
    struct default_route *best = data;
    const struct rtmsg *r = mnl_nlmsg_get_payload(head);
    const struct nlattr *attrs[RTA_MAX + 1] = {0};
    if (r->rtm_dst_len != 0 || r->rtm_table != RT_TABLE_MAIN || r->rtm_type != RTN_UNICAST)
        return MNL_CB_OK;
    if (mnl_attr_parse(head, sizeof *r, route_attr, attrs) < 0 || !attrs[RTA_OIF])
        return MNL_CB_OK;
    uint32_t metric = attrs[RTA_PRIORITY] ? mnl_attr_get_u32(attrs[RTA_PRIORITY]) : 0;
    unsigned ifindex = mnl_attr_get_u32(attrs[RTA_OIF]);
    if (best->only && ifindex != best->only)
        return MNL_CB_OK;
    if (best->ifindex == 0 || metric < best->metric)
        *best = (struct default_route){best->only, ifindex, metric};
    return MNL_CB_OK;
}

static int dump_routes(struct mnl_socket *s, uint8_t family, struct default_route *best)
{
    char buf[KIB(16)];
    struct nlmsghdr *head = mnl_nlmsg_put_header(buf);
    head->nlmsg_type = RTM_GETROUTE;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    head->nlmsg_seq = 1;
    struct rtmsg *r = mnl_nlmsg_put_extra_header(head, sizeof *r);
    r->rtm_family = family;
    if (mnl_socket_sendto(s, head, head->nlmsg_len) < 0)
        return -errno;
    int more = MNL_CB_OK;
    while (more > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(s, buf, sizeof buf);
        if (n < 0)
            return -errno;
        more = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), route_entry, best);
    }
    return more < 0 ? -errno : 0;
}

static int default_route(uint8_t family, struct default_route *best)
{
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!s)
        return -errno;
    int err = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump_routes(s, family, best);
    mnl_socket_close(s);
    return err;
}

static int find_uplink(char out[static IF_NAMESIZE], char *err, size_t errlen)
{
    struct default_route best = {0};
    int r = default_route(AF_INET, &best);
    if (r == 0 && (best.ifindex == 0 || !if_indextoname(best.ifindex, out))) {
        (void)snprintf(err, errlen,
            "there is no IPv4 default route; add one, or say --uplink-if IF where the uplink comes later");
        return -ENODEV;
    }
    if (r < 0)
        (void)snprintf(err, errlen, "cannot read the routes: %s", strerror(-r));
    return r;
}

static int find_agent(const struct ifaddrs *list, struct uplink *u, char *err, size_t errlen)
{
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
            !strcmp(i->ifa_name, u->uplink_if) || !strcmp(i->ifa_name, u->agent_if))
            continue;
        if (u->agent_if[0]) {
            (void)snprintf(
                err, errlen, "the agent may be on %s or on %s; say --agent-if IF", u->agent_if, i->ifa_name);
            return -EINVAL;
        }
        (void)snprintf(u->agent_if, sizeof u->agent_if, "%s", i->ifa_name);
    }
    if (u->agent_if[0])
        return 0;
    (void)snprintf(err, errlen,
        "no interface but the uplink (%s) has an IPv4 address; attach the agent's network, or say --agent-if "
        "IF",
        u->uplink_if);
    return -ENODEV;
}

static int find_self(const struct ifaddrs *list, struct uplink *u, char *err, size_t errlen)
{
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct endpoint ep;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !strcmp(i->ifa_name, u->agent_if) &&
            addr_from_sockaddr(i->ifa_addr, &ep)) {
            u->self4 = ep.addr;
            return 0;
        }
    }
    (void)snprintf(err, errlen, "%s has no IPv4 address; give it one before egressd starts", u->agent_if);
    return -EADDRNOTAVAIL;
}

/* An address of the interface that is worth something beyond its link: global or unique local. */
static bool find_v6(const struct ifaddrs *list, const char *ifname, struct addr *out)
{
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct endpoint ep;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6 && !strcmp(i->ifa_name, ifname) &&
            addr_from_sockaddr(i->ifa_addr, &ep) && !addr_is_never(&ep.addr)) {
            *out = ep.addr;
            return true;
        }
    }
    return false;
}

static void find_ipv6(const struct ifaddrs *list, struct uplink *u)
{
    struct addr up;
    struct default_route best = {.only = if_nametoindex(u->uplink_if)};
    u->ipv6 = find_v6(list, u->uplink_if, &up) && find_v6(list, u->agent_if, &u->self6) &&
              default_route(AF_INET6, &best) == 0 && best.ifindex != 0;
    if (!u->ipv6)
        u->self6 = (struct addr){0};
}

static int given(const char *name, char out[static IF_NAMESIZE], char *err, size_t errlen)
{
    if (!name)
        return 0;
    if (if_nametoindex(name) == 0) {
        (void)snprintf(err, errlen, "there is no interface %.32s here; `ip link` lists them", name);
        return -ENODEV;
    }
    (void)snprintf(out, IF_NAMESIZE, "%s", name);
    return 0;
}

int uplink_find(const char *agent_if, const char *uplink_if, struct uplink *out, char *err, size_t errlen)
{
    struct ifaddrs *list = NULL;
    *out = (struct uplink){0};
    int r = given(agent_if, out->agent_if, err, errlen);
    if (r == 0)
        r = given(uplink_if, out->uplink_if, err, errlen);
    if (r == 0 && !uplink_if)
        r = find_uplink(out->uplink_if, err, errlen);
    if (r < 0)
        return r;
    if (!strcmp(out->agent_if, out->uplink_if)) {
        (void)snprintf(err, errlen, "%s cannot be both the agent's interface and the uplink", out->uplink_if);
        return -EINVAL;
    }
    if (!strcmp(out->agent_if, "lo") || !strcmp(out->uplink_if, "lo")) {
        (void)snprintf(
            err, errlen, "lo is neither the agent's interface nor the uplink; `ip link` lists others");
        return -EINVAL;
    }
    if (getifaddrs(&list) < 0) {
        r = -errno;
        (void)snprintf(err, errlen, "cannot list the interfaces: %s", strerror(-r));
        return r;
    }
    if (!agent_if)
        r = find_agent(list, out, err, errlen);
    if (r == 0)
        r = find_self(list, out, err, errlen);
    if (r == 0)
        find_ipv6(list, out);
    freeifaddrs(list);
    return r;
}
