/* The runtime's programs that stand for the containers, and egressctl between them and its caller. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/container.h"
#include "hostctl/follow.h"
#include "lib/base.h"
#include "lib/log.h"

pid_t container_spawn(struct words *w, int log)
{
    pid_t pid = w->failed ? -1 : fork();
    if (pid == 0) {
        signals_reset();
        if (log >= 0) {
            /* In a session of its own: what the terminal says is not for the sidecar. */
            (void)setsid();
            int null = open("/dev/null", O_RDWR);
            if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
                _exit(EXIT_EGRESSCTL);
        }
        execvp(w->v[0], w->v);
        log_warn("cannot run %s: %s", w->v[0], strerror(errno));
        _exit(EXIT_EGRESSCTL);
    }
    int err = w->failed ? ENOMEM : errno;
    words_free(w);
    if (pid < 0)
        log_warn("cannot start a container: %s", strerror(err));
    return pid < 0 ? -err : pid;
}

bool container_child_lives(pid_t *pid, int *status)
{
    int raw;
    if (*pid <= 0)
        return false;
    pid_t got = waitpid(*pid, &raw, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return true;
    *status = got < 0 ? EXIT_EGRESSCTL : status_of(raw);
    *pid = 0;
    return false;
}

/* Numbers differ between hosts and containers. */
static const char *signal_name(int signo)
{
    static const struct {
        int signo;
        const char *name;
    } names[] = {{SIGHUP, "HUP"}, {SIGINT, "INT"}, {SIGQUIT, "QUIT"}, {SIGTERM, "TERM"}, {SIGUSR1, "USR1"},
        {SIGUSR2, "USR2"}, {SIGWINCH, "WINCH"}, {SIGTSTP, "TSTP"}, {SIGCONT, "CONT"}, {SIGALRM, "ALRM"},
        {SIGVTALRM, "VTALRM"}, {SIGPROF, "PROF"}, {SIGXCPU, "XCPU"}, {SIGABRT, "ABRT"}, {SIGIO, "IO"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].signo == signo)
            return names[i].name;
    return "TERM";
}

/* The runtime passes on what it gets, unless the container has a terminal: then it is told by a second one.
 * What the terminal sent came to the runtime's program as well, since it is in our group. */
static void pass_on(const struct cli *c, const char *name, pid_t program, enum tty_mode tty)
{
    struct caught s;
    while (signals_next(&s)) {
        if (s.signo == SIGCHLD || s.from_tty)
            continue;
        if (tty != TTY_OWNED || !name) {
            (void)kill(program, s.signo);
            continue;
        }
        struct words w = {0};
        cli_begin(c, &w);
        words_add(&w, "kill");
        words_add_all(&w, "--signal", signal_name(s.signo), name);
        (void)cli_run(c, &w, true);
    }
}

static void await_signal(void)
{
    struct pollfd p = {.fd = signals_fd(), .events = POLLIN};
    (void)poll(&p, 1, 1000);
}

/* False: the sandbox is at its end; `*status` is that of CMD then. */
static bool keep_sidecar(struct sandbox *sb, int *status)
{
    struct container *k = container_of(sb);
    if (container_child_lives(&k->sidecar, &k->sidecar_status))
        return true;
    int err = container_restart_sidecar(sb);
    if (err == 0)
        return true;
    *status = err == -EINTR ? 128 + signals_stop() : EXIT_EGRESSCTL;
    if (err != -EINTR)
        log_warn("the sidecar ended, and the sandbox with it; its log is %s/egressd.log", sb->state_dir);
    return false;
}

int container_watch(struct sandbox *sb)
{
    struct container *k = container_of(sb);
    char name[CONTAINER_NAME_MAX];
    struct follow f;
    unsigned changed;
    int status = k->agent_status;
    (void)container_name(name, sb->name, "agent");
    follow_open(&f, sb);
    while (container_child_lives(&k->agent, &status) && keep_sidecar(sb, &status)) {
        await_signal();
        pass_on(&k->cli, name, k->agent, k->tty);
        proof_turn(&f.proof, sb->rec);
        if ((changed = follow_look(&f)))
            follow_renew(&f, changed, sb->rec);
    }
    follow_close(&f);
    tty_return();
    return status;
}

int container_exec(struct record *r, const struct exec_request *req)
{
    struct cli c = cli_of(record_str(r, "backend"));
    enum tty_mode tty = tty_mode();
    struct words w = {0};
    int status = EXIT_EGRESSCTL;
    container_exec_argv(&c, r, req, tty, &w);
    pid_t pid = container_spawn(&w, -1);
    while (pid > 0 && container_child_lives(&pid, &status)) {
        await_signal();
        pass_on(&c, NULL, pid, tty);
    }
    tty_return();
    return status;
}
