/** \file
 * Processes and signals, portable: what egressctl needs while it stands between a terminal and a sandbox.
 */
#ifndef EGRESS_HOSTCTL_PROC_H
#define EGRESS_HOSTCTL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "hostctl/sandbox.h"

/** When a process began, in a unit that only serves comparison; 0 where the host does not say, -1: no such
 * process (or a zombie). */
long long process_start(pid_t pid);

/** A clock that only goes on while the host runs. */
long long now_ms(void);

/** A sidecar that ends is started again, but not more often than RESTARTS within RESTART_MS. */
#define RESTARTS 3
#define RESTART_MS 60000
struct restarts {
    long long when[RESTARTS]; /* ms; the oldest is overwritten */
};
/** Notes one more. True: that is too many. */
bool restarts_too_many(struct restarts *r, long long now);

/** Catches what is to be passed on to CMD, and SIGCHLD, into a pipe. Called once, before anything is made. */
int signals_init(void);
/** Readable when a signal waits. */
int signals_fd(void);
struct caught {
    int signo;
    bool from_tty; /* the terminal sent it to the whole foreground group */
};
/** The next one; false: none. */
bool signals_next(struct caught *out);
/** During start-up: the first of INT, TERM, HUP, QUIT that came, else 0. Others wait. */
int signals_stop(void);
/** Default handlers and mask, for a child that will run something else. */
void signals_reset(void);

/** Runs a program and waits. `input` goes to its stdin, up to `outlen` octets of its stdout to `out` (NULL:
 * inherited); stderr is inherited, or thrown away if `quiet`, or goes to `err_fd` if that is not 0. Its exit
 * status, 128+signal, or -errno. */
struct spawn {
    const char *const *argv;
    const char *input;
    char *out;
    size_t outlen;
    bool quiet;
    int err_fd;
    int keep_fd; /* stays open in it, and it ends with us: for what changes the host while a sandbox's lock is
                    held, so that nobody clears up before it has ended. 0: none */
};
int spawn_wait(const struct spawn *s);
/** The two halves: the pid or -errno (only `argv`, `input` up to a pipe's 64 KiB, `quiet`), and its status.
 */
pid_t spawn_start(const struct spawn *s, int *out_fd);
int spawn_status(pid_t pid);

/** The terminal, where stdin, stdout and stderr all are it: CMD gets a process group in its foreground, as a
 * shell would do; TTY_BEHIND where a shell has started us in the background, until it brings us to the fore.
 * Where only some are, CMD stays in our group so that a pipeline beside us keeps its own access. */
enum tty_mode { TTY_NONE, TTY_SHARED, TTY_OWNED, TTY_BEHIND };
enum tty_mode tty_mode(void);
/** Is our group in the foreground? */
bool tty_is_ours(void);
/** Gives the terminal to CMD's group. */
void tty_give(pid_t pgrp);
/** Takes it back, with the modes it had, if CMD has it. */
void tty_return(void);

/** 0 to 255 as shells say it. */
int status_of(int wait_status);

#endif
