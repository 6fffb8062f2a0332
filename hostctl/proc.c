#include "hostctl/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "lib/base.h"

/* For CMD, as far as it can be told from what is meant for us; and SIGCHLD. */
static bool caught(int signo)
{
    static const int list[] = {
        SIGHUP,
        SIGINT,
        SIGQUIT,
        SIGTERM,
        SIGUSR1,
        SIGUSR2,
        SIGWINCH,
        SIGTSTP,
        SIGCONT,
        SIGCHLD,
        SIGALRM,
        SIGVTALRM,
        SIGPROF,
        SIGXCPU,
        SIGABRT,
        SIGIO,
#ifdef SIGPWR
        SIGPWR,
#endif
    };
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        if (list[i] == signo)
            return true;
#ifdef SIGRTMIN
    return signo >= SIGRTMIN && signo <= SIGRTMAX;
#else
    return false;
#endif
}

long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool restarts_too_many(struct restarts *r, long long now)
{
    long long *oldest = &r->when[0];
    for (size_t i = 1; i < RESTARTS; i++)
        if (r->when[i] < *oldest)
            oldest = &r->when[i];
    bool much = *oldest && now - *oldest < RESTART_MS;
    *oldest = now;
    return much;
}

/* Written by the handler, read by the loop; a process has one set of handlers, so this is its state. */
static int caught_pipe[2] = {-1, -1};
static int stop_signal;
/* A script's background job ignores what the terminal sends (POSIX 2.11), but not what someone sends to it by
 * name. */
static bool background_job;

#ifdef __linux__
static void end_with_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

long long process_start(pid_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    /* The name may hold anything, ')' included: fields count from the last one. State is field 3, start 22.
     */
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
        return -1;
    p++;
    for (int field = 3; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoll(p, NULL, 10) : 0;
}
#else
static void end_with_parent(void)
{
}

long long process_start(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM ? 0 : -1;
}
#endif

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    struct caught c = {.signo = signo, .from_tty = info && info->si_code > 0};
    (void)!write(caught_pipe[1], &c, sizeof c);
    errno = saved;
}

static int set_flags(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK))
        return -errno;
    return 0;
}

int signals_init(void)
{
    if (pipe(caught_pipe) || set_flags(caught_pipe[0]) || set_flags(caught_pipe[1]))
        return -errno;
    struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_RESTART};
    sa.sa_sigaction = on_signal;
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction old;
        if (!caught(signo))
            continue;
        bool ignored = sigaction(signo, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
        if (ignored && signo == SIGHUP)
            continue; /* nohup is for CMD too */
        if (ignored && signo == SIGINT)
            background_job = true;
        if (sigaction(signo, &sa, NULL))
            return -errno;
    }
    /* Writing to a group that is not in the foreground, and giving the terminal back, must not stop us. */
    (void)signal(SIGTTOU, SIG_IGN);
    (void)signal(SIGTTIN, SIG_IGN); /* what stops CMD is heard from its holder */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit to the size of files is an error like others */
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}

int signals_fd(void)
{
    return caught_pipe[0];
}

bool signals_next(struct caught *out)
{
    while (caught_pipe[0] >= 0 && read(caught_pipe[0], out, sizeof *out) == (ssize_t)sizeof *out)
        if (!background_job || !out->from_tty || (out->signo != SIGINT && out->signo != SIGQUIT))
            return true;
    return false;
}

int signals_stop(void)
{
    struct caught c;
    while (!stop_signal && signals_next(&c))
        if (c.signo != SIGCHLD && c.signo != SIGWINCH && c.signo != SIGTSTP && c.signo != SIGCONT)
            stop_signal = c.signo;
    return stop_signal;
}

void signals_reset(void)
{
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction old;
        if (caught(signo) && sigaction(signo, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)signal(signo, SIG_DFL);
    }
    (void)signal(SIGTTOU, SIG_DFL);
    (void)signal(SIGTTIN, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int status_of(int wait_status)
{
    if (WIFEXITED(wait_status))
        return WEXITSTATUS(wait_status);
    return 128 + (WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0);
}

/* After `su`, in a cron job or with no PATH at all, root's programs are not found where nft is. */
static void look_where_root_does(void)
{
    const char *dirs = getenv("PATH");
    cleanup_free char *more = NULL;
    if (asprintf(&more, "%s:/usr/sbin:/sbin", dirs && *dirs ? dirs : "/usr/local/bin:/usr/bin:/bin") > 0)
        (void)setenv("PATH", more, 1);
}

static void spawned(const struct spawn *s, const int in[2], const int out[2])
{
    signals_reset();
    int null = open("/dev/null", O_RDWR);
    (void)dup2(s->input ? in[0] : null, 0);
    if (out[1] >= 0)
        (void)dup2(out[1], 1);
    if (s->quiet || s->err_fd > 0)
        (void)dup2(s->quiet ? null : s->err_fd, 2);
    if (s->keep_fd > 0) {
        (void)fcntl(s->keep_fd, F_SETFD, 0);
        end_with_parent();
    }
    look_where_root_does();
    execvp(s->argv[0], (char *const *)(uintptr_t)s->argv);
    _exit(127);
}

pid_t spawn_start(const struct spawn *s, int *out_fd)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    if ((s->input && pipe(in)) || (out_fd && pipe(out)))
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        if (in[1] >= 0)
            close(in[1]);
        if (out[0] >= 0)
            close(out[0]);
        spawned(s, in, out);
    }
    int err = errno;
    if (s->input) {
        close(in[0]);
        if (pid > 0)
            (void)!write(in[1], s->input, strlen(s->input));
        close(in[1]);
    }
    if (out_fd) {
        close(out[1]);
        *out_fd = out[0];
        (void)fcntl(out[0], F_SETFD, FD_CLOEXEC);
    }
    return pid < 0 ? -err : pid;
}

int spawn_status(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return status_of(status);
}

int spawn_wait(const struct spawn *s)
{
    int fd = -1;
    pid_t pid = spawn_start(s, s->out ? &fd : NULL);
    if (pid < 0)
        return (int)pid;
    if (s->out) {
        size_t used = 0;
        char spill[1024] = "";
        for (;;) {
            bool room = used + 1 < s->outlen;
            ssize_t n = read(fd, room ? s->out + used : spill, room ? s->outlen - 1 - used : sizeof spill);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            if (room)
                used += (size_t)n;
        }
        s->out[used] = 0;
        close(fd);
    }
    return spawn_status(pid);
}

static struct termios first_modes;
static bool modes_known, given;

bool tty_is_ours(void)
{
    return tcgetpgrp(0) == getpgrp();
}

static void lend(void)
{
    if (!modes_known)
        modes_known = tcgetattr(0, &first_modes) == 0;
    given = true;
}

enum tty_mode tty_mode(void)
{
    pid_t fg = -1;
    cleanup_fd int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        fg = tcgetpgrp(fd);
    if (fg < 0)
        return TTY_NONE;
    if (!isatty(0) || !isatty(1) || !isatty(2))
        return TTY_SHARED;
    if (fg != getpgrp())
        return TTY_BEHIND;
    lend(); /* CMD takes it itself, before it begins */
    return TTY_OWNED;
}

void tty_give(pid_t pgrp)
{
    lend();
    (void)tcsetpgrp(0, pgrp);
}

void tty_return(void)
{
    if (!given)
        return;
    given = false;
    (void)tcsetpgrp(0, getpgrp());
    if (modes_known)
        (void)tcsetattr(0, TCSADRAIN, &first_modes);
}
