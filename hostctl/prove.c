#include "hostctl/prove.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostctl/proc.h"
#include "hostctl/sandbox.h"
#include "lib/base.h"
#include "lib/log.h"

/* As a user would: `egressctl doctor NAME` tries the network from inside, and ends a sandbox that leaks. */
void proof_begin(struct proof *p, const struct record *r, const char *why)
{
    cleanup_free char *program = p->pid ? NULL : program_find("egressctl");
    const char *const argv[] = {program, "doctor", r->name, NULL};
    const struct spawn s = {.argv = argv};
    if (p->pid) {
        p->again = why;
        return;
    }
    pid_t pid = program ? spawn_start(&s, &p->said) : -ENOENT;
    if (pid > 0) {
        p->pid = pid;
        p->why = why;
    } else {
        log_warn("cannot try the sandbox's network again: %s", strerror((int)-pid));
    }
}

static void forget(struct proof *p)
{
    if (p->said >= 0)
        close(p->said);
    *p = PROOF_NONE;
}

void proof_turn(struct proof *p, const struct record *r)
{
    int status;
    char text[1024];
    if (!p->pid || waitpid(p->pid, &status, WNOHANG) != p->pid)
        return;
    ssize_t n = read(p->said, text, sizeof text - 1);
    if (status_of(status) == 0)
        log_debug("no way round the sidecar after %s", p->why);
    else
        log_warn("the proof after %s has failed:\n%.*s", p->why, (int)MAX(n, 0), text);
    const char *again = p->again;
    forget(p);
    if (again)
        proof_begin(p, r, again);
}

void proof_end(struct proof *p)
{
    if (p->pid) {
        (void)kill(p->pid, SIGKILL);
        (void)spawn_status(p->pid);
    }
    forget(p);
}
