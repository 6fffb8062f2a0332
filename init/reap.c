#include "init/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "init/say.h"

static int status_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Collects everything that ended. Exits once `child` has. */
static void collect(pid_t child)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != child)
            continue;
        if (!WIFSTOPPED(status))
            _exit(status_of(status));
        /* There is no shell here that could wake it up again after Ctrl-Z. */
        if (WSTOPSIG(status) == SIGTSTP)
            (void)kill(-child, SIGCONT);
    }
    if (pid < 0 && errno == ECHILD)
        fatal("the command is gone without a status");
}

static void become_foreground(void)
{
    /* A group of its own, so that Ctrl-C reaches CMD from the terminal and us never. tcsetpgrp(3) from the
     * background stops the caller unless SIGTTOU is blocked, which it is. */
    if (setpgid(0, 0) == 0 && isatty(STDIN_FILENO))
        (void)tcsetpgrp(STDIN_FILENO, getpid());
}

void reap_become_parent(void)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    /* Where we are not PID 1, orphans still come to us. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t child = fork();
    if (child < 0)
        fatal_error(errno, "cannot fork");
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* no agent without its init */
        become_foreground();
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return;
    }
    /* We share the agent's user id, without which we could not signal it; it must not be able to trace us. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        fatal_error(errno, "cannot protect this process from the agent");
    for (;;) {
        siginfo_t info;
        int sig = sigwaitinfo(&all, &info);
        switch (sig) {
        case -1: break; /* interrupted */
        case SIGCHLD: collect(child); break;
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU: break; /* the terminal's, and meant for a shell */
        default: (void)kill(child, sig); break;
        }
    }
}
