#include "appliance/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appliance/ipc.h"
#include "appliance/monitor_internal.h"
#include "lib/base.h"
#include "lib/log.h"

#define MESSAGES_A_TURN 64 /* of one child, before the others are looked at */

uint64_t monitor_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void announce(struct monitor *m)
{
    m->announced = true;
    files_event(m, "start", VERDICT_ALLOW, NULL, NULL);
    files_write_status(m);
    const struct generation *g = generation_in(m, GEN_PRESENT);
    if (m->options->audit_only)
        log_warn("audit-only: what the policy refuses is let through and logged, but for private addresses");
    log_info("ready: agent on %s, uplink %s, %u engines, %zu routes; %s, %s", m->net.agent_if,
        m->net.uplink_if, m->n_engines, g->in.policy->n_routes, intercept_name(m->caps.intercept),
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

static void on_verdict(struct monitor *m, struct child *c, const struct ipc_verdict *v)
{
    if (c->role != SANDBOX_ENGINE || v->queue != QUEUE_NUMBER + c->index || m->queues[c->index] < 0) {
        log_warn("%s answers for a queue that is not its own", child_name(c));
        child_kill(c);
        return;
    }
    int r = netfilter_verdict(m->queues[c->index], v);
    if (r < 0)
        log_debug("a packet's verdict was not taken: %s", strerror(-r));
}

/* The kernel's answer goes back by the same message. What the socket does not take is asked for again. */
static void on_count_ask(struct child *c, const struct ipc_msg *ask)
{
    struct ipc_msg msg = {.type = IPC_COUNT, .count = ask->count};
    if (c->role == SANDBOX_ENGINE && netfilter_count(&msg.count) == 0)
        (void)ipc_send(c->control, &msg, -1);
}

static void on_message(struct monitor *m, struct generation *g, struct child *c, const struct ipc_msg *msg)
{
    switch (msg->type) {
    case IPC_READY: on_ready(m, g, c); break;
    case IPC_VERDICT: on_verdict(m, c, &msg->verdict); break;
    case IPC_COUNT_ASK: on_count_ask(c, msg); break;
    case IPC_ROTATE: files_rotate(m, c); break;
    case IPC_PING: break; /* heard */
    default: /* no child of ours sends that: it has been taken over */
        log_warn("%s sends what it never should; it is ended", child_name(c));
        child_kill(c);
    }
}

static void read_child(struct monitor *m, struct generation *g, struct child *c)
{
    struct ipc_msg msg;
    for (int i = 0; i < MESSAGES_A_TURN && c->pid > 0; i++) {
        int r = ipc_recv(c->control, &msg, NULL);
        if (r == 1) {
            watch_heard(c);
            on_message(m, g, c, &msg);
            continue;
        }
        if (r == -EAGAIN)
            return;
        if (r != 0)
            log_warn("%s sends garbage; it is ended", child_name(c));
        child_kill(c); /* its end of the socket is gone, and so shall it be; SIGCHLD does the rest */
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

static void describe(const struct child *c, int status, char *out, size_t len)
{
    if (c->hung)
        (void)snprintf(out, len, "ended, as it did not answer");
    else if (WIFSIGNALED(status))
        (void)snprintf(out, len, "killed by signal %d%s", WTERMSIG(status),
            WTERMSIG(status) == SIGSYS ? " (a forbidden system call)" : "");
    else
        (void)snprintf(out, len, "ended with status %d", WEXITSTATUS(status));
}

static void on_death(struct monitor *m, struct generation *g, struct child *c, int status)
{
    char how[64];
    describe(c, status, how, sizeof how);
    bool was_ready = c->ready;
    child_gone(c);
    if (m->stopping)
        return;
    if (!g) { /* the one that is of no generation */
        log_warn("the signer was %s: egressd ends, and the agent is cut off", how);
        files_event(m, "stop", VERDICT_DENY, c, how);
        stop(m, 1);
        return;
    }
    if (g->state == GEN_DRAINING)
        return;
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

/* Signals, those who ask for the status, the signer, and the generations. */
#define WATCHED_MAX (1 + 1 + 1 + GENERATIONS * (ENGINES_PER_SET + 1))

struct watched {
    struct pollfd fds[WATCHED_MAX];
    struct generation *gens[WATCHED_MAX];
    struct child *children[WATCHED_MAX];
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
    watch(w, m->status_fd, NULL, NULL);
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
        if (w.fds[i].revents && w.children[i] && w.children[i]->control == w.fds[i].fd)
            read_child(m, w.gens[i], w.children[i]);
        else if (w.fds[i].revents && !w.children[i])
            watch_answer(m);
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
    size_t n = m->signer.pid > 0;
    for (unsigned i = 0; i < GENERATIONS; i++) {
        for (unsigned e = 0; e < m->n_engines; e++)
            n += m->generations[i].engines[e].pid > 0;
        n += m->generations[i].resolver.pid > 0;
    }
    return n;
}

/** Turns until no more than `left` of our processes run, or the time is over. */
static void wait_for(struct monitor *m, size_t left, uint64_t ms)
{
    uint64_t end = monitor_now_ms() + ms;
    for (uint64_t now; running(m) > left && (now = monitor_now_ms()) < end;)
        turn(m, (int)(end - now));
}

/** The children write their last lines, then ours is the last one. The rules stay: whatever the agent still
 * sends finds nobody. */
static void shut_down(struct monitor *m)
{
    files_write_status(m);
    children_each(m, drain_one);
    wait_for(m, 1, STOP_DRAIN_MS); /* the signer has nothing to drain */
    children_each(m, kill_one);
    wait_for(m, 0, STOP_KILL_MS);
    if (m->announced)
        files_event(m, "stop", VERDICT_AUDIT, NULL, NULL);
    audit_close(m->audit);
}

int monitor_run(const struct monitor_options *o)
{
    static struct monitor m; /* large */
    m = (struct monitor){.options = o, .pid = getpid(), .log_fd = -1, .status_fd = -1};
    sandbox_begin(SANDBOX_MONITOR, 0);
    monitor_set_up(&m);
    while (!m.stopping) {
        uint64_t now = monitor_now_ms();
        turn(&m, generations_timeout(&m, now));
        generations_tick(&m, monitor_now_ms());
        watch_children(&m, monitor_now_ms());
    }
    shut_down(&m);
    return m.exit_status;
}
