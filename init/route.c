#include "init/route.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/rtnetlink.h>

#include "init/netlink.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

/* Deleting goes in rounds of what fits one request; a table that never ends is somebody fighting us. */
enum { MAX_ROUNDS = 256, ROUND = 32 };

/* What a dump is compared with. */
struct survey {
    const struct link *link;
    const uint8_t *gateway; /* of this family; NULL: none, and then no route is ours */
    uint8_t family;
    bool have_onlink, have_default;
    unsigned strangers;
    struct nl_request remove; /* RTM_DELROUTE for the first ROUND strangers */
};

static uint32_t table_of(const struct rtmsg *m, struct nl_view attributes)
{
    return nl_find_u32(attributes, RTA_TABLE, m->rtm_table);
}

/* What the kernel takes where none is given. */
static uint32_t metric_of(uint8_t family)
{
    return family == AF_INET6 ? 1024 : 0;
}

/* The kernel's own: which addresses are ours; in IPv4 also broadcast, which the firewall judges. */
static bool is_kernels(const struct rtmsg *m, uint32_t table)
{
    if (m->rtm_family == AF_INET6)
        return table == RT_TABLE_LOCAL && (m->rtm_type == RTN_LOCAL || m->rtm_type == RTN_ANYCAST);
    return table == RT_TABLE_LOCAL && (m->rtm_type == RTN_LOCAL || m->rtm_type == RTN_BROADCAST ||
                                          m->rtm_type == RTN_ANYCAST || m->rtm_type == RTN_MULTICAST);
}

static size_t octets(uint8_t family)
{
    return family == AF_INET6 ? 16 : 4;
}

static bool is_gateway(const struct survey *s, struct nl_view a)
{
    return a.len == octets(s->family) && memcmp(a.data, s->gateway, a.len) == 0;
}

static bool is_ours(struct survey *s, const struct rtmsg *m, struct nl_view v)
{
    if (s->gateway == NULL || table_of(m, v) != RT_TABLE_MAIN || m->rtm_type != RTN_UNICAST ||
        m->rtm_tos != 0 || m->rtm_src_len != 0 || nl_find_u32(v, RTA_OIF, 0) != s->link->index ||
        nl_find(v, RTA_MULTIPATH).data != NULL || nl_find(v, RTA_VIA).data != NULL ||
        nl_find(v, RTA_ENCAP).data != NULL || nl_find_u32(v, RTA_PRIORITY, 0) != metric_of(s->family))
        return false;
    struct nl_view dst = nl_find(v, RTA_DST), via = nl_find(v, RTA_GATEWAY);
    /* IPv6 routes have no scope. */
    if (m->rtm_dst_len == octets(s->family) * 8 && is_gateway(s, dst) && via.data == NULL &&
        (s->family == AF_INET6 || m->rtm_scope == RT_SCOPE_LINK))
        return s->have_onlink = true;
    if (m->rtm_dst_len == 0 && is_gateway(s, via))
        return s->have_default = true;
    return false;
}

/* A loopback interface carries nothing away; unreachable and the like carry nothing at all. */
static bool is_harmless(const struct survey *s, const struct rtmsg *m, struct nl_view v)
{
    if (s->family != AF_INET6)
        return false;
    return nl_find_u32(v, RTA_OIF, 0) == 1 || m->rtm_type == RTN_UNREACHABLE || m->rtm_type == RTN_PROHIBIT ||
           m->rtm_type == RTN_BLACKHOLE;
}

/* The same message comes back as a deletion, without what only describes its state. */
static void queue_removal(struct survey *s, const struct rtmsg *m, struct nl_view v)
{
    static const uint16_t keys[] = {RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE};
    nl_begin(&s->remove, RTM_DELROUTE, NLM_F_ACK, m, sizeof *m);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        struct nl_view a = nl_find(v, keys[i]);
        if (a.data != NULL)
            nl_put(&s->remove, keys[i], a.data, a.len);
    }
}

static int visit_route(const struct nlmsghdr *h, void *arg)
{
    struct survey *s = arg;
    if (h->nlmsg_type != RTM_NEWROUTE)
        return 0;
    struct rtmsg m;
    memcpy(&m, NLMSG_DATA(h), sizeof m);
    struct nl_view v = nl_attributes(h, sizeof m);
    if (m.rtm_family != s->family || (m.rtm_flags & RTM_F_CLONED) != 0)
        return 0;
    if (is_kernels(&m, table_of(&m, v)) || is_ours(s, &m, v) || is_harmless(s, &m, v))
        return 0;
    m.rtm_flags = 0;
    if (s->strangers++ < ROUND)
        queue_removal(s, &m, v);
    return 0;
}

static void survey_routes(int rtnl, struct survey *s, uint8_t family)
{
    struct rtmsg m = {.rtm_family = family};
    struct nl_request r = {0};
    int error;
    nl_begin(&r, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof m);
    do {
        *s = (struct survey){.link = s->link, .gateway = s->gateway, .family = family};
        error = nl_dump(rtnl, &r, visit_route, s);
    } while (error == -EINTR);
    /* A kernel without IPv6 has no IPv6 routes. */
    if (error != 0 && !(family == AF_INET6 && (error == -EOPNOTSUPP || error == -EAFNOSUPPORT)))
        fatal_error(error, "cannot read the routing tables");
}

static void remove_strangers(int rtnl, struct survey *s, uint8_t family)
{
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        survey_routes(rtnl, s, family);
        if (s->strangers == 0)
            return;
        int error = nl_call(rtnl, &s->remove);
        if (error != 0 && error != -ESRCH && error != -ENOENT) /* gone with another: the next round sees */
            fatal_error(error, "cannot delete a route (is CAP_NET_ADMIN there?)");
    }
    fatal("routes come back as they are deleted; something else manages this network");
}

static void add_route(int rtnl, const struct survey *s, bool is_default)
{
    const struct link *link = s->link;
    const size_t len = octets(s->family);
    const bool v4 = s->family == AF_INET;
    struct rtmsg m = {.rtm_family = s->family,
        .rtm_dst_len = is_default ? 0 : (uint8_t)(len * 8),
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = v4 && !is_default ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST};
    struct nl_request r = {0};
    nl_begin(&r, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
    nl_put(&r, is_default ? RTA_GATEWAY : RTA_DST, s->gateway, len);
    nl_put_u32(&r, RTA_OIF, link->index);
    nl_put(&r, RTA_PREFSRC, v4 ? (const void *)&link->addr : link->addr6.b, len);
    if (!v4)
        nl_put_u32(&r, RTA_PRIORITY, metric_of(AF_INET6));
    int error = nl_call(rtnl, &r);
    if (error != 0)
        fatal_error(error, "cannot set the %s%s route on %s (is CAP_NET_ADMIN there?)", v4 ? "" : "IPv6 ",
            is_default ? "default" : "gateway's", link->name);
}

static void check(int rtnl, struct survey *s)
{
    survey_routes(rtnl, s, s->family);
    if (s->strangers != 0 || (s->gateway != NULL && (!s->have_onlink || !s->have_default)))
        fatal("the %s routing table is not what was asked for (%u foreign routes)",
            s->family == AF_INET6 ? "IPv6" : "IPv4", s->strangers);
}

/* One family: what is ours is there, and nothing else. */
static void confine(int rtnl, struct survey *s)
{
    /* The way to the gateway comes first: without it the default route would not be accepted. */
    if (s->gateway != NULL)
        add_route(rtnl, s, false);
    remove_strangers(rtnl, s, s->family);
    if (s->gateway != NULL)
        add_route(rtnl, s, true);
    check(rtnl, s);
}

static void for_both(int rtnl, const struct link *link, const uint32_t *gateway, const struct ipv6 *gateway6,
    void (*act)(int rtnl, struct survey *s))
{
    struct survey v4 = {.link = link, .gateway = (const uint8_t *)gateway, .family = AF_INET};
    struct survey v6 = {
        .link = link, .gateway = ipv6_is_set(gateway6) ? gateway6->b : NULL, .family = AF_INET6};
    act(rtnl, &v4);
    act(rtnl, &v6);
}

void route_confine(int rtnl, const struct link *link, uint32_t gateway, const struct ipv6 *gateway6)
{
    for_both(rtnl, link, &gateway, gateway6, confine);
}

void route_check(int rtnl, const struct link *link, uint32_t gateway, const struct ipv6 *gateway6)
{
    for_both(rtnl, link, &gateway, gateway6, check);
}

int route_try_replace(void)
{
    cleanup_fd int rtnl = nl_open(NETLINK_ROUTE);
    if (rtnl < 0)
        return rtnl;
    /* Were it allowed, this would cut the agent off: the safe way to be wrong. */
    struct rtmsg m = {.rtm_family = AF_INET,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNREACHABLE};
    struct nl_request r = {0};
    nl_begin(&r, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
    return nl_call(rtnl, &r);
}
