#include "hostctl/netns_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/beneath.h"
#include "hostctl/netns_mount.h"
#include "hostctl/netns_nft.h"
#include "hostctl/record.h"
#include "hostctl/resolvers.h"
#include "hostctl/words.h"
#include "lib/base.h"
#include "lib/log.h"

#define CA_MAX KIB(32)
/* Of egressd.log, which is there twice at most: whatever happens, it must not fill the disk. */
#define LOG_MAX MIB(4)
/* A busy machine needs a moment; more is a fault. */
#define READY_MS 20000
/* Added to oom_score_adj, in thousandths of the machine's memory; and its upper end. */
#define OOM_MORE 200L
#define OOM_MOST 1000L
#define KEYCTL_JOIN_SESSION 1 /* <linux/keyctl.h> is not everywhere */

/** A holder's own life. */
struct life {
    const struct sandbox *sb;
    int sock, signals, link; /* link: -1, or the pipe whose end is ours */
    int log, log_out; /* what the program writes to stderr, and the file it goes to; -1 */
    pid_t child;
    bool keep, kept, show;
    const struct hold_plan *plan;
    bool guard; /* egressd is started again when it ends */
    int ready; /* where a restarted egressd says that it serves; -1 */
    long long deadline; /* ms: for that */
    struct restarts restarts;
};

int hold_send(int sock, enum hold_type type, int value, const void *payload, size_t len)
{
    struct hold_msg m = {.type = type, .value = value};
    struct iovec iov[2] = {{&m, sizeof m}, {(void *)(uintptr_t)payload, len}};
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = payload ? 2 : 1};
    return sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The program's pid, translated by the kernel into the receiver's PID namespace. */
static void send_started(int sock, pid_t child)
{
    struct hold_msg m = {.type = HOLD_STARTED};
    struct iovec iov = {&m, sizeof m};
    struct ucred cred = {.pid = child};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof cred)];
    } u = {0};
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof u.buf};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_CREDENTIALS;
    c->cmsg_len = CMSG_LEN(sizeof cred);
    memcpy(CMSG_DATA(c), &cred, sizeof cred);
    (void)sendmsg(sock, &h, MSG_NOSIGNAL);
}

int hold_receive(int sock, struct hold_msg *out, pid_t *pid)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(struct ucred))];
    } u;
    *out = (struct hold_msg){.value = 0};
    struct iovec iov = {out, sizeof *out};
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof u.buf};
    ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : errno == ECONNRESET ? 0 : -errno;
    if (n == 0)
        return 0;
    if ((size_t)n < sizeof *out)
        return -EPROTO;
    out->text[sizeof out->text - 1] = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c && pid; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred cred;
            memcpy(&cred, CMSG_DATA(c), sizeof cred);
            *pid = cred.pid;
        }
    return 1;
}

static _Noreturn void failed(int sock, const char *why)
{
    struct hold_msg m = {.type = HOLD_FAILED};
    (void)snprintf(m.text, sizeof m.text, "%s", why);
    (void)!send(sock, &m, sizeof m, MSG_NOSIGNAL);
    _exit(EXIT_EGRESSCTL);
}

/* Signals are for the program; what the terminal sends to our group is none of a holder's business. */
static void quiet(const char *title)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    /* The parent may be dead already: then its end of the socket is closed, and that is seen too. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)prctl(PR_SET_NAME, title);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGTTOU, SIG_IGN);
}

/* All above stderr but these (-1: none). */
static void close_others(const int *keep, size_t n)
{
    for (unsigned from = STDERR_FILENO + 1;;) {
        unsigned next = ~0U;
        for (size_t i = 0; i < n; i++)
            if (keep[i] >= (int)from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next > from)
            (void)syscall(SYS_close_range, from, next == ~0U ? next : next - 1, 0);
        if (next == ~0U)
            return;
        from = next + 1;
    }
}

/* -- the program -- */

struct program {
    char **argv, **env;
    int err_fd; /* its stderr; -1: as ours */
    int in_out; /* its stdin and stdout; -1: as ours */
    int keep_fd; /* stays open, past exec; -1 */
    bool session; /* of its own, away from the terminal's signals */
    mode_t mask; /* umask */
    bool agent; /* CMD: where memory runs out it goes before the sidecar */
    enum tty_mode tty;
};

/* What an agent fills its memory with must not cost the processes that confine it theirs, nor those of the
 * host. */
static void offer_to_oom(void)
{
    char text[16];
    long now = 0;
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = 0;
    now = strtol(text, NULL, 10) + OOM_MORE;
    n = snprintf(text, sizeof text, "%ld", now > OOM_MOST ? OOM_MOST : now);
    (void)!pwrite(fd, text, (size_t)n, 0);
}

static _Noreturn void become(const struct program *p)
{
    if (p->agent)
        offer_to_oom();
    if (p->session)
        (void)setsid();
    else if (p->tty != TTY_SHARED)
        (void)setpgid(0, 0);
    if (p->tty == TTY_OWNED)
        (void)tcsetpgrp(0, getpid()); /* SIGTTOU is ignored until now */
    signals_reset();
    (void)umask(p->mask);
    if (p->in_out >= 0) {
        (void)dup2(p->in_out, 0);
        (void)dup2(p->in_out, 1);
    }
    if (p->err_fd >= 0)
        (void)dup2(p->err_fd, 2);
    /* Nothing of ours but what is meant: not the record's lock, not a namespace, not a socket. */
    close_others(&p->keep_fd, 1);
    if (p->keep_fd >= 0)
        (void)fcntl(p->keep_fd, F_SETFD, 0);
    execve(p->argv[0], p->argv, p->env);
    log_warn("cannot run %s: %s", p->argv[0], strerror(errno));
    _exit(EXIT_EGRESSCTL);
}

static pid_t start(const struct program *p)
{
    pid_t pid = fork();
    if (pid == 0)
        become(p);
    return pid;
}

/* -- life -- */

static int watch_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int open_log(const struct sandbox *sb)
{
    return beneath_open(sb->state_fd, SIDECAR_LOG, O_WRONLY | O_CREAT | O_APPEND);
}

/* Another sandbox may write to the same file, and may have been first. */
static void rotate_log(struct life *l)
{
    struct stat open_one, named;
    int dir = l->sb->state_fd;
    if (fstat(l->log_out, &open_one) || open_one.st_size < (off_t)LOG_MAX)
        return;
    if (fstatat(dir, SIDECAR_LOG, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == open_one.st_ino &&
        renameat(dir, SIDECAR_LOG, dir, SIDECAR_LOG ".1"))
        (void)!ftruncate(l->log_out, 0); /* a folder that is not ours to change: better lost than endless */
    close(l->log_out);
    l->log_out = open_log(l->sb);
}

/* The sidecar's messages: to the log, and to the user as long as egressctl is there. A user who does not read
 * must not stop the sidecar, so what does not fit at once is only in the log. */
static void relay_log(struct life *l)
{
    char buf[KIB(4)];
    ssize_t n = read(l->log, buf, sizeof buf);
    if (n <= 0) {
        if (n == 0 || errno != EINTR) {
            close(l->log);
            l->log = -1;
        }
        return;
    }
    if (l->log_out >= 0) {
        rotate_log(l);
        (void)!write(l->log_out, buf, (size_t)n);
    }
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (l->show && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
        (void)!write(STDERR_FILENO, buf, (size_t)n);
}

/* egressd's environment: where programs and certificates are, and nothing else of the caller's. */
static char **sidecar_env(void)
{
    static const char *const names[] = {"PATH", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR"};
    char **env = calloc(ARRAY_LEN(names) + 1, sizeof *env);
    size_t n = 0;
    for (size_t i = 0; env && i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);
        if (v && asprintf(&env[n], "%s=%s", names[i], v) >= 0)
            n++;
    }
    return env;
}

/* In the network and with the files that are there. 0 or -errno. */
static int start_sidecar(struct life *l)
{
    int log[2];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || pipe2(log, O_CLOEXEC))
        return -errno;
    struct program program = {.argv = l->plan->argv,
        .env = sidecar_env(),
        .err_fd = log[1],
        .in_out = null,
        .keep_fd = l->plan->ready_fd,
        .session = true,
        .mask = 077};
    l->child = start(&program);
    close(log[1]);
    if (l->log >= 0)
        close(l->log);
    l->log = log[0];
    /* Our end is closed, which is how one learns that egressd failed; its number stays taken. */
    (void)dup3(null, l->plan->ready_fd, O_CLOEXEC);
    close(null);
    words_free_list(program.env);
    if (l->child < 0)
        return -ECHILD;
    send_started(l->sock, l->child);
    return 0;
}

/* egressd is gone: so is everything that it started, and what it had let through is to be judged anew. */
static void clear_sidecar(struct life *l)
{
    if (getpid() != 1) /* only there "all" are the sidecar's */
        _exit(EXIT_EGRESSCTL);
    (void)kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    while (l->log >= 0)
        relay_log(l);
    if (flows_flush())
        _exit(EXIT_EGRESSCTL);
}

/* False: it is not to be. */
static bool start_again(struct life *l, int status)
{
    int ready[2];
    if (!l->guard || status == 0 || restarts_too_many(&l->restarts, now_ms()))
        return false;
    clear_sidecar(l);
    if (l->ready >= 0)
        close(l->ready);
    (void)hold_send(l->sock, HOLD_AGAIN, status, NULL, 0);
    if (pipe2(ready, O_CLOEXEC))
        return false;
    bool on = dup3(ready[1], l->plan->ready_fd, O_CLOEXEC) >= 0;
    close(ready[1]);
    l->ready = ready[0];
    l->deadline = now_ms() + READY_MS;
    return on && start_sidecar(l) == 0;
}

static int time_left(const struct life *l)
{
    long long left = l->deadline - now_ms();
    return l->ready < 0 ? -1 : left < 0 ? 0 : (int)left;
}

/* It writes a line when it serves. */
static void look_ready(struct life *l)
{
    char line[16];
    struct pollfd p = {.fd = l->ready, .events = POLLIN};
    if (poll(&p, 1, 0) != 1) {
        if (now_ms() >= l->deadline && l->child > 0)
            (void)kill(l->child, SIGKILL);
        return;
    }
    ssize_t n = read(l->ready, line, sizeof line);
    close(l->ready);
    l->ready = -1;
    if (n > 0)
        (void)hold_send(l->sock, HOLD_SERVES, 0, NULL, 0);
    else if (l->child > 0)
        (void)kill(l->child, SIGKILL); /* it failed; its end comes as a signal */
}

/* Ours, and those that were orphaned to us. */
static void reap(struct life *l)
{
    struct signalfd_siginfo info;
    while (read(l->signals, &info, sizeof info) > 0) {
    }
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
        if (pid <= 0)
            return;
        if (pid != l->child)
            continue;
        if (WIFSTOPPED(status)) {
            (void)hold_send(l->sock, HOLD_STOPPED, WSTOPSIG(status), NULL, 0);
            continue;
        }
        l->child = 0;
        if (start_again(l, status_of(status)))
            return;
        (void)hold_send(l->sock, HOLD_EXITED, status_of(status), NULL, 0);
        if (!l->keep)
            _exit(0);
    }
}

static void forget_user(void)
{
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
}

static void obey(struct life *l)
{
    struct hold_msg m;
    int got = hold_receive(l->sock, &m, NULL);
    if (got == -EAGAIN)
        return;
    if (got <= 0) {
        if (!l->kept) {
            /* egressctl is gone: so is everything here. The first process takes all with it; exec's is not
             * the first. */
            if (l->child > 0)
                (void)kill(l->child, SIGKILL);
            _exit(0);
        }
        close(l->sock);
        l->sock = -1;
        return;
    }
    if (m.type == HOLD_SIGNAL && l->child > 0) {
        (void)kill(l->child, m.value);
    } else if (m.type == HOLD_SHOW || m.type == HOLD_GUARD) {
        l->show = true;
        if (m.type == HOLD_GUARD)
            l->guard = true;
    } else if (m.type == HOLD_KEEP) {
        l->kept = true;
        (void)prctl(PR_SET_PDEATHSIG, 0);
        forget_user();
        (void)hold_send(l->sock, HOLD_KEPT, 0, NULL, 0);
    }
}

static _Noreturn void live(struct life *l)
{
    for (;;) {
        struct pollfd p[] = {{.fd = l->signals, .events = POLLIN}, {.fd = l->sock, .events = POLLIN},
            {.fd = l->link, .events = 0}, {.fd = l->log, .events = POLLIN},
            {.fd = l->ready, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), time_left(l)) < 0 && errno != EINTR)
            _exit(EXIT_EGRESSCTL);
        if (p[4].revents || l->ready >= 0)
            look_ready(l);
        if (p[3].revents)
            relay_log(l); /* before a death is reported, its reason */
        else if (p[0].revents)
            reap(l);
        if (p[1].revents)
            obey(l);
        if (p[2].revents)
            _exit(EXIT_EGRESSCTL); /* the sidecar is gone */
    }
}

/* Waits for HOLD_GO. `payload` may be NULL. The length of the payload. */
static size_t wait_go(int sock, char *payload, size_t room)
{
    struct hold_msg m = {0};
    struct iovec iov[2] = {{&m, sizeof m}, {payload, room}};
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = payload ? 2 : 1};
    for (;;) {
        ssize_t n = recvmsg(sock, &h, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)sizeof m || m.type != HOLD_GO)
            _exit(EXIT_EGRESSCTL);
        return (size_t)n - sizeof m;
    }
}

/* -- making one -- */

/* Common to both, in the new process. */
static void begin(const struct hold_plan *p, int sock, const char *title)
{
    quiet(title);
    const int keep[] = {sock, p->keep_open, p->ready_fd, p->sb->rec->lock_fd, p->state_fd};
    close_others(keep, ARRAY_LEN(keep));
}

static pid_t make_namespaces(int sock[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
        return -1;
    struct clone_args args = {
        .flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
        .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        close(sock[0]);
        return 0;
    }
    int err = errno;
    close(sock[1]);
    errno = err;
    return pid;
}

static int made(pid_t pid, int sock, struct holder *out)
{
    char path[64];
    int on = 1, err = errno;
    *out = (struct holder){.pid = 0, .sock = -1, .netns = -1};
    if (pid < 0) {
        log_warn("cannot make namespaces: %s; this needs root with CAP_SYS_ADMIN", strerror(err));
        return -err;
    }
    out->pid = pid;
    out->sock = sock;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    out->netns = open(path, O_RDONLY | O_CLOEXEC);
    if (out->netns < 0 || setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on)) {
        struct hold_msg m;
        err = errno;
        /* It may have failed already, and said why. */
        if (hold_receive(sock, &m, NULL) == 1 && m.type == HOLD_FAILED)
            log_warn("%s", m.text);
        else
            log_warn("cannot open the new network namespace: %s", strerror(err));
        return -err;
    }
    return 0;
}

static int put_private(const char *name, const struct blob *b)
{
    char path[128];
    (void)snprintf(path, sizeof path, SIDECAR_DIR "/%s", name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 || (b->n && write(fd, b->p, b->n) != (ssize_t)b->n) ? -errno : 0;
}

static _Noreturn void sidecar_main(const struct hold_plan *p, int sock)
{
    char why[512], servers[RESOLVERS_TEXT];
    begin(p, sock, "egressd-hold");
    (void)setsid();
    if (mount_sidecar(p->sb, why, sizeof why))
        failed(sock, why);
    /* The files live in memory that only the sidecar's namespaces can name. */
    struct sandbox *sb = (struct sandbox *)(uintptr_t)p->sb;
    resolvers_write(&sb->resolvers, servers);
    if (put_private(SIDECAR_POLICY, &sb->policy_text) || put_private(SIDECAR_SECRETS, &sb->secrets) ||
        put_private(SIDECAR_RESOLV, &(struct blob){servers, strlen(servers)}))
        failed(sock, "cannot write the sidecar's files");
    blob_wipe(&sb->secrets);
    struct life l = {.sb = sb,
        .plan = p,
        .sock = sock,
        .signals = watch_signals(),
        .link = -1,
        .log = -1,
        .log_out = open_log(sb),
        .ready = -1};
    if (l.signals < 0)
        failed(sock, "cannot watch the sidecar");
    (void)hold_send(sock, HOLD_READY, 0, NULL, 0);
    (void)wait_go(sock, NULL, 0);
    int err = start_sidecar(&l);
    if (err) {
        (void)snprintf(why, sizeof why, "cannot start egressd: %s", strerror(-err));
        failed(sock, why);
    }
    live(&l);
}

int hold_sidecar(const struct hold_plan *p, struct holder *out)
{
    int sock[2];
    pid_t pid = make_namespaces(sock);
    if (pid == 0)
        sidecar_main(p, sock[1]);
    return made(pid, sock[0], out);
}

/* The network is confined and tried; nothing of the agent has run yet. */
static void run_setup(const struct hold_plan *p, int sock)
{
    struct program setup = {.argv = p->setup,
        .env = p->sb->env,
        .err_fd = -1,
        .in_out = -1,
        .keep_fd = -1,
        .tty = TTY_SHARED,
        .mask = 022};
    int status = 0;
    pid_t pid = start(&setup);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        failed(sock, "cannot start egress-init");
    if (status_of(status) != 0)
        failed(sock, "egress-init refused to start the agent (its reason is above)");
}

static void write_ca(const char *pem, size_t len, int sock)
{
    cleanup_fd int fd = open(AGENT_CA, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0 || write(fd, pem, len) != (ssize_t)len)
        failed(sock, "cannot write the CA certificate for the agent");
}

static _Noreturn void agent_main(const struct hold_plan *p, int sock)
{
    char why[512], ca[CA_MAX];
    begin(p, sock, "egress-hold");
    mode_t mask = umask(022);
    blob_wipe(&((struct sandbox *)(uintptr_t)p->sb)->secrets);
    /* Keys of the invoking session (tickets, tokens) are not the agent's. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION, NULL);
    if (mount_agent(p->sb, p->shim, p->hidden, why, sizeof why))
        failed(sock, why);
    struct life l = {.sb = p->sb,
        .sock = sock,
        .signals = -1,
        .ready = -1,
        .link = p->keep_open,
        .log = -1,
        .log_out = -1,
        .keep = p->sb->opt->keep};
    (void)hold_send(sock, HOLD_READY, 0, NULL, 0);
    write_ca(ca, wait_go(sock, ca, sizeof ca), sock);
    run_setup(p, sock);
    l.signals = watch_signals();
    struct program program = {.argv = p->argv,
        .env = p->sb->env,
        .err_fd = -1,
        .in_out = -1,
        .keep_fd = -1,
        .tty = p->tty,
        .mask = mask,
        .agent = true};
    l.child = start(&program);
    if (l.child < 0 || l.signals < 0)
        failed(sock, "cannot start the agent");
    send_started(sock, l.child);
    /* CMD's pipes are CMD's: whoever reads them must see their end when CMD ends. */
    forget_user();
    live(&l);
}

int hold_agent(const struct hold_plan *p, struct holder *out)
{
    int sock[2];
    pid_t pid = make_namespaces(sock);
    if (pid == 0)
        agent_main(p, sock[1]);
    return made(pid, sock[0], out);
}

void hold_reap_only(void)
{
    quiet("egress-exec");
    (void)prctl(PR_SET_PDEATHSIG, 0); /* the child sees our caller's end by its socket, and ends first */
    (void)signal(SIGCHLD, SIG_IGN);
    close_others(NULL, 0);
    forget_user();
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    _exit(0);
}

void hold_exec(int sock, char **argv, char **env, enum tty_mode tty)
{
    quiet("egress-exec");
    (void)prctl(PR_SET_PDEATHSIG, 0); /* the command must go before us, when the socket ends */
    close_others(&sock, 1);
    mode_t mask = umask(022);
    struct life l = {
        .sock = sock, .signals = watch_signals(), .link = -1, .log = -1, .log_out = -1, .ready = -1};
    struct program program = {.argv = argv,
        .env = env,
        .err_fd = -1,
        .in_out = -1,
        .keep_fd = -1,
        .tty = tty,
        .mask = mask,
        .agent = true};
    l.child = start(&program);
    if (l.child < 0 || l.signals < 0)
        failed(sock, "cannot start the command");
    send_started(sock, l.child);
    forget_user();
    live(&l);
}
