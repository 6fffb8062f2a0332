#include "hostctl/netns_net6.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

/* For the kernel's neighbour discovery, which asks from a link-local address. */
static const struct ip6 near_end = {{0xfe, 0x80, [15] = 1}}, far_end = {{0xfe, 0x80, [15] = 2}};

#define FLAG_PATH "/proc/sys/net/ipv6/conf/%s/%s"

static int flag(const char *interface, const char *name, int mode)
{
    char path[96];
    (void)snprintf(path, sizeof path, FLAG_PATH, interface, name);
    int fd = open(path, mode | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* -1: this kernel has no such flag, or the interface is gone. */
static int flag_read(const char *interface, const char *name)
{
    char c = 0;
    cleanup_fd int fd = flag(interface, name, O_RDONLY);
    return fd >= 0 && read(fd, &c, 1) == 1 ? c != '0' : -1;
}

static int flag_write(const char *interface, const char *name, bool on)
{
    cleanup_fd int fd = flag(interface, name, O_WRONLY);
    if (fd < 0)
        return fd;
    return write(fd, on ? "1" : "0", 1) == 1 ? 0 : -errno;
}

/* Since Linux 6.17 one interface can forward by itself. The older switch for all of them would have the host
 * ignore its own routers' advertisements, and perhaps lose its default route: not ours to turn. */
static bool forwards_all(void)
{
    return flag_read("all", "forwarding") == 1;
}

/* In a container the kernel's switches may be there and read-only. */
static bool can_forward(void)
{
    cleanup_fd int fd = forwards_all() ? -1 : flag("all", "force_forwarding", O_WRONLY);
    return fd >= 0 || forwards_all();
}

static bool is_beyond_link(const struct in6_addr *a)
{
    return !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_UNSPECIFIED(a) &&
           !IN6_IS_ADDR_V4MAPPED(a);
}

/* From where would a packet to the world (here: a root server) leave? Nothing is sent. */
static bool has_uplink(void)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(53)}, from = {0};
    socklen_t len = sizeof from;
    cleanup_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && inet_pton(AF_INET6, "2001:503:ba3e::2:30", &to.sin6_addr) == 1 &&
           connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
           getsockname(fd, (struct sockaddr *)&from, &len) == 0 && is_beyond_link(&from.sin6_addr);
}

static struct ip6 make(uint32_t hash, uint8_t subnet, uint8_t host)
{
    return (struct ip6){{0xfd, 0x65, (uint8_t)(hash >> 24), (uint8_t)(hash >> 16), (uint8_t)(hash >> 8),
        (uint8_t)hash, 0, subnet, [15] = host}};
}

void net6_plan(struct net_plan *p, uint32_t hash)
{
    p->ipv6 = false;
    if (!has_uplink())
        return;
    if (!can_forward()) {
        log_info("no IPv6 in the sandbox: it cannot be forwarded for one interface here, and "
                 "net.ipv6.conf.all.forwarding is off");
        return;
    }
    p->ipv6 = true;
    p->host_ip6 = make(hash, 0xb, 1);
    p->sidecar_ip6 = make(hash, 0xb, 2);
    p->gateway_ip6 = make(hash, 0xa, 1);
}

static int set_end(int nl, int index, const struct ip6 *ip, const struct ip6 *link_local)
{
    int err = link_address6(nl, index, link_local, 128);
    return err ? err : link_address6(nl, index, ip, 64);
}

int net6_connect_host(int nl, int index, const struct net_plan *p)
{
    return p->ipv6 ? set_end(nl, index, &p->host_ip6, &near_end) : 0;
}

int net6_connect_inside(int sidecar_nl, const struct net_plan *p)
{
    if (!p->ipv6)
        return 0;
    int up = link_index(sidecar_nl, "eth0"), agent = link_index(sidecar_nl, "eth1");
    int err = up < 0 ? up : agent < 0 ? agent : 0;
    if (!err)
        err = set_end(sidecar_nl, up, &p->sidecar_ip6, &far_end);
    if (!err)
        err = set_end(sidecar_nl, agent, &p->gateway_ip6, &near_end);
    return err ? err : link_default_route6(sidecar_nl, up, &p->host_ip6);
}

json_t *net6_forwarding_needed(const struct record *r)
{
    json_t *out = json_array();
    struct ifaddrs *list;
    if (!out || forwards_all() || getifaddrs(&list))
        return out;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6 || !(i->ifa_flags & IFF_UP) ||
            (i->ifa_flags & IFF_LOOPBACK) || strncmp(i->ifa_name, "egh", 3) == 0 ||
            !is_beyond_link(&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr))
            continue;
        if (!net_lists(out, i->ifa_name) && (flag_read(i->ifa_name, "force_forwarding") == 0 ||
                                                net_others_rely(r, "forwarding6", i->ifa_name)))
            (void)json_array_append_new(out, json_string(i->ifa_name));
    }
    freeifaddrs(list);
    return out;
}

int net6_set_forwarding(const struct record *r, const char *link, bool on)
{
    const json_t *names = json_object_get(r->json, "forwarding6");
    int err = 0;
    if (!names) /* a sandbox without IPv6 */
        return 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        int e = !on && net_others_rely(r, "forwarding6", name) ? 0 : flag_write(name, "force_forwarding", on);
        if (e && (on || e != -ENOENT))
            err = e;
    }
    if (on && !err && !forwards_all())
        err = flag_write(link, "force_forwarding", true);
    return err;
}
