/** \file
 * A process that outlives egressctl if that is killed, and then calls `egressctl gc` until the sandbox is
 * gone. Portable.
 */
#ifndef EGRESS_HOSTCTL_WARDEN_H
#define EGRESS_HOSTCTL_WARDEN_H

#include <sys/types.h>

struct warden {
    pid_t pid;
    int fd; /* its end tells the warden that we died; -1: there is none */
};

/** Where it cannot be started, `gc` has to be called by hand. `name`: the sandbox's; `mounts`: a mount
 * namespace that nsenter(1) is to run it in, -1: ours. */
void warden_start(struct warden *w, const char *name, int mounts);
/** All is in order. */
void warden_dismiss(struct warden *w);

#endif
