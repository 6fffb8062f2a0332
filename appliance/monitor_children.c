/* Forking: what of the monitor's goes with which child. Everything else is closed there before it runs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/ipc.h"
#include "appliance/monitor_internal.h"
#include "lib/base.h"
#include "lib/log.h"

/** stdio, control, log, up to four listeners, and a socket for each engine slot. */
#define KEEP_MAX (ENGINES_MAX + 16)

struct keep {
    int fds[KEEP_MAX];
    size_t n;
};

static void keep(struct keep *k, int fd)
{
    assert(k->n < KEEP_MAX);
    if (fd >= 0)
        k->fds[k->n++] = fd;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void close_others(struct keep *k)
{
    unsigned from = STDERR_FILENO + 1;
    qsort(k->fds, k->n, sizeof k->fds[0], by_number);
    for (size_t i = 0; i < k->n; i++) {
        unsigned fd = (unsigned)k->fds[i];
        if (fd > from && close_range(from, fd - 1, 0) < 0)
            die_errno("cannot close the monitor's descriptors");
        from = MAX(from, fd + 1);
    }
    if (close_range(from, ~0u, 0) < 0)
        die_errno("cannot close the monitor's descriptors");
}

static unsigned slots(const struct monitor *m)
{
    return GENERATIONS * m->n_engines;
}

static int run_signer(struct monitor *m, int control)
{
    int ends[ENGINES_MAX];
    struct keep k = {0};
    keep(&k, control);
    for (unsigned i = 0; i < slots(m); i++)
        keep(&k, ends[i] = m->to_signer[i][1]);
    close_others(&k);
    if (m->lease_rw)
        (void)munmap(m->lease_rw, m->lease_len);
    struct signer_config c = {
        .control = control, .ca_dir = m->ca_dir, .engines = ends, .n_engines = slots(m)};
    return signer_run(&c);
}

static int run_resolver(struct monitor *m, const struct generation *g, int control)
{
    int ends[ENGINES_MAX];
    struct keep k = {0};
    keep(&k, control);
    keep(&k, m->log_fd);
    keep(&k, m->dns_udp4);
    keep(&k, m->dns_tcp4);
    keep(&k, m->dns_udp6);
    keep(&k, m->dns_tcp6);
    for (unsigned i = 0; i < slots(m); i++)
        keep(&k, ends[i] = m->to_resolver[i][1]);
    close_others(&k);
    explicit_bzero(m->ticket_key, sizeof m->ticket_key);
    struct resolver_config c = {.control = control,
        .audit_fd = m->log_fd,
        .policy = g->in.policy,
        .secrets = g->in.secrets,
        .inspector = g->in.inspector,
        .udp4 = m->dns_udp4,
        .udp6 = m->dns_udp6,
        .tcp4 = m->dns_tcp4,
        .tcp6 = m->dns_tcp6,
        .engines = ends,
        .n_engines = slots(m),
        .lease_mem = m->lease_rw,
        .lease_len = m->refused_at,
        .refused_mem = (char *)m->lease_rw + m->refused_at,
        .refused_len = m->lease_len - m->refused_at,
        .upstreams = m->options->dns_upstream.items,
        .n_upstreams = m->options->dns_upstream.n,
        .resolv_conf = m->options->resolv_conf,
        .self4 = m->net.self4,
        .self6 = m->net.self6,
        .ipv6 = m->caps.ipv6,
        .trust = g->in.trust};
    return resolver_run(&c);
}

static int run_engine(struct monitor *m, const struct generation *g, const struct child *child, int control)
{
    unsigned i = child->index, s = child->slot;
    struct keep k = {0};
    keep(&k, control);
    keep(&k, m->log_fd);
    keep(&k, m->listen4[i]);
    keep(&k, m->listen6[i]);
    keep(&k, m->queues[i]);
    if (g->n_proxy)
        keep(&k, g->proxy4[i]);
    keep(&k, m->to_signer[s][0]);
    keep(&k, m->to_resolver[s][0]);
    close_others(&k);
    (void)munmap(m->lease_rw, m->lease_len); /* what is left is sealed: it cannot be made writable again */
    struct engine_config c = {.index = i,
        .control = control,
        .audit_fd = m->log_fd,
        .signer = m->to_signer[s][0],
        .resolver = m->to_resolver[s][0],
        .policy = g->in.policy,
        .secrets = g->in.secrets,
        .listen4 = m->listen4[i],
        .listen6 = m->listen6[i],
        .has_proxy = g->n_proxy > 0,
        .proxy4 = g->n_proxy ? g->proxy4[i] : -1,
        .redirect = m->caps.intercept == INTERCEPT_REDIRECT,
        .nfqueue = m->queues[i],
        .lease_mem = m->lease_ro,
        .lease_len = m->refused_at,
        .refused_mem = (const char *)m->lease_ro + m->refused_at,
        .refused_len = m->lease_len - m->refused_at,
        .trust = g->in.trust,
        .inspector = g->in.inspector,
        .self4 = m->net.self4,
        .self6 = m->net.self6,
        .ipv6 = m->caps.ipv6,
        .ktls = m->ktls,
        .kept = g->kept,
        .ticket_key = m->ticket_key};
    return engine_run(&c);
}

/** What a dead engine still has in flight is nobody's any more. An answer that the signer is working on right
 * now comes later; its id matches nothing that the new engine asks (ipc.h). */
static void drain(int sock)
{
    char buf[sizeof(struct ipc_msg)];
    while (recv(sock, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
}

static void drain_slot(const struct monitor *m, unsigned slot)
{
    for (int end = 0; end < 2; end++) {
        drain(m->to_signer[slot][end]);
        drain(m->to_resolver[slot][end]);
    }
}

static _Noreturn void child_main(
    struct monitor *m, const struct generation *g, const struct child *c, int control)
{
    int status = 1;
    sandbox_begin(c->role, c->index);
    if (getppid() != m->pid) /* it died before we asked to die with it */
        _exit(1);
    switch (c->role) {
    case SANDBOX_SIGNER: status = run_signer(m, control); break;
    case SANDBOX_RESOLVER: status = run_resolver(m, g, control); break;
    case SANDBOX_ENGINE: status = run_engine(m, g, c, control); break;
    case SANDBOX_MONITOR: break;
    }
    _exit(status);
}

int child_start(struct monitor *m, struct generation *g, struct child *c)
{
    SANDBOX_RAISED; /* it drops its own */
    int sv[2];
    if (c->role == SANDBOX_ENGINE)
        drain_slot(m, c->slot);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
        return -errno;
    c->ready = c->hung = false;
    c->pinged = c->ping_at = 0;
    c->restart_at = 0;
    c->started = monitor_now_ms();
    c->pid = fork();
    if (c->pid == 0)
        child_main(m, g, c, sv[1]);
    int err = c->pid < 0 ? -errno : 0;
    (void)close(sv[1]);
    if (err) {
        (void)close(sv[0]);
        c->pid = 0;
        return err;
    }
    c->control = sv[0];
    return 0;
}

void child_kill(struct child *c)
{
    SANDBOX_RAISED;
    c->restart_at = 0;
    if (c->pid > 0)
        (void)kill(c->pid, SIGKILL);
}

void child_gone(struct child *c)
{
    uint64_t now = monitor_now_ms(), wait = 0;
    if (c->control >= 0)
        (void)close(c->control);
    c->control = -1;
    c->pid = 0;
    c->ready = false;
    if (now - c->started > BACKOFF_FORGET_MS)
        c->failures = 0;
    if (c->failures > 0)
        wait = MIN((uint64_t)BACKOFF_FIRST_MS << MIN(c->failures - 1, 10u), (uint64_t)BACKOFF_MAX_MS);
    c->failures++;
    c->restart_at = now + wait;
}

const char *child_name(const struct child *c)
{
    static char name[24];
    if (c->role != SANDBOX_ENGINE)
        return c->role == SANDBOX_SIGNER ? "signer" : "resolver";
    (void)snprintf(name, sizeof name, "engine %u", c->index);
    return name;
}

struct child *child_find(struct monitor *m, pid_t pid, struct generation **g)
{
    *g = NULL;
    if (m->signer.pid == pid)
        return &m->signer;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        *g = &m->generations[i];
        if ((*g)->resolver.pid == pid)
            return &(*g)->resolver;
        for (unsigned e = 0; e < m->n_engines; e++)
            if ((*g)->engines[e].pid == pid)
                return &(*g)->engines[e];
    }
    return NULL;
}

void children_each(struct monitor *m, void (*fn)(struct monitor *m, struct generation *g, struct child *c))
{
    if (m->signer.pid > 0)
        fn(m, NULL, &m->signer);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &m->generations[i];
        for (unsigned e = 0; g->state != GEN_NONE && e < m->n_engines; e++)
            if (g->engines[e].pid > 0)
                fn(m, g, &g->engines[e]);
        if (g->state != GEN_NONE && g->resolver.pid > 0)
            fn(m, g, &g->resolver);
    }
}
