/** \file
 * The first process of a netns sandbox's namespaces (Linux): one for the sidecar, one for the agent. It
 * prepares the mounts, starts the one program the namespaces are for, and its end is the end of everything in
 * them.
 *
 *     egressctl run --+-- holder (pid 1) -- egressd
 *                     +-- holder (pid 1) -- egress-init --setup-only, then egress-init --exec -> CMD
 *
 * A holder ends when its program ends, when egressctl is gone, or when the sidecar's holder is gone (the
 * agent's looks at a pipe that only the sidecar's holds open). It parses nothing that comes from inside. With
 * HOLD_KEEP it outlives egressctl, and the agent's also outlives CMD.
 *
 * An egressd that ends against its will is started again, in the same network and with the same files, but
 * not more often than RESTARTS within RESTART_MS. Its packet rules are still there meanwhile and nobody
 * answers them: nothing passes. Connections that were let through are forgotten, so that they are judged
 * anew.
 */
#ifndef EGRESS_HOSTCTL_NETNS_HOLD_H
#define EGRESS_HOSTCTL_NETNS_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "hostctl/netns_sockets.h"
#include "hostctl/proc.h"
#include "hostctl/sandbox.h"

enum hold_type {
    /* egressctl to holder */
    HOLD_GO, /* start; `text` is empty, or the CA certificate that follows */
    HOLD_SIGNAL, /* value: for CMD */
    HOLD_SHOW, /* from now on what the sidecar says goes to the user too, not only to its log */
    HOLD_GUARD, /* the same, and egressd serves: it is started again when it ends */
    HOLD_KEEP, /* egressctl is about to leave */
    /* holder to egressctl */
    HOLD_READY, /* mounts are done */
    HOLD_FAILED, /* text: why */
    HOLD_STARTED, /* value 0; the program's pid comes as credentials */
    HOLD_STOPPED, /* value: by this signal; it may be continued */
    HOLD_EXITED, /* value: status as a shell says it */
    HOLD_AGAIN, /* egressd ended with this status, and is being started again: HOLD_STARTED, HOLD_SERVES */
    HOLD_SERVES, /* it is ready */
    HOLD_KEPT, /* answer to HOLD_KEEP */
};

struct hold_msg {
    enum hold_type type;
    int value;
    char text[512];
};

struct holder {
    pid_t pid; /* as the host sees it; 0: none */
    int sock; /* -1: closed, or it is gone */
    int netns;
    pid_t program; /* as the host sees it; 0: not started */
};

struct hold_plan {
    const struct sandbox *sb;
    int keep_open; /* sidecar: the write end whose closing ends the agent; agent: the read end */
    int ready_fd; /* sidecar: egressd's --ready-fd, kept open for it; -1 */
    int state_fd; /* sidecar: sb->state_fd; -1 */
    char **argv; /* sidecar: egressd; agent: egress-init ... --exec ... -- CMD */
    char **setup; /* agent: egress-init --setup-only */
    const char *shim; /* agent: where egress-init is on the host */
    const struct socket_paths *hidden; /* agent: the host's sockets */
    enum tty_mode tty;
};

/** Makes the namespaces and the holder in them. 0 or -errno after a message. */
int hold_sidecar(const struct hold_plan *p, struct holder *out);
int hold_agent(const struct hold_plan *p, struct holder *out);

/** A helper for `egressctl exec`: already inside the agent's namespaces but for its PID namespace's
 * numbering, it runs one program as the agent's holder would. Never returns. */
noreturn void hold_exec(int sock, char **argv, char **env, enum tty_mode tty);

/** Waits until all children are gone, with SIGCHLD ignored so that none becomes a zombie, and exits. */
noreturn void hold_reap_only(void);

int hold_send(int sock, enum hold_type type, int value, const void *payload, size_t len);
/** 1: a message; 0: the holder is gone; -EAGAIN; other -errno. `pid` gets the credentials' pid with
 * HOLD_STARTED. */
int hold_receive(int sock, struct hold_msg *out, pid_t *pid);

#endif
