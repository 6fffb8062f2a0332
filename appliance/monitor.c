#include "appliance/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appliance/ipc.h"
#include "appliance/monitor_internal.h"
#include "dns/lease.h"
#include "lib/base.h"
#include "lib/log.h"

#define LEASE_BUCKETS 16384
#define NOFILE_WANTED (1u << 20)
#define MESSAGES_A_TURN 64 /* of one child, before the others are looked at */

uint64_t monitor_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- set-up: every failure ends the process ---- */

static void raise_limits(void)
{
    struct rlimit want = {NOFILE_WANTED, NOFILE_WANTED}, now;
    if (setrlimit(RLIMIT_NOFILE, &want) == 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
        return;
    now.rlim_cur = now.rlim_max; /* a container's limit: as far as it goes */
    (void)setrlimit(RLIMIT_NOFILE, &now);
}

static void null_stdin(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        die_errno("cannot open /dev/null");
    if (fd != STDIN_FILENO)
        (void)close(fd);
}

static void block_signals(struct monitor *m)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        die_errno("cannot set up signals");
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return (unsigned)MAX(n, 1);
}

static int checked(int fd, const char *what)
{
    if (fd < 0) {
        errno = -fd;
        die_errno("cannot open %s; is another egressd running in this network namespace?", what);
    }
    return fd;
}

static void open_sockets(struct monitor *m)
{
    bool transparent = m->caps.intercept != INTERCEPT_REDIRECT;
    m->dns_udp4 = checked(netfilter_open_dns(AF_INET, SOCK_DGRAM, transparent), "UDP port 53");
    m->dns_tcp4 = checked(netfilter_open_dns(AF_INET, SOCK_STREAM, transparent), "TCP port 53");
    for (unsigned i = 0; i < m->n_engines; i++) {
        m->listen4[i] = checked(netfilter_open_listener(AF_INET, transparent), "the engines' listener");
        m->queues[i] = -1;
        if (m->caps.gate != GATE_NONE)
            m->queues[i] = checked(netfilter_open_queue(QUEUE_NUMBER + i), "the packet queue");
    }
    for (unsigned s = 0; s < GENERATIONS * m->n_engines; s++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, m->to_signer[s]) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, m->to_resolver[s]) < 0)
            die_errno("cannot make the sockets between the processes");
}

/* One mapping for the writer; then a seal; then one for readers, which no mprotect(2) can make writable
 * again. */
static void make_leases(struct monitor *m)
{
    m->lease_len = lease_size(LEASE_BUCKETS);
    cleanup_fd int fd = memfd_create("leases", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)m->lease_len) < 0)
        die_errno("cannot make the lease table");
    m->lease_rw = mmap(NULL, m->lease_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m->lease_rw == MAP_FAILED ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
        die_errno("cannot seal the lease table");
    m->lease_ro = mmap(NULL, m->lease_len, PROT_READ, MAP_SHARED, fd, 0);
    if (m->lease_ro == MAP_FAILED || !lease_create(m->lease_rw, LEASE_BUCKETS))
        die_errno("cannot map the lease table");
}

static void find_network(struct monitor *m)
{
    const struct monitor_options *o = m->options;
    char err[256];
    if (uplink_find(o->agent_if, o->uplink_if, &m->net, err, sizeof err) < 0)
        die("%s", err);
    int r = netfilter_probe(&m->caps);
    if (r == -EPERM)
        die("no permission to set packet rules; run egressd as root, with CAP_NET_ADMIN");
    if (r < 0)
        die("this kernel cannot do what is needed (%s); `egressd doctor` says what is missing", strerror(-r));
    m->caps.ipv6 = false; /* closed in every direction */
}

static void load_rules(struct monitor *m, const struct policy *p)
{
    struct netfilter_config rules = {.policy = p,
        .agent_if = m->net.agent_if,
        .uplink_if = m->net.uplink_if,
        .caps = m->caps,
        .n_queues = m->n_engines};
    int r = netfilter_apply(&rules);
    if (r < 0)
        die("cannot load the packet rules: %s; see above, and `egressd ruleset`", strerror(-r));
}

/* The order matters: the signer is forked before there is a secret; the rules are loaded before anybody is
 * told that it is ready, and while the children still start, since the program that loads them takes as long.
 */
static void set_up(struct monitor *m)
{
    struct policy *policy;
    struct secrets *secrets;
    struct policy_error e = {0};
    char err[600];
    if (!(policy = policy_load_file(m->options->policy, &e)))
        die_status(2, "%s:%u:%u: %s", m->options->policy, e.line, e.col, e.text);
    policy_free(policy);
    raise_limits();
    null_stdin();
    block_signals(m);
    find_network(m);
    files_open(m);
    open_sockets(m);
    make_leases(m);
    m->signer = (struct child){.role = SANDBOX_SIGNER, .control = -1};
    int r = child_start(m, NULL, &m->signer);
    if (r < 0)
        die("cannot start a process: %s", strerror(-r));
    if (monitor_load(m, &policy, &secrets, err, sizeof err) < 0)
        die_status(2, "%s", err);
    if (getrandom(m->ticket_key, sizeof m->ticket_key, 0) != (ssize_t)sizeof m->ticket_key)
        die_errno("no random octets");
    sandbox_enter(SANDBOX_MONITOR);
    if ((r = generation_start(m, policy, secrets)) < 0)
        die("cannot start processes: %s", strerror(-r));
    load_rules(m, policy);
}

/* ---- serving ---- */

static void announce(struct monitor *m)
{
    m->announced = true;
    files_event(m, "start", VERDICT_ALLOW, NULL, NULL);
    files_write_status(m);
    const struct generation *g = generation_in(m, GEN_PRESENT);
    log_info("ready: agent on %s, uplink %s, %u engines, %zu routes; %s, %s", m->net.agent_if,
        m->net.uplink_if, m->n_engines, g->policy->n_routes, intercept_name(m->caps.intercept),
        gate_mode_name(m->caps.gate));
    if (m->options->ready_fd) {
        (void)!write((int)m->options->ready_fd, "READY\n", 6);
        (void)close((int)m->options->ready_fd);
    }
}

/** Whether everybody of the incoming generation serves by now. */
static void look_ready(struct monitor *m)
{
    struct generation *g = generation_in(m, GEN_INCOMING);
    bool all = g && m->signer.ready && g->resolver.ready;
    for (unsigned e = 0; all && e < m->n_engines; e++)
        all = g->engines[e].ready;
    if (!all)
        return;
    generation_ready(m, g);
    if (!m->announced)
        announce(m);
}

static void on_ready(struct monitor *m, struct generation *g, struct child *c)
{
    bool again = !c->ready && g && g->state == GEN_PRESENT;
    c->ready = true;
    if (!again) {
        look_ready(m);
        return;
    }
    log_info("%s serves again", child_name(c));
    files_write_status(m);
}

static void on_verdict(struct monitor *m, const struct child *c, const struct ipc_verdict *v)
{
    if (c->role != SANDBOX_ENGINE || v->queue != QUEUE_NUMBER + c->index || m->queues[c->index] < 0) {
        log_warn("%s answers for a queue that is not its own", child_name(c));
        (void)kill(c->pid, SIGKILL);
        return;
    }
    int r = netfilter_verdict(m->queues[c->index], v);
    if (r < 0)
        log_debug("a packet's verdict was not taken: %s", strerror(-r));
}

static void on_message(struct monitor *m, struct generation *g, struct child *c, const struct ipc_msg *msg)
{
    switch (msg->type) {
    case IPC_READY: on_ready(m, g, c); break;
    case IPC_VERDICT: on_verdict(m, c, &msg->verdict); break;
    case IPC_ROTATE: files_rotate(m, c); break;
    default: /* no child of ours sends that: it has been taken over */
        log_warn("%s sends what it never should; it is ended", child_name(c));
        (void)kill(c->pid, SIGKILL);
    }
}

static void read_child(struct monitor *m, struct generation *g, struct child *c)
{
    struct ipc_msg msg;
    for (int i = 0; i < MESSAGES_A_TURN && c->pid > 0; i++) {
        int r = ipc_recv(c->control, &msg, NULL);
        if (r == 1) {
            on_message(m, g, c, &msg);
            continue;
        }
        if (r == -EAGAIN)
            return;
        if (r != 0)
            log_warn("%s sends garbage; it is ended", child_name(c));
        (void)kill(
            c->pid, SIGKILL); /* its end of the socket is gone, and so shall it be; SIGCHLD does the rest */
        (void)close(c->control);
        c->control = -1;
        return;
    }
}

static void stop(struct monitor *m, int status)
{
    m->stopping = true;
    m->exit_status = status;
}

static void describe(int status, char *out, size_t len)
{
    if (WIFSIGNALED(status))
        (void)snprintf(out, len, "killed by signal %d%s", WTERMSIG(status),
            WTERMSIG(status) == SIGSYS ? " (a forbidden system call)" : "");
    else
        (void)snprintf(out, len, "ended with status %d", WEXITSTATUS(status));
}

static void on_death(struct monitor *m, struct generation *g, struct child *c, int status)
{
    char how[64];
    describe(status, how, sizeof how);
    bool vital = c->role == SANDBOX_SIGNER;
    bool was_ready = c->ready;
    child_gone(c);
    if (m->stopping || (g && g->state == GEN_DRAINING))
        return;
    if (vital) {
        log_warn("the signer was %s: egressd ends, and the agent is cut off", how);
        files_event(m, "stop", VERDICT_DENY, c, how);
        stop(m, 1);
        return;
    }
    if (g->state == GEN_INCOMING) {
        char why[128];
        (void)snprintf(
            why, sizeof why, "%s %s before it was ready; see its messages above", child_name(c), how);
        generation_failed(m, g, why);
        return;
    }
    log_warn("%s was %s%s; started again", child_name(c), how, was_ready ? "" : " before it was ready");
    files_event(m, "start", VERDICT_AUDIT, c, how);
    files_write_status(m);
}

static void reap(struct monitor *m)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct generation *g;
        struct child *c = child_find(m, pid, &g);
        if (c)
            on_death(m, g, c, status);
    }
}

static void read_signals(struct monitor *m)
{
    struct signalfd_siginfo s;
    while (read(m->signal_fd, &s, sizeof s) == (ssize_t)sizeof s) {
        switch (s.ssi_signo) {
        case SIGCHLD: reap(m); break;
        case SIGHUP: m->reload_wanted = true; break;
        default: stop(m, m->exit_status);
        }
    }
}

struct watched {
    struct pollfd fds[1 + 1 + GENERATIONS * (ENGINES_PER_SET + 1)];
    struct generation *gens[1 + 1 + GENERATIONS * (ENGINES_PER_SET + 1)];
    struct child *children[1 + 1 + GENERATIONS * (ENGINES_PER_SET + 1)];
    nfds_t n;
};

static void watch(struct watched *w, int fd, struct generation *g, struct child *c)
{
    if (fd < 0)
        return;
    w->fds[w->n] = (struct pollfd){.fd = fd, .events = POLLIN};
    w->gens[w->n] = g;
    w->children[w->n++] = c;
}

static void watch_all(struct monitor *m, struct watched *w)
{
    w->n = 0;
    watch(w, m->signal_fd, NULL, NULL);
    watch(w, m->signer.control, NULL, &m->signer);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        struct generation *g = &m->generations[i];
        for (unsigned e = 0; g->state != GEN_NONE && e < m->n_engines; e++)
            watch(w, g->engines[e].control, g, &g->engines[e]);
        if (g->state != GEN_NONE)
            watch(w, g->resolver.control, g, &g->resolver);
    }
}

static void turn(struct monitor *m, int timeout)
{
    struct watched w;
    watch_all(m, &w);
    if (poll(w.fds, w.n, timeout) < 0 && errno != EINTR)
        die_errno("poll");
    for (nfds_t i = 1; i < w.n; i++)
        if (w.fds[i].revents && w.children[i]->control == w.fds[i].fd)
            read_child(m, w.gens[i], w.children[i]);
    if (w.fds[0].revents) /* after their last messages */
        read_signals(m);
}

static void kill_one(struct monitor *m, struct generation *g, struct child *c)
{
    (void)m;
    (void)g;
    child_kill(c);
}

static void drain_one(struct monitor *m, struct generation *g, struct child *c)
{
    struct ipc_msg drain = {.type = IPC_DRAIN};
    (void)m;
    if (g && ipc_send(c->control, &drain, -1) < 0)
        child_kill(c);
}

static size_t running(const struct monitor *m)
{
    size_t n = 0;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        for (unsigned e = 0; e < m->n_engines; e++)
            n += m->generations[i].engines[e].pid > 0;
        n += m->generations[i].resolver.pid > 0;
    }
    return n;
}

/** The children write their last lines, then ours is the last one. The rules stay: whatever the agent still
 * sends finds nobody. */
static void shut_down(struct monitor *m)
{
    uint64_t end = monitor_now_ms() + STOP_DRAIN_MS;
    files_write_status(m);
    children_each(m, drain_one);
    for (uint64_t now; running(m) && (now = monitor_now_ms()) < end;)
        turn(m, (int)(end - now));
    children_each(m, kill_one);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    if (m->announced)
        files_event(m, "stop", VERDICT_AUDIT, NULL, NULL);
    audit_close(m->audit);
}

int monitor_run(const struct monitor_options *o)
{
    static struct monitor m; /* large */
    m = (struct monitor){.options = o, .pid = getpid(), .log_fd = -1};
    m.n_engines = MIN(o->engines ? o->engines : cpu_count(), (unsigned)ENGINES_PER_SET);
    sandbox_begin(SANDBOX_MONITOR, 0);
    set_up(&m);
    while (!m.stopping) {
        uint64_t now = monitor_now_ms();
        turn(&m, generations_timeout(&m, now));
        generations_tick(&m, monitor_now_ms());
    }
    shut_down(&m);
    return m.exit_status;
}
