/** \file
 * What a place to run sandboxes in must offer. The order of calls is the order of the members.
 *
 * Every function returns 0, or -errno after having said on stderr what failed and what to do. Whatever is
 * made is in the record before it is made; remove() works from the record alone and may be called at any
 * point, also twice.
 */
#ifndef EGRESS_HOSTCTL_BACKEND_H
#define EGRESS_HOSTCTL_BACKEND_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/addr.h"
#include "hostctl/record.h"
#include "hostctl/sandbox.h"

/** What `ps` shows: looked at now, not remembered. */
struct health {
    bool sidecar, agent; /* their processes live */
    bool ready; /* the sidecar says that it serves */
    pid_t agent_pid; /* 0: none or unknown */
    char note[160]; /* what is wrong; "" if nothing */
};

struct exec_request {
    char **cmd;
    char **env;
    const char *cwd;
};

struct backend {
    const char *name;
    /** Can it work on this host? Makes nothing. */
    int (*check)(struct sandbox *sb);
    /** What would be made, one line each on stdout (--dry-run). */
    void (*plan)(struct sandbox *sb);
    int (*create_networks)(struct sandbox *sb);
    /** Returns when egressd serves. -EINTR: a signal asked us to stop (signals_stop() says which). */
    int (*start_sidecar)(struct sandbox *sb);
    int (*sidecar_addr)(struct sandbox *sb, struct addr *out);
    int (*start_agent)(struct sandbox *sb);
    /** CMD's status as a shell gives it, or EXIT_EGRESSCTL after a message. */
    int (*wait)(struct sandbox *sb);
    /** In a living sandbox, as its user, through the shim. The same kind of result. */
    int (*exec)(struct record *r, const struct exec_request *req);
    /** Tries every way round the sidecar from inside, as before the start. 0; -EPERM: one is open, and the
     * shim has said which. `skip`: "tcp/22,udp/123", what the policy opens to addresses that a name has led
     * to. NULL: cannot. */
    int (*probe)(struct record *r, const char *skip);
    void (*health)(struct record *r, struct health *out);
    /** What the sidecar says of itself, as in its status.json; NULL: it does not answer. Without this
     * function, that file is read. */
    json_t *(*status)(struct record *r);
    /** Files below SIDECAR_DIR, and the request to read policy and secrets again. */
    int (*get_file)(struct record *r, const char *name, struct blob *out);
    int (*put_file)(struct record *r, const char *name, const struct blob *data);
    int (*reload)(struct record *r);
    /** Ends CMD and all else. `grace`: the sidecar may write what is still to be logged. */
    int (*stop)(struct record *r, bool grace);
    int (*remove)(struct record *r);
    void (*free)(struct sandbox *sb);
};

extern const struct backend backend_netns, backend_podman, backend_docker, backend_apple;

/** By name; "auto" picks one and says which and why. NULL after a message. */
const struct backend *backend_find(const char *name, const struct run_options *opt);
/** The backend of a record. NULL after a message. */
const struct backend *backend_of(const struct record *r);

/** Removes what is left of a dead sandbox (also a record_bury_fn). */
int sandbox_bury(struct record *dead);

#endif
