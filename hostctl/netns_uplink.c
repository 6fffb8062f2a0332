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
/* Root servers: any address that only a default route leads to. */
#define SOMEWHERE 0xc6290004u
#define SOMEWHERE6 "2001:503:ba3e::2:30"

static long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -- looking -- */

static bool source4(struct in_addr *out)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)}, from = {0};
    socklen_t len = sizeof from;
    to.sin_addr.s_addr = htonl(SOMEWHERE);
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0 ||
        getsockname(fd, (struct sockaddr *)&from, &len) < 0)
        return false;
    memcpy(out, &from.sin_addr, sizeof *out);
    return true;
}

static void source6(struct in6_addr *out)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(53)}, from = {0};
    socklen_t len = sizeof from;
    (void)inet_pton(AF_INET6, SOMEWHERE6, &to.sin6_addr);
    cleanup_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
        getsockname(fd, (struct sockaddr *)&from, &len) == 0)
        memcpy(out, &from.sin6_addr, sizeof *out);
}

void uplink_look(struct uplink_state *out)
{
    memset(out, 0, sizeof *out); /* it is compared as a whole */
    if (source4(&out->ip)) {
        cleanup_fd int nl = link_open();
        int index = nl < 0 ? nl : link_route_to(nl, SOMEWHERE);
        out->index = index > 0 ? index : 0;
    }
    source6(&out->ip6);
}

static const char *describe(const struct uplink_state *s, char out[static 80])
{
    char name[IF_NAMESIZE] = "", ip[INET_ADDRSTRLEN];
    if (!s->index)
        return "none";
    if (!if_indextoname((unsigned)s->index, name))
        (void)snprintf(name, sizeof name, "gone");
    (void)snprintf(out, 80, "%s %s", name, inet_ntop(AF_INET, &s->ip, ip, sizeof ip));
    return out;
}

/* -- watching -- */

void uplink_watch_open(struct uplink_watch *w, const struct record *r)
{
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
        .nl_groups =
            RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
    *w = (struct uplink_watch){.said = -1};
    w->news = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (w->news >= 0 && bind(w->news, (const struct sockaddr *)&groups, sizeof groups)) {
        close(w->news);
        w->news = -1;
    }
    uplink_look(&w->known);
    const char *start = record_str(r, "uplink_address");
    struct in_addr ip = {0};
    if (start && inet_pton(AF_INET, start, &ip) == 1 && ip.s_addr != w->known.ip.s_addr) {
        w->known.ip = ip;
        w->due = now_ms();
    }
}

static void end_proof(struct uplink_watch *w)
{
    if (w->said >= 0)
        close(w->said);
    w->said = -1;
    w->proof = 0;
}

void uplink_watch_close(struct uplink_watch *w)
{
    if (w->proof) {
        (void)kill(w->proof, SIGKILL);
        (void)spawn_status(w->proof);
    }
    end_proof(w);
    if (w->news >= 0)
        close(w->news);
    w->news = -1;
}

int uplink_watch_timeout(const struct uplink_watch *w)
{
    long long left = w->due - now_ms();
    return !w->due || w->proof ? -1 : left < 0 ? 0 : (int)left;
}

/* As a user would: `egressctl doctor NAME` tries the network from inside, and ends a sandbox that leaks. */
static void prove(struct uplink_watch *w, const struct record *r)
{
    const char *const argv[] = {"/proc/self/exe", "doctor", r->name, NULL};
    const struct spawn s = {.argv = argv};
    pid_t pid = spawn_start(&s, &w->said);
    if (pid > 0)
        w->proof = pid;
    else
        log_warn("cannot try the sandbox's network again: %s", strerror((int)-pid));
}

static void collect(struct uplink_watch *w)
{
    int status;
    char text[1024];
    if (waitpid(w->proof, &status, WNOHANG) != w->proof)
        return;
    ssize_t n = read(w->said, text, sizeof text - 1);
    if (status_of(status) == 0)
        log_debug("no way round the sidecar after the change of the uplink");
    else
        log_warn("the proof after the change of the uplink has failed:\n%.*s", (int)MAX(n, 0), text);
    end_proof(w);
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
        prove(w, r);
}

void uplink_watch_turn(struct uplink_watch *w, struct record *r, bool news)
{
    char buf[KIB(8)];
    ssize_t n = -1;
    while (news &&
           ((n = recv(w->news, buf, sizeof buf, 0)) > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS))))
        w->due = now_ms() + SETTLE_MS; /* what was lost was news all the same */
    if (w->proof)
        collect(w);
    if (w->due && !w->proof && now_ms() >= w->due)
        look(w, r);
}
