#include "dns/resolver.h"

#include <signal.h>

#include "appliance/sandbox.h"
#include "dns/budget.h"
#include "lib/base.h"
#include "lib/log.h"

#define DRAIN_MAX_MS 10000

static void stop(struct resolver *r)
{
    if (r->stopped)
        return;
    r->stopped = true;
    resolver_flush(r);
    uv_stop(&r->loop);
}

/* Nothing new; what waits is answered. The next generation reads the same sockets. */
static void drain(struct resolver *r)
{
    uv_poll_t *polls[] = {&r->udp4, &r->udp6, &r->tcp4, &r->tcp6};

    if (r->draining)
        return;
    r->draining = true;
    r->drain_began = uv_now(&r->loop);
    for (size_t i = 0; i < ARRAY_LEN(polls); i++)
        if (polls[i]->data != NULL)
            (void)uv_poll_stop(polls[i]);
    for (size_t i = 0; i < r->config->n_engines && i < ENGINES_MAX; i++)
        if (r->engines[i].data != NULL)
            (void)uv_poll_stop(&r->engines[i]);
}

static void end_of_turn(struct resolver *r)
{
    do {
        if (r->outbox.n > 0 || audit_pending(r->audit) > 0)
            resolver_flush(r);
    } while (server_tcp_resume(r));
    if (!r->rotate_asked && audit_size(r->audit) > r->policy->audit.rotate_bytes &&
        r->policy->audit.rotate_bytes > 0) {
        struct ipc_msg m = {.type = IPC_ROTATE};
        r->rotate_asked = ipc_send(r->config->control, &m, -1) == 0;
    }
    if (r->draining) {
        server_tcp_drain(r);
        if (asks_pending(r->asks) == 0 && r->outbox.n == 0)
            stop(r);
    }
}

static void on_prepare(uv_prepare_t *h)
{
    struct resolver *r = h->data;

    end_of_turn(r);
    if (!r->draining)
        upstreams_prepare(r->upstreams); /* now that all answers are out */
}

static void on_check(uv_check_t *h)
{
    end_of_turn(h->data);
}

static void on_second(uv_timer_t *h)
{
    struct resolver *r = h->data;

    report_summaries(r);
    server_tcp_tick(r);
    resolver_flush(r);
    if (r->draining && uv_now(&r->loop) - r->drain_began >= DRAIN_MAX_MS)
        stop(r);
}

static void on_control(uv_poll_t *h, int status, int events)
{
    struct resolver *r = h->data;
    struct ipc_msg m;
    int fd = -1;
    int rc = status < 0 ? 0 : ipc_recv(r->config->control, &m, &fd);

    (void)events;
    if (rc == -EAGAIN)
        return;
    if (rc != 1) {
        stop(r); /* the monitor is gone, and so is the sidecar */
        return;
    }
    switch (m.type) {
    case IPC_DRAIN: drain(r); break;
    case IPC_PING: (void)ipc_send(r->config->control, &m, -1); break;
    case IPC_AUDIT_FD:
        if (fd >= 0) {
            resolver_flush(r);
            audit_replace_fd(r->audit, steal_fd(&fd));
            r->rotate_asked = false;
        }
        break;
    default: log_warn("unexpected message %u from the monitor", m.type); break;
    }
    if (fd >= 0)
        (void)close(fd);
}

static int start_sockets(struct resolver *r)
{
    const struct resolver_config *c = r->config;
    int err = 0;

    if (c->udp4 >= 0)
        err = server_udp_start(r, &r->udp4, c->udp4);
    if (err == 0 && c->udp6 >= 0)
        err = server_udp_start(r, &r->udp6, c->udp6);
    if (err == 0 && c->tcp4 >= 0)
        err = server_tcp_start(r, &r->tcp4, c->tcp4);
    if (err == 0 && c->tcp6 >= 0)
        err = server_tcp_start(r, &r->tcp6, c->tcp6);
    for (size_t i = 0; err == 0 && i < c->n_engines && i < ENGINES_MAX; i++)
        if (c->engines[i] >= 0)
            err = lookup_start(r, i, c->engines[i]);
    return err;
}

static struct upstreams *make_upstreams(struct resolver *r)
{
    const struct resolver_config *c = r->config;
    const struct policy_dns *d = &r->policy->dns;
    struct upstream_config u = {.servers = c->n_upstreams > 0 ? c->upstreams : d->upstreams,
        .n_servers = c->n_upstreams > 0 ? c->n_upstreams : d->n_upstreams,
        .resolv_conf = c->resolv_conf ? c->resolv_conf : "/etc/resolv.conf",
        .trust = c->trust};
    struct upstreams *up = upstreams_new(&r->loop, &u);

    if (up != NULL && upstreams_count(up) == 0)
        log_warn("no DNS upstream: names that are allowed cannot be resolved");
    return up;
}

static void start_loop(struct resolver *r)
{
    (void)uv_loop_init(&r->loop);
    (void)uv_prepare_init(&r->loop, &r->prepare);
    (void)uv_check_init(&r->loop, &r->check);
    (void)uv_timer_init(&r->loop, &r->second);
    r->prepare.data = r->check.data = r->second.data = r->control.data = r;
    (void)uv_prepare_start(&r->prepare, on_prepare);
    (void)uv_check_start(&r->check, on_check);
    (void)uv_timer_start(&r->second, on_second, 1000, 1000);
}

int resolver_run(const struct resolver_config *c)
{
    struct resolver *r = calloc(1, sizeof *r);
    struct ipc_msg ready = {.type = IPC_READY};

    sandbox_begin(SANDBOX_RESOLVER, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    if (r == NULL)
        die("out of memory");
    r->config = c;
    r->policy = c->policy;
    r->audit_ok = true;
    start_loop(r);
    r->audit = audit_open(c->audit_fd, "resolver", 0);
    r->leases = lease_writer(c->lease_mem, c->lease_len);
    r->refused = c->refused_mem != NULL ? lease_writer(c->refused_mem, c->refused_len) : NULL;
    r->cache = cache_new(c->policy->dns.cache_bytes, random_u64(&r->random));
    r->asks = asks_new(r);
    r->budgets = budgets_new(c->policy);
    r->flood = flood_new();
    r->upstreams = make_upstreams(r);
    validate_start(r);
    if (r->audit == NULL || r->leases == NULL || r->cache == NULL || r->asks == NULL || r->budgets == NULL ||
        r->flood == NULL || r->upstreams == NULL)
        die("resolver: %s", r->leases == NULL ? "no lease table" : "out of memory");
    sandbox_enter(SANDBOX_RESOLVER);
    int err = start_sockets(r);
    if (err == 0)
        err = uv_poll_init(&r->loop, &r->control, c->control);
    if (err == 0)
        err = uv_poll_start(&r->control, UV_READABLE, on_control);
    if (err != 0)
        die("sockets: %s", uv_strerror(err));
    if (ipc_send(c->control, &ready, -1) < 0)
        return 1;
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    report_summaries(r);
    audit_close(r->audit);
    return 0;
}
