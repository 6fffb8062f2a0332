#include "hostctl/netns_net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostctl/netns_forward.h"
#include "hostctl/netns_net6.h"
#include "hostctl/netns_nft.h"
#include "hostctl/netns_uplink.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

#define PAIR_LEN 30 /* prefix length of both networks: two addresses each */
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
/* Any address that only a default route leads to. */
#define SOMEWHERE IP(198, 41, 0, 4)
#define MTU_DEFAULT 1500

/* Where the pairs to the sidecars are taken from, in this order, one /30 each. The last sixteenth of the
 * shared address space (RFC 6598) is rarely used; the others are for hosts where it is. */
static const struct subnet uplink_pools[] = {
    {IP(100, 127, 0, 0), 16}, {IP(10, 213, 0, 0), 16}, {IP(172, 29, 0, 0), 16}, {IP(192, 168, 213, 0), 24}};
/* The agent network is the same in every sandbox, unless the host uses it. */
static const struct subnet agent_pools[] = {{IP(192, 168, 127, 0), PAIR_LEN}, {IP(10, 254, 127, 0), PAIR_LEN},
    {IP(172, 30, 127, 0), PAIR_LEN}, {IP(100, 126, 127, 0), PAIR_LEN}, {IP(192, 168, 211, 0), PAIR_LEN}};

static bool is_free(struct subnet s, const struct subnet *routes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (subnet_overlaps(s, routes[i]))
            return false;
    return true;
}

/* FNV-1a: names to interface names of at most 15 octets, and to a first try at an address. */
static uint32_t hash(const char *s, uint32_t salt)
{
    uint32_t h = 2166136261U ^ salt;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619U;
    return h;
}

static unsigned mtu_of(int index)
{
    struct ifreq req = {0};
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (index <= 0 || fd < 0 || !if_indextoname((unsigned)index, req.ifr_name) || ioctl(fd, SIOCGIFMTU, &req))
        return MTU_DEFAULT;
    return req.ifr_mtu < 576 || req.ifr_mtu > 65535 ? MTU_DEFAULT : (unsigned)req.ifr_mtu;
}

int net_plan(int nl, const char *name, struct net_plan *out)
{
    cleanup_free struct subnet *routes = NULL;
    size_t n = 0;
    *out = (struct net_plan){0};
    int err = link_routes(nl, &routes, &n);
    if (err) {
        log_warn("cannot read the host's routes: %s", strerror(-err));
        return err;
    }
    int uplink = link_route_to(nl, SOMEWHERE);
    struct uplink_state up;
    uplink_look(&up);
    out->has_uplink = uplink > 0;
    out->uplink_ip = ntohl(up.at.ip.s_addr);
    out->mtu = mtu_of(uplink);
    (void)snprintf(out->table, sizeof out->table, "egressd-%s", name);
    net6_plan(out, hash(name, 0));
    for (size_t i = 0; i < ARRAY_LEN(agent_pools); i++)
        if (is_free(agent_pools[i], routes, n)) {
            out->gateway_ip = agent_pools[i].addr + 1;
            out->agent_ip = agent_pools[i].addr + 2;
            return 0;
        }
    log_warn("this host has routes to every network that a sandbox could use inside");
    return -EADDRNOTAVAIL;
}

/* A /30 that no route of the host knows; also one that the link's name is free for. */
static int choose(int nl, const char *name, struct net_plan *p)
{
    cleanup_free struct subnet *routes = NULL;
    size_t n = 0;
    int err = link_routes(nl, &routes, &n);
    for (uint32_t salt = 0; !err; salt++) {
        (void)snprintf(p->link, sizeof p->link, "egh%08x", hash(name, salt));
        int index = link_index(nl, p->link);
        if (index == -ENODEV)
            break;
        if (index < 0 || salt == 16)
            err = index < 0 ? index : -EADDRNOTAVAIL;
    }
    for (size_t i = 0; !err && i < ARRAY_LEN(uplink_pools); i++) {
        uint32_t count = 1U << (PAIR_LEN - uplink_pools[i].len), first = hash(name, 0) % count;
        for (uint32_t k = 0; k < count; k++) {
            struct subnet s = {uplink_pools[i].addr + (first + k) % count * 4, PAIR_LEN};
            if (is_free(s, routes, n)) {
                p->host_ip = s.addr + 1;
                p->sidecar_ip = s.addr + 2;
                return 0;
            }
        }
    }
    return err ? err : -EADDRNOTAVAIL;
}

/* -- forwarding -- */

static int read_flag(const char *path)
{
    char c = 0;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &c, 1) == 1 ? c != '0' : -1;
}

static bool host_forwards(void)
{
    return read_flag("/proc/sys/net/ipv4/ip_forward") == 1;
}

static int forwarding_of(const char *interface)
{
    char path[96];
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/forwarding", interface);
    return read_flag(path);
}

bool net_lists(const json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return true;
    return false;
}

struct sharing {
    const struct record *self;
    const char *key, *interface;
    bool found;
};

static int shares(struct record *r, bool alive, void *arg)
{
    struct sharing *s = arg;
    (void)alive;
    if (strcmp(r->name, s->self->name) != 0 &&
        record_int(r, "host_netns") == record_int(s->self, "host_netns") &&
        net_lists(json_object_get(r->json, s->key), s->interface))
        s->found = true;
    return 0;
}

bool net_others_rely(const struct record *r, const char *key, const char *interface)
{
    struct sharing s = {.self = r, .key = key, .interface = interface};
    (void)record_each(shares, &s);
    return s.found;
}

/* Interfaces through which answers for the sidecar come in and that do not forward by themselves. */
static json_t *forwarding_needed(const struct record *r)
{
    json_t *out = json_array();
    struct ifaddrs *list;
    if (!out || host_forwards() || getifaddrs(&list))
        return out;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
            !(i->ifa_flags & IFF_UP))
            continue;
        if (strncmp(i->ifa_name, "egh", 3) == 0 || net_lists(out, i->ifa_name))
            continue;
        if (forwarding_of(i->ifa_name) == 0 || net_others_rely(r, "forwarding", i->ifa_name))
            (void)json_array_append_new(out, json_string(i->ifa_name));
    }
    freeifaddrs(list);
    return out;
}

static int set_forwarding(int nl, const json_t *names, bool on)
{
    int err = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        int index = link_index(nl, json_string_value(json_array_get(names, i)));
        int e = index < 0 ? 0 : link_set_forwarding(nl, index, on);
        if (e)
            err = e;
    }
    return err;
}

static void restore_forwarding(int nl, struct record *r)
{
    const json_t *names = json_object_get(r->json, "forwarding");
    json_t *restore = json_array();
    /* Somebody turned forwarding on for the whole host since: then it is theirs. */
    for (size_t i = 0; restore && !host_forwards() && i < json_array_size(names); i++)
        if (!net_others_rely(r, "forwarding", json_string_value(json_array_get(names, i))))
            (void)json_array_append(restore, json_array_get(names, i));
    int err = set_forwarding(nl, restore, false);
    if (err)
        log_warn("cannot turn forwarding off again: %s", strerror(-err));
    json_decref(restore);
}

/* -- making -- */

static int write_plan(struct record *r, const struct net_plan *p)
{
    char ip[IP4_STRLEN];
    struct stat st;
    record_set_str(r, "link", p->link);
    record_set_str(r, "table", p->table);
    record_set_str(r, "sidecar_address", ip4_format(p->sidecar_ip, ip));
    record_set_str(r, "gateway", ip4_format(p->gateway_ip, ip));
    record_set_str(r, "host_address", ip4_format(p->host_ip, ip));
    if (p->uplink_ip)
        record_set_str(r, "uplink_address", ip4_format(p->uplink_ip, ip));
    if (p->ipv6) {
        char ip6[IP6_STRLEN];
        record_set_str(r, "gateway6", ip6_format(&p->gateway_ip6, ip6));
        record_set_str(r, "sidecar_address6", ip6_format(&p->sidecar_ip6, ip6));
    }
    record_set_int(r, "host_netns", stat("/proc/self/ns/net", &st) ? 0 : (long long)st.st_ino);
    (void)json_object_set_new(r->json, "forwarding", forwarding_needed(r));
    if (p->ipv6)
        (void)json_object_set_new(r->json, "forwarding6", net6_forwarding_needed(r));
    (void)json_object_set_new(r->json, "droppers", forward_droppers(p->ipv6));
    return record_save(r);
}

static int connect_link(int nl, int sidecar_netns, const struct net_plan *p)
{
    int err = link_veth(nl, p->link, "eth0", sidecar_netns, p->mtu);
    int index = err ? err : link_index(nl, p->link);
    if (index < 0)
        return index;
    err = link_no_ipv6_address(nl, index);
    if (err == -EAFNOSUPPORT)
        err = 0; /* a kernel without IPv6 */
    if (!err)
        err = link_address(nl, index, (struct subnet){p->host_ip, PAIR_LEN});
    if (!err)
        err = link_set_forwarding(nl, index, true);
    if (!err)
        err = link_up(nl, index);
    return err ? err : net6_connect_host(nl, index, p);
}

int net_connect_host(int nl, int sidecar_netns, struct net_plan *plan, struct record *r, pid_t *nft)
{
    cleanup_fd int lock = registry_lock();
    if (lock < 0)
        return lock;
    int err = choose(nl, r->name, plan);
    if (err) {
        log_warn("no free address range for a sandbox: %s", strerror(-err));
        return err;
    }
    err = write_plan(r, plan);
    if (err)
        return err;
    const json_t *forwarding = json_object_get(r->json, "forwarding");
    const struct host_table t = {.name = plan->table,
        .link = plan->link,
        .sidecar = plan->sidecar_ip,
        .forwarding = forwarding,
        .sidecar6 = plan->ipv6 ? &plan->sidecar_ip6 : NULL,
        .forwarding6 = json_object_get(r->json, "forwarding6")};
    *nft = host_table_load(&t, r->lock_fd);
    if (*nft < 0)
        return (int)*nft;
    err = connect_link(nl, sidecar_netns, plan);
    if (err)
        log_warn("cannot connect the sidecar to the host: %s", strerror(-err));
    return err;
}

int net_open_host(int nl, const struct net_plan *plan, const struct record *r, pid_t nft)
{
    int status = spawn_status(nft);
    if (status != 0) {
        log_warn("nft could not load the host's table (status %d)%s", status,
            status == 127 ? ": the program nft is missing; apt-get install nftables" : "");
        return -EPERM;
    }
    int err = set_forwarding(nl, json_object_get(r->json, "forwarding"), true);
    if (!err)
        err = net6_set_forwarding(r, plan->link, true);
    if (err) {
        log_warn("cannot turn on forwarding for the sidecar: %s", strerror(-err));
        return err;
    }
    return forward_accept(r, plan->table, plan->link);
}

static int set_up(int nl, const char *name, uint32_t ip)
{
    int index = link_index(nl, name), err = index < 0 ? index : 0;
    if (!err && ip) {
        err = link_no_ipv6_address(nl, index);
        if (err == -EAFNOSUPPORT)
            err = 0;
        if (!err)
            err = link_address(nl, index, (struct subnet){ip, PAIR_LEN});
    }
    return err ? err : link_up(nl, index);
}

int net_connect_inside(int sidecar_netns, int agent_netns, const struct net_plan *p)
{
    cleanup_fd int side = link_open_in(sidecar_netns), agent = link_open_in(agent_netns);
    int err = side < 0 ? side : agent < 0 ? agent : 0;
    if (!err)
        err = link_veth(side, "eth1", "eth0", agent_netns, p->mtu);
    if (!err)
        err = set_up(side, "lo", 0);
    if (!err)
        err = set_up(side, "eth0", p->sidecar_ip);
    if (!err)
        err = set_up(side, "eth1", p->gateway_ip);
    if (!err)
        err = link_default_route(side, p->host_ip);
    if (!err)
        err = net6_connect_inside(side, p);
    if (!err)
        err = set_up(agent, "lo", 0);
    if (!err)
        err = set_up(agent, "eth0", p->agent_ip);
    if (err)
        log_warn("cannot connect sidecar and agent: %s", strerror(-err));
    return err;
}

/* -- another uplink -- */

static int drop_from(const char *table, const char *interface, const char *family, const struct record *r)
{
    char quoted[40];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", interface);
    const char *const argv[] = {"nft", "add", "rule", family, table, "forward", "iifname", quoted, "oifname",
        "!=", "\"egh*\"", "drop", NULL};
    const struct spawn s = {.argv = argv, .keep_fd = r->lock_fd};
    return spawn_wait(&s) == 0 ? 0 : -EPERM;
}

/* Those of `needed` that the record's list `key` lacks: first into the record, then a rule that keeps the
 * host from routing for others. */
static int add_forwarding(struct record *r, const char *key, json_t *needed, const char *family)
{
    json_t *known = json_object_get(r->json, key);
    int err = 0;
    for (size_t i = 0; known && !err && i < json_array_size(needed); i++) {
        const char *name = json_string_value(json_array_get(needed, i));
        if (net_lists(known, name))
            continue;
        (void)json_array_append_new(known, json_string(name));
        err = record_save(r);
        if (!err)
            err = drop_from(record_str(r, "table"), name, family, r);
    }
    json_decref(needed);
    return err;
}

int net_follow_uplink(struct record *r)
{
    struct uplink_state up;
    char ip[INET_ADDRSTRLEN];
    cleanup_fd int lock = registry_lock(), nl = link_open();
    if (lock < 0 || nl < 0)
        return lock < 0 ? lock : nl;
    uplink_look(&up);
    if (up.at.ip.s_addr)
        record_set_str(r, "uplink_address", inet_ntop(AF_INET, &up.at.ip, ip, sizeof ip));
    int err = record_save(r);
    if (!err)
        err = add_forwarding(r, "forwarding", forwarding_needed(r), "ip");
    if (!err && json_object_get(r->json, "forwarding6"))
        err = add_forwarding(r, "forwarding6", net6_forwarding_needed(r), "ip6");
    /* Also for those that the record has: an interface that was away begins anew. */
    if (!err)
        err = set_forwarding(nl, json_object_get(r->json, "forwarding"), true);
    if (!err)
        err = net6_set_forwarding(r, record_str(r, "link"), true);
    if (err)
        log_warn("the sidecar cannot use the host's new uplink: %s", strerror(-err));
    return err;
}

/* -- undoing -- */

static int open_if_inode(const char *path, ino_t inode)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == inode)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int search(const char *dir, const char *suffix, ino_t inode)
{
    DIR *d = opendir(dir);
    int fd = -1;
    for (const struct dirent *e; d && fd < 0 && (e = readdir(d));) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s%s", dir, e->d_name, suffix);
        if (e->d_name[0] != '.')
            fd = open_if_inode(path, inode);
    }
    if (d)
        (void)closedir(d);
    return fd;
}

/* The namespace that was "the host" for a sandbox: ours, a named one, or that of some process. -1: it is
 * gone, and all in it. */
static int find_netns(ino_t inode)
{
    int fd = open_if_inode("/proc/self/ns/net", inode);
    if (fd < 0)
        fd = search("/run/netns", "", inode);
    if (fd < 0)
        fd = search("/proc", "/ns/net", inode);
    return fd;
}

/* The order matters. Without its link nothing of the sidecar's comes in; without the host's memory of its
 * flows nothing is sent to where it was; the table that kept both from going astray meanwhile goes last. */
static int remove_here(struct record *r)
{
    cleanup_fd int nl = link_open();
    const char *link = record_str(r, "link"), *table = record_str(r, "table");
    int err = nl < 0 ? nl : link_delete(nl, link);
    if (err == -ENODEV)
        err = 0;
    if (err)
        log_warn("cannot remove the interface %s: %s", link, strerror(-err));
    int forgot = host_flows_forget(record_str(r, "sidecar_address"), record_str(r, "sidecar_address6"));
    if (forgot)
        log_warn("the host's connection tracking still knows flows of %s: %s", r->name, strerror(-forgot));
    if (nl >= 0)
        restore_forwarding(nl, r);
    if (net6_set_forwarding(r, link, false))
        log_warn("cannot turn forwarding of IPv6 off again");
    forward_unaccept(json_object_get(r->json, "droppers"), table, link);
    int e = host_table_delete(table, json_object_get(r->json, "forwarding6") != NULL);
    if (e)
        log_warn("cannot remove the nftables table %s: %s", table, strerror(-e));
    return err ? err : e;
}

int net_remove(struct record *r)
{
    if (!record_str(r, "link") || !record_str(r, "table"))
        return 0;
    cleanup_fd int there = find_netns((ino_t)record_int(r, "host_netns"));
    cleanup_fd int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (there < 0)
        return 0;
    if (here < 0 || setns(there, CLONE_NEWNET)) {
        log_warn("cannot enter the network namespace of %s: %s", r->name, strerror(errno));
        return -errno;
    }
    int err = remove_here(r);
    if (setns(here, CLONE_NEWNET))
        abort();
    return err;
}
