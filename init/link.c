#include "init/link.h"

#include <errno.h>
#include <fcntl.h>
#include <endian.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "init/netlink.h"
#include "init/say.h"
#include "init/text.h"
#include "init/base.h"

/* A runtime may wire the network while we already run. */
enum { WAIT_MS = 3000, WAIT_STEP_MS = 10, LINKS_KNOWN = 64 };

struct found_link {
    uint32_t index;
    unsigned flags;
    char name[IFNAMSIZ];
};

struct links {
    struct found_link at[LINKS_KNOWN];
    unsigned n;
};

struct search {
    uint32_t gateway;
    struct link best;
};

static bool in_subnet(uint32_t a, uint32_t b, unsigned prefix)
{
    uint32_t mask = prefix == 0 ? 0 : htobe32(~0u << (32 - prefix));
    return ((a ^ b) & mask) == 0;
}

static int visit_address(const struct nlmsghdr *h, void *arg)
{
    struct search *s = arg;
    if (h->nlmsg_type != RTM_NEWADDR)
        return 0;
    const struct ifaddrmsg *m = NLMSG_DATA(h);
    struct nl_view v = nl_attributes(h, sizeof *m);
    uint32_t local = nl_find_u32(v, IFA_LOCAL, 0);
    /* On a point-to-point link IFA_ADDRESS is the other end, elsewhere it is our own: either way it has the
     * subnet. */
    uint32_t subnet = nl_find_u32(v, IFA_ADDRESS, local);
    if (m->ifa_family != AF_INET || m->ifa_index == 1 || local == s->gateway ||
        !in_subnet(subnet, s->gateway, m->ifa_prefixlen))
        return 0;
    if (s->best.index == 0 || m->ifa_prefixlen > s->best.prefix)
        s->best = (struct link){.index = m->ifa_index, .addr = local, .prefix = m->ifa_prefixlen};
    return 0;
}

static int visit_link(const struct nlmsghdr *h, void *arg)
{
    struct links *l = arg;
    if (h->nlmsg_type != RTM_NEWLINK)
        return 0;
    const struct ifinfomsg *m = NLMSG_DATA(h);
    struct nl_view name = nl_find(nl_attributes(h, sizeof *m), IFLA_IFNAME);
    if (l->n == ARRAY_LEN(l->at))
        return -E2BIG;
    struct found_link *f = &l->at[l->n++];
    *f = (struct found_link){.index = (uint32_t)m->ifi_index, .flags = m->ifi_flags};
    memcpy(f->name, name.data, MIN(name.len, sizeof f->name - 1));
    return 0;
}

static void read_links(int rtnl, struct links *l)
{
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC};
    struct nl_request r = {0};
    int error;
    nl_begin(&r, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
    do {
        l->n = 0;
        error = nl_dump(rtnl, &r, visit_link, l);
    } while (error == -EINTR);
    if (error != 0)
        fatal_error(error, "cannot list the network interfaces");
}

static void set_up(int rtnl, const struct found_link *f, bool up)
{
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC,
        .ifi_index = (int)f->index,
        .ifi_change = IFF_UP,
        .ifi_flags = up ? IFF_UP : 0};
    struct nl_request r = {0};
    nl_begin(&r, RTM_NEWLINK, NLM_F_ACK, &m, sizeof m);
    int error = nl_call(rtnl, &r);
    if (error != 0)
        fatal_error(
            error, "cannot set interface %s %s (is CAP_NET_ADMIN there?)", f->name, up ? "up" : "down");
}

static void find_agent_link(int rtnl, uint32_t gateway, struct link *out)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    for (unsigned waited = 0; waited <= WAIT_MS; waited += WAIT_STEP_MS) {
        struct search s = {.gateway = gateway};
        struct ifaddrmsg m = {.ifa_family = AF_INET};
        struct nl_request r = {0};
        nl_begin(&r, RTM_GETADDR, NLM_F_DUMP, &m, sizeof m);
        int error = nl_dump(rtnl, &r, visit_address, &s);
        if (error != 0 && error != -EINTR)
            fatal_error(error, "cannot list the addresses");
        if (error == 0 && s.best.index != 0) {
            *out = s.best;
            return;
        }
        (void)nanosleep(&step, NULL);
    }
    char text[IPV4_STRLEN];
    fatal("no interface has an address in the subnet of gateway %s; check --gateway and the agent's network",
        ipv4_format(gateway, text));
}

/* What should be up is, and all else is down. Returns how many links had to be changed. */
static unsigned sort_links(int rtnl, struct link *agent, bool check_only)
{
    struct links l;
    unsigned changed = 0;
    read_links(rtnl, &l);
    for (unsigned i = 0; i < l.n; i++) {
        struct found_link *f = &l.at[i];
        bool wanted = f->index == agent->index || (f->flags & IFF_LOOPBACK) != 0;
        if (f->index == agent->index)
            memcpy(agent->name, f->name, sizeof agent->name);
        if (wanted == ((f->flags & IFF_UP) != 0))
            continue;
        changed++;
        if (check_only)
            fatal("interface %s is still %s", f->name, wanted ? "down" : "up");
        set_up(rtnl, f, wanted);
        if (!wanted)
            say("interface %s was up beside %s: set down", f->name,
                agent->name[0] != '\0' ? agent->name : "the agent's");
    }
    return changed;
}

void link_confine(int rtnl, uint32_t gateway, struct link *out)
{
    find_agent_link(rtnl, gateway, out);
    if (sort_links(rtnl, out, false) > 0)
        (void)sort_links(rtnl, out, true);
}

/* Best effort: /proc/sys may be read-only or missing. */
static void write_sysctl(const char *dir, const char *name, const char *value)
{
    TEXT(path, 128);
    text_fmt(&path, "/proc/sys/net/ipv6/conf/%s/%s", dir, name);
    cleanup_fd int fd = open(path.data, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, value, strlen(value));
        (void)n;
    }
}

struct ipv6_addresses {
    struct nl_request remove; /* one RTM_DELADDR for each */
    unsigned n;
};

static int visit_ipv6_address(const struct nlmsghdr *h, void *arg)
{
    struct ipv6_addresses *a = arg;
    if (h->nlmsg_type != RTM_NEWADDR)
        return 0;
    struct ifaddrmsg m;
    memcpy(&m, NLMSG_DATA(h), sizeof m);
    struct nl_view v = nl_find(nl_attributes(h, sizeof m), IFA_ADDRESS);
    if (m.ifa_family != AF_INET6 || m.ifa_index == 1 || v.data == NULL)
        return 0;
    struct ifaddrmsg which = {
        .ifa_family = AF_INET6, .ifa_prefixlen = m.ifa_prefixlen, .ifa_index = m.ifa_index};
    nl_begin(&a->remove, RTM_DELADDR, NLM_F_ACK, &which, sizeof which);
    nl_put(&a->remove, IFA_LOCAL, v.data, v.len);
    a->n++;
    return 0;
}

static void list_ipv6(int rtnl, struct ipv6_addresses *a)
{
    struct ifaddrmsg m = {.ifa_family = AF_INET6};
    struct nl_request r = {0};
    int error;
    nl_begin(&r, RTM_GETADDR, NLM_F_DUMP, &m, sizeof m);
    do {
        memset(a, 0, sizeof *a);
        error = nl_dump(rtnl, &r, visit_ipv6_address, a);
    } while (error == -EINTR);
    if (error != 0)
        fatal_error(error, "cannot list the IPv6 addresses");
}

void link_close_ipv6(int rtnl, const struct link *link)
{
    /* Not conf/all: that takes ::1 from loopback as well, where programs listen. */
    static const char *const dirs[] = {"default", NULL};
    for (unsigned i = 0; i < ARRAY_LEN(dirs); i++) {
        const char *dir = dirs[i] != NULL ? dirs[i] : link->name;
        write_sysctl(dir, "accept_ra", "0");
        write_sysctl(dir, "autoconf", "0");
        write_sysctl(dir, "disable_ipv6", "1");
    }
    /* Works with a read-only /proc/sys: no link-local address comes back on this interface. Kernels without
     * IPv6 refuse it, and have no need of it. */
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = (int)link->index};
    struct nl_request r = {0};
    nl_begin(&r, RTM_NEWLINK, NLM_F_ACK, &m, sizeof m);
    size_t spec = nl_nest(&r, IFLA_AF_SPEC | NLA_F_NESTED), inet6 = nl_nest(&r, AF_INET6 | NLA_F_NESTED);
    uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    nl_put(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    nl_nest_end(&r, inet6);
    nl_nest_end(&r, spec);
    (void)nl_call(rtnl, &r);

    struct ipv6_addresses a;
    list_ipv6(rtnl, &a);
    if (a.n == 0)
        return;
    (void)nl_call(rtnl, &a.remove); /* an address may have gone by itself: only what is left counts */
    list_ipv6(rtnl, &a);
    if (a.n > 0)
        fatal("cannot remove the IPv6 addresses of interface %s", link->name);
}

static struct ipv6 with_suffix(const uint8_t prefix[static 8], uint32_t suffix)
{
    struct ipv6 a = {{0}};
    memcpy(a.b, prefix, 8);
    memcpy(a.b + 12, &suffix, sizeof suffix);
    return a;
}

static void add_ipv6(int rtnl, const struct link *link, const struct ipv6 *addr)
{
    /* Nobody else is asked whether the address is free: it is ours to give. */
    static const uint32_t flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT;
    struct ifaddrmsg m = {.ifa_family = AF_INET6, .ifa_prefixlen = 128, .ifa_index = link->index};
    struct nl_request r = {0};
    char text[IPV6_STRLEN];
    nl_begin(&r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
    nl_put(&r, IFA_LOCAL, addr->b, sizeof addr->b);
    nl_put(&r, IFA_ADDRESS, addr->b, sizeof addr->b);
    nl_put_u32(&r, IFA_FLAGS, flags);
    int error = nl_call(rtnl, &r);
    if (error != 0)
        fatal_error(error, "cannot set the address %s on %s (is IPv6 switched off here?)",
            ipv6_format(addr, text), link->name);
}

/* None is right without a gateway; with one, ours and the link-local one. */
static void check_ipv6(int rtnl, const struct link *link)
{
    struct ipv6_addresses a;
    const unsigned wanted = ipv6_is_set(&link->addr6) ? 2 : 0;
    list_ipv6(rtnl, &a);
    if (a.n != wanted)
        fatal("interface %s has %u IPv6 addresses instead of %u", link->name, a.n, wanted);
}

void link_check(int rtnl, uint32_t gateway, const struct ipv6 *gateway6, struct link *out)
{
    find_agent_link(rtnl, gateway, out);
    if (ipv6_is_set(gateway6))
        out->addr6 = with_suffix(gateway6->b, out->addr);
    (void)sort_links(rtnl, out, true);
    check_ipv6(rtnl, out);
}

void link_open_ipv6(int rtnl, struct link *link, const struct ipv6 *gateway)
{
    static const uint8_t link_local[8] = {0xfe, 0x80};
    link->addr6 = with_suffix(gateway->b, link->addr);
    if (memcmp(link->addr6.b, gateway->b, sizeof gateway->b) == 0)
        fatal("the IPv6 gateway has the address that is ours; give it another in that /64");
    const struct ipv6 local = with_suffix(link_local, link->addr);
    write_sysctl(link->name, "disable_ipv6", "0");
    add_ipv6(rtnl, link, &local);
    add_ipv6(rtnl, link, &link->addr6);
    check_ipv6(rtnl, link);
}
