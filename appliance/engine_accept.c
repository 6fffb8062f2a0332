/* Taking connections: so many a turn, so many in all, and never spinning when descriptors run out. */
#include "appliance/engine_internal.h"

#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "appliance/flow/flow.h"
#include "appliance/flow/keepalive.h"
#include "lib/base.h"
#include "lib/log.h"

#define ACCEPTS_A_TURN 64
#define PAUSE_MS 200 /* when not even one descriptor can be had */
#define FDS_OF_OUR_OWN 64 /* sockets to the other processes, the loop, idle upstreams at a pinch */
#define FDS_A_FLOW 3 /* agent, upstream, and on average at most half of a splice's two pipes */
#define FLOWS_MIN 16

struct listener {
    struct engine_watch watch;
    struct engine *e;
    bool proxy; /* the explicit proxy's */
};

struct engine_accept {
    struct listener listeners[3];
    size_t n;
    struct engine_timer pause;
    struct engine *e;
    uint64_t flows_max;
    int reserve; /* given up to be able to refuse when descriptors have run out */
};

static bool original_dst(int fd, bool redirect, struct endpoint *out)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (!redirect)
        return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
               addr_from_sockaddr((struct sockaddr *)&ss, out);
    if (getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, &ss, &len) == 0)
        return addr_from_sockaddr((struct sockaddr *)&ss, out);
    len = sizeof ss;
    return getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, &ss, &len) == 0 &&
           addr_from_sockaddr((struct sockaddr *)&ss, out);
}

static void reset(int fd)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    (void)close(fd);
}

static void take(const struct listener *l, int fd, const struct sockaddr_storage *peer, bool refuse)
{
    struct engine *e = l->e;
    struct endpoint agent, dst;
    bool redirect = e->config->redirect && !l->proxy;
    if (!addr_from_sockaddr((const struct sockaddr *)peer, &agent) || !original_dst(fd, redirect, &dst)) {
        reset(fd); /* it has gone already, or came past the rules: there is no destination to judge */
        return;
    }
    if (refuse || e->n_flows >= e->accept->flows_max)
        flow_refuse(e, fd, &agent, &dst);
    else if (l->proxy)
        flow_start_proxied(e, fd, &agent, &dst);
    else
        flow_start(e, fd, &agent, &dst);
}

static int accept_one(int listener, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
    return accept4(listener, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void watch(struct engine_accept *a, bool on);

static void on_pause_over(struct engine_timer *t)
{
    struct engine_accept *a = (struct engine_accept *)((char *)t - offsetof(struct engine_accept, pause));
    watch(a, true);
}

/* Out of descriptors: one is set free to take a connection and refuse it, which tells the agent at once. */
static bool shed(const struct listener *l)
{
    struct engine *e = l->e;
    struct engine_accept *a = e->accept;
    struct sockaddr_storage peer;
    if (a->reserve >= 0)
        (void)close(a->reserve);
    int fd = accept_one(l->watch.fd, &peer);
    if (fd >= 0)
        take(l, fd, &peer, true);
    a->reserve = fcntl(e->config->control, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 || errno == EAGAIN)
        return fd >= 0;
    watch(a, false);
    engine_timer_set(e, &a->pause, PAUSE_MS, on_pause_over);
    return false;
}

static void on_connection(struct engine_watch *w, uint32_t events)
{
    const struct listener *l = (const struct listener *)((char *)w - offsetof(struct listener, watch));
    struct engine *e = l->e;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && !e->draining; i++) {
        struct sockaddr_storage peer;
        int fd = accept_one(w->fd, &peer);
        if (fd >= 0) {
            take(l, fd, &peer, false);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!shed(l))
                return;
        } else if (errno == EAGAIN) {
            return;
        } /* else: this one went away; the next */
    }
}

static void watch(struct engine_accept *a, bool on)
{
    for (size_t i = 0; i < a->n; i++)
        engine_watch(a->e, &a->listeners[i].watch, on ? EPOLLIN : 0);
}

static uint64_t flows_max(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return FLOWS_MIN;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        (void)getrlimit(RLIMIT_NOFILE, &r);
    uint64_t n = r.rlim_cur > FDS_OF_OUR_OWN ? (r.rlim_cur - FDS_OF_OUR_OWN) / FDS_A_FLOW : 0;
    return MAX(n, (uint64_t)FLOWS_MIN);
}

int engine_accept_open(struct engine *e)
{
    struct engine_accept *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->e = e;
    a->flows_max = flows_max();
    a->reserve = fcntl(e->config->control, F_DUPFD_CLOEXEC, 0);
    e->accept = a;
    const int fds[] = {e->config->listen4, e->config->listen6, e->config->has_proxy ? e->config->proxy4 : -1};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        struct listener *l = &a->listeners[a->n];
        if (fds[i] < 0)
            continue;
        *l = (struct listener){.watch = {on_connection, fds[i], 0}, .e = e, .proxy = i == 2};
        tcp_options(fds[i]); /* which those that are accepted inherit */
        a->n++;
    }
    return 0;
}

void engine_accept_start(struct engine *e)
{
    watch(e->accept, true);
}

void engine_accept_stop(struct engine *e)
{
    engine_timer_clear(&e->accept->pause);
    watch(e->accept, false);
}

void engine_accept_free(struct engine *e)
{
    struct engine_accept *a = e->accept;
    if (a && a->reserve >= 0)
        (void)close(a->reserve);
    free(a);
    e->accept = NULL;
}
