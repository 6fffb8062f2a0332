/** \file
 * A sandbox of two containers, for podman, docker and Apple's container: what the parts of these backends
 * share. Portable.
 *
 *     egressd-NAME-sidecar   egressd-NAME-egress (NAT), then egressd-NAME-net; the first holds the default
 * route egressd-NAME-agent     egressd-NAME-net (internal) only; egress-init is its first process
 *
 * Policy, secrets and CA are files in a directory that only root can enter, in memory where the host has
 * /dev/shm, bound into the sidecar: none of it is on a command line or in a container's environment.
 */
#ifndef EGRESS_HOSTCTL_CONTAINER_H
#define EGRESS_HOSTCTL_CONTAINER_H

#include <limits.h>

#include "hostctl/backend.h"
#include "hostctl/container_cli.h"
#include "hostctl/proc.h"
#include "hostctl/warden.h"

#define SIDECAR_IMAGE "localhost/egressd/sidecar:" EGRESS_VERSION
/* The shim for a guest, as program_find() takes it: on macOS it is no program of the host's. */
#ifdef __APPLE__
#define GUEST_SHIM "guest/egress-init"
#else
#define GUEST_SHIM "egress-init"
#endif
/* Of the private directory, what the sidecar sees as SIDECAR_DIR. It may change that at any time; what is
 * beside it, it never sees. */
#define SIDECAR_FILES "sidecar"
/* The sidecar's CA below the private directory, where the agent may read it. */
#define AGENT_CA_FILE "agent-ca.crt"

#define CONTAINER_NAME_MAX (sizeof "egressd--sidecar" + SANDBOX_NAME_MAX)

struct container {
    struct cli cli;
    char gateway[ADDR_STRLEN]; /* the sidecar on the agent's network */
    char host[ADDR_STRLEN]; /* the host on the sidecar's other network, for the proof; "": not known */
    pid_t sidecar, agent; /* the runtime's programs that are attached to them; 0: none, or reaped */
    int sidecar_status, agent_status; /* once they are reaped */
    struct warden warden;
    enum tty_mode tty;
    struct restarts restarts;
    off_t log_start; /* of egressd.log: what comes after it is this run's */
};

static inline struct container *container_of(const struct sandbox *sb)
{
    return sb->impl;
}

/** "egressd-NAME-WHAT". Returns `out`. */
char *container_name(char out[static CONTAINER_NAME_MAX], const char *sandbox, const char *what);
/** The private directory of a record, or NULL. */
const char *container_dir(const struct record *r);
/** Its part for the sidecar: a descriptor, or -errno. */
int container_sidecar_files(const struct record *r);
/** backend.status where the sidecar's sockets are this host's. */
json_t *container_status(struct record *r);

/* container_prepare.c */

/** Loads the sidecar's image where it is missing or another build's. 0 or -errno after a message. */
int container_load_image(const struct cli *c);
/** Gets the agent's image where it is missing; its own user, where --user does not say and it is a number,
 * becomes the sandbox's. 0 or -errno after a message. */
int container_look_at_image(const struct cli *c, struct sandbox *sb);
/** Makes the private directory and writes what the sidecar reads. 0 or -errno after a message. */
int container_write_files(struct sandbox *sb);
/** A file of the private directory, which must not be there yet. 0 or -errno after a message. */
int container_write_file(const char *dir, const char *name, const void *data, size_t len, mode_t mode);
/** The CA that the sidecar made, where the agent may read it. 0 or -errno after a message. */
int container_copy_ca(struct sandbox *sb);
void container_remove_files(const char *dir);

/* container_argv.c: command lines to run (`w` is empty before); w->failed says that there is none (said). The
 * engine_ and docker_ ones are what a dialect points to. */

/** What the parts of a command line are the same for all runtimes: egressd's, the shim's with CMD, and what
 * of the environment an agent gets. */
void container_egressd_argv(const struct sandbox *sb, struct words *w);
void container_shim_argv(const struct sandbox *sb, struct words *w);
void container_environment(struct words *w, char *const *env);
/** The agent's network, resolver, terminal and environment. */
void container_agent_options(const struct sandbox *sb, struct words *w);
void container_labels(struct words *w, const char *sandbox, const char *role);

void engine_network_argv(const struct cli *c, const char *sandbox, bool internal, struct words *w);
void engine_sidecar_argv(const struct sandbox *sb, const char *dir, struct words *w);
void engine_agent_argv(const struct sandbox *sb, const char *dir, struct words *w);
int docker_make_sidecar(const struct sandbox *sb, const char *dir);

void container_exec_argv(const struct cli *c, const struct record *r, const struct exec_request *req,
    enum tty_mode tty, struct words *w);
/** Tries the agent's network from inside; `skip` as in struct backend. */
void container_probe_argv(const struct cli *c, const struct record *r, const char *skip, struct words *w);
/** Points the agent's network at the sidecar's present address, and tries it. CMD goes on meanwhile. */
void container_replumb_argv(const struct cli *c, const struct record *r, struct words *w);

/* container_start.c */

/** Starts the sidecar and waits until egressd serves. As struct backend says. */
int container_start_sidecar(struct sandbox *sb);
int container_start_agent(struct sandbox *sb);
int container_sidecar_addr(struct sandbox *sb, struct addr *out);
/** The sidecar has ended: starts another one and points the agent at it. 0, or -errno after a message. */
int container_restart_sidecar(struct sandbox *sb);
/** Of a container; all zero: there is none. */
struct cli_state container_state(const struct cli *c, const char *sandbox, const char *what);

/* container_watch.c */

/** Starts a runtime's program; `log`: a descriptor for both of its outputs, away from our terminal; -1: ours.
 * The pid or -errno. */
pid_t container_spawn(struct words *w, int log);
/** Is a child still there? A dead one is reaped, its status kept and `*pid` made 0. */
bool container_child_lives(pid_t *pid, int *status);
/** Until CMD ends: signals go to it. Its status, or EXIT_EGRESSCTL after a message. */
int container_watch(struct sandbox *sb);
int container_exec(struct record *r, const struct exec_request *req);

#endif
