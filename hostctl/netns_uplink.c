#include "hostctl/netns_uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostctl/netns_link.h"
#include "hostctl/netns_net.h"
#include "hostctl/proc.h"
#include "lib/base.h"
#include "lib/log.h"

/* One change of network is many messages. */
#define SETTLE_MS 500
/* A root server: an address that only a default route leads to. */
#define SOMEWHERE 0xc6290004u

/* -- looking -- */

void uplink_look(struct uplink_state *out)
{
    memset(out, 0, sizeof *out); /* it is compared as a whole */
    host_addresses(&out->at);
    if (out->at.ip.s_addr) {
        cleanup_fd int nl = link_open();
        int index = nl < 0 ? nl : link_route_to(nl, SOMEWHERE);
        out->index = index > 0 ? index : 0;
    }
}

static const char *describe(const struct uplink_state *s, char out[static 80])
{
    char name[IF_NAMESIZE] = "", ip[INET_ADDRSTRLEN];
    if (!s->index)
        return "none";
    if (!if_indextoname((unsigned)s->index, name))
        (void)snprintf(name, sizeof name, "gone");
    (void)snprintf(out, 80, "%s %s", name, inet_ntop(AF_INET, &s->at.ip, ip, sizeof ip));
    return out;
}

/* -- watching -- */

void uplink_watch_open(struct uplink_watch *w, const struct sandbox *sb)
{
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
        .nl_groups =
            RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
    *w = (struct uplink_watch){.news = -1};
    follow_open(&w->follow, sb);
    w->news = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (w->news >= 0 && bind(w->news, (const struct sockaddr *)&groups, sizeof groups)) {
        close(w->news);
        w->news = -1;
    }
    uplink_look(&w->known);
    const char *start = record_str(sb->rec, "uplink_address");
    struct in_addr ip = {0};
    if (start && inet_pton(AF_INET, start, &ip) == 1 && ip.s_addr != w->known.at.ip.s_addr) {
        w->known.at.ip = ip;
        w->due = now_ms();
    }
}

void uplink_watch_close(struct uplink_watch *w)
{
    follow_close(&w->follow);
    if (w->news >= 0)
        close(w->news);
    w->news = -1;
}

int uplink_watch_timeout(const struct uplink_watch *w)
{
    long long left = w->due - now_ms();
    int other = follow_timeout(&w->follow);
    return !w->due ? other : left < 0 ? 0 : MIN((int)left, other);
}

static void look(struct uplink_watch *w, struct record *r)
{
    struct uplink_state now;
    char before[80], after[80];
    w->due = 0;
    uplink_look(&now);
    if (memcmp(&now, &w->known, sizeof now) == 0)
        return;
    log_info(
        "the host's uplink has changed: %s, before %s", describe(&now, after), describe(&w->known, before));
    w->known = now;
    if (net_follow_uplink(r) == 0)
        follow_renew(&w->follow, FOLLOW_ADDRESS, r);
}

void uplink_watch_turn(struct uplink_watch *w, struct record *r, bool news)
{
    char buf[KIB(8)];
    ssize_t n = -1;
    while (news &&
           ((n = recv(w->news, buf, sizeof buf, 0)) > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS))))
        w->due = now_ms() + SETTLE_MS; /* what was lost was news all the same */
    proof_turn(&w->follow.proof, r);
    if (w->due && now_ms() >= w->due)
        look(w, r);
    /* Addresses are among the kernel's news. */
    unsigned changed = follow_look(&w->follow) & ~(unsigned)FOLLOW_ADDRESS;
    if (changed)
        follow_renew(&w->follow, changed, r);
}
