/* egressctl between its caller and a program in a sandbox: signals, the terminal, the end. */
#include "hostctl/netns_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/netns_argv.h"
#include "hostctl/netns_uplink.h"
#include "lib/base.h"
#include "lib/log.h"

static void pass_on(struct holder *agent, enum tty_mode tty)
{
    struct caught c;
    while (signals_next(&c)) {
        /* What the terminal sent to our group, CMD got as well where it shares the group. */
        if (c.signo == SIGCHLD || (c.from_tty && tty == TTY_SHARED))
            continue;
        if (c.from_tty && agent->program > 0) { /* what is typed is for all of its group */
            (void)kill(-agent->program, c.signo);
            continue;
        }
        (void)hold_send(agent->sock, HOLD_SIGNAL, c.signo, NULL, 0);
        if (c.signo == SIGTERM || c.signo == SIGHUP) /* a stopped CMD hears it, too */
            (void)hold_send(agent->sock, HOLD_SIGNAL, SIGCONT, NULL, 0);
    }
}

/* CMD was stopped: so are we, as far as our own caller can see. */
static void stop_too(const struct holder *agent, enum tty_mode tty, int signo)
{
    bool job = tty == TTY_OWNED || tty == TTY_BEHIND;
    /* It wants the terminal, which we have, since a shell's `fg` says nothing to a job that runs. */
    bool ours = job && (signo == SIGTTIN || signo == SIGTTOU) && tty_is_ours();
    if (!ours) {
        tty_return();
        (void)raise(SIGSTOP);
    }
    /* `fg` gave us the terminal; `bg` did not. */
    if (job && tty_is_ours())
        tty_give(agent->program);
    (void)kill(tty == TTY_SHARED ? agent->program : -agent->program, SIGCONT);
}

enum said { SAID_NOTHING, SAID_ENDED, SAID_GONE };

static enum said agent_says(struct holder *agent, enum tty_mode tty, int *status)
{
    struct hold_msg m;
    int got = hold_receive(agent->sock, &m, NULL);
    if (got == -EAGAIN)
        return SAID_NOTHING;
    if (got != 1)
        return SAID_GONE;
    *status = m.value;
    if (m.type == HOLD_STOPPED && (tty != TTY_NONE || m.value == SIGTSTP))
        stop_too(agent, tty, m.value);
    return m.type == HOLD_EXITED ? SAID_ENDED : SAID_NOTHING;
}

/* Its files, its addresses and the agent's way to it are the same; that there is none round it is tried
 * again. */
static void sidecar_says(const struct hold_msg *m, pid_t pid, struct record *r, struct uplink_watch *w)
{
    switch (m->type) {
    case HOLD_AGAIN:
        log_warn("the sidecar ended unexpectedly (status %d) and is started again; the agent is cut off "
                 "meanwhile",
            m->value);
        break;
    case HOLD_STARTED:
        record_set_process(r, "egressd", pid);
        (void)record_save(r);
        break;
    case HOLD_SERVES:
        log_info("the sidecar serves again");
        proof_begin(&w->follow.proof, r, "the restart of the sidecar");
        break;
    default: break;
    }
}

static bool sidecar_lives(struct holder *side, struct record *r, struct uplink_watch *w)
{
    struct hold_msg m;
    pid_t pid = 0;
    int got;
    while ((got = hold_receive(side->sock, &m, &pid)) == 1) {
        if (m.type == HOLD_EXITED)
            return false;
        sidecar_says(&m, pid, r, w);
    }
    return got == -EAGAIN;
}

static int watch(
    struct holder *side, struct holder *agent, enum tty_mode tty, struct record *r, struct uplink_watch *w)
{
    for (;;) {
        struct pollfd p[] = {{.fd = agent->sock, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN},
            {.fd = side ? side->sock : -1, .events = POLLIN}, {.fd = w->news, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), side ? uplink_watch_timeout(w) : -1) < 0 && errno != EINTR)
            return EXIT_EGRESSCTL;
        pass_on(agent, tty);
        int status = EXIT_EGRESSCTL;
        enum said said = p[0].revents ? agent_says(agent, tty, &status) : SAID_NOTHING;
        if (said == SAID_ENDED)
            return status;
        if (side && r && !sidecar_lives(side, r, w)) {
            log_warn("the sidecar ended unexpectedly, and the sandbox with it; its log is %s/egressd.log",
                record_str(r, "state_dir"));
            return EXIT_EGRESSCTL;
        }
        if (said == SAID_GONE) {
            log_warn("the sandbox was ended from outside");
            return EXIT_EGRESSCTL;
        }
        if (side)
            uplink_watch_turn(w, r, p[3].revents != 0);
    }
}

int netns_watch(struct holder *side, struct holder *agent, enum tty_mode tty, struct sandbox *sb)
{
    struct uplink_watch w = {.news = -1};
    if (side)
        uplink_watch_open(&w, sb);
    int status = watch(side, agent, tty, sb ? sb->rec : NULL, &w);
    if (side)
        uplink_watch_close(&w);
    return status;
}

static int enter(pid_t pid, const char *type, int flag)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, type);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || setns(fd, flag) ? -errno : 0;
}

/* In the PID namespace, whose own /proc comes only with the mounts, which are therefore last. */
static _Noreturn void exec_inside(
    pid_t pid, int sock, const struct exec_request *req, char **argv, enum tty_mode tty)
{
    if (enter(pid, "net", CLONE_NEWNET) || enter(pid, "ipc", CLONE_NEWIPC) ||
        enter(pid, "uts", CLONE_NEWUTS) || enter(pid, "mnt", CLONE_NEWNS)) {
        log_warn("cannot enter the sandbox: %s", strerror(errno));
        _exit(EXIT_EGRESSCTL);
    }
    /* What the agent may have put in its place since is not followed: we are root, and it would begin there.
     */
    cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int cwd = req->cwd && req->cwd[0] && req->cwd[1] ? beneath_folder(root, req->cwd + 1) : -1;
    if (cwd < 0 || fchdir(cwd))
        (void)!chdir("/");
    hold_exec(sock, argv, req->env, tty);
}

/* Stands between us and the namespace's process, and reaps it at once whatever becomes of us: a zombie that
 * nobody waits for would keep the whole sandbox from ending. */
static _Noreturn void exec_parent(
    pid_t pid, int sock, const struct exec_request *req, char **argv, enum tty_mode tty)
{
    (void)signal(SIGCHLD, SIG_IGN);
    if (enter(pid, "pid", CLONE_NEWPID)) {
        log_warn("cannot enter the sandbox: %s", strerror(errno));
        _exit(EXIT_EGRESSCTL);
    }
    pid_t child = fork();
    if (child == 0)
        exec_inside(pid, sock, req, argv, tty);
    if (child < 0)
        log_warn("cannot start a process in the sandbox: %s", strerror(errno));
    hold_reap_only();
}

static int run_inside(struct record *r, pid_t pid, const struct exec_request *req, char **argv)
{
    enum tty_mode tty = tty_mode();
    int sock[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
        log_warn("cannot enter the sandbox %s: %s", r->name, strerror(errno));
        return EXIT_EGRESSCTL;
    }
    (void)setsockopt(sock[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    struct holder agent = {.sock = sock[0]};
    agent.pid = fork();
    if (agent.pid == 0)
        exec_parent(pid, sock[1], req, argv, tty);
    close(sock[1]);
    struct hold_msg m;
    struct pollfd p = {.fd = sock[0], .events = POLLIN};
    while (hold_receive(sock[0], &m, &agent.program) == -EAGAIN)
        (void)poll(&p, 1, -1);
    int status = agent.program > 0 ? netns_watch(NULL, &agent, tty, NULL) : EXIT_EGRESSCTL;
    tty_return();
    close(sock[0]);
    (void)waitpid(agent.pid, NULL, 0);
    return status;
}

static pid_t agent_of(struct record *r)
{
    pid_t pid = record_process(r, "agent");
    if (!pid || geteuid() != 0)
        log_warn(pid ? "entering a sandbox needs root: sudo egressctl ..."
                     : "the sandbox's agent namespaces are gone");
    return geteuid() == 0 ? pid : 0;
}

int netns_exec(struct record *r, const struct exec_request *req)
{
    struct netns_argv argv = {0};
    pid_t pid = agent_of(r);
    if (!pid)
        return EXIT_EGRESSCTL;
    int err = netns_argv_exec(record_str(r, "user"), req->cmd, &argv);
    if (err)
        log_warn("cannot enter the sandbox: %s", strerror(-err));
    int status = err ? EXIT_EGRESSCTL : run_inside(r, pid, req, argv.agent);
    netns_argv_free(&argv);
    return status;
}

int netns_probe(struct record *r, const char *skip)
{
    char *env[] = {NULL};
    const struct exec_request req = {.env = env};
    struct netns_argv argv = {0};
    pid_t pid = agent_of(r);
    if (!pid)
        return -ESRCH;
    int err = netns_argv_probe(r, skip, &argv);
    if (err)
        log_warn("cannot try the network of %s: %s", r->name, strerror(-err));
    else {
        int status = run_inside(r, pid, &req, argv.agent);
        /* A signal to us (Ctrl-C) has found out nothing. */
        err = status == 0 ? 0 : status == EXIT_EGRESSCTL ? -EPERM : -EINTR;
    }
    netns_argv_free(&argv);
    return err;
}
