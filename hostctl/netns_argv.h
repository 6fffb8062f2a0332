/** \file
 * The command lines of a netns sandbox's programs.
 */
#ifndef EGRESS_HOSTCTL_NETNS_ARGV_H
#define EGRESS_HOSTCTL_NETNS_ARGV_H

#include "hostctl/netns_net.h"
#include "hostctl/sandbox.h"

/** Where egressd tells how it is, in the sidecar's own file system. */
#define SIDECAR_STATUS SIDECAR_DIR "/" SIDECAR_STATUS_NAME
/** And its state directory, by a name that nobody can give to something else. */
#define SIDECAR_STATE SIDECAR_DIR "/state"

/** Each NULL-terminated; members not asked for are NULL. */
struct netns_argv {
    char *shim; /* egress-init on the host; in the sandbox it is AGENT_SHIM */
    char **sidecar; /* egressd run */
    char **setup; /* egress-init --setup-only: closes and tries the agent's network */
    char **agent; /* egress-init --exec -- CMD: gives up every privilege */
};

int netns_argv_make(const struct sandbox *sb, const struct net_plan *p, int ready_fd, struct netns_argv *out);
/** Only `agent`; `user` is "UID:GID". */
int netns_argv_exec(const char *user, char *const *cmd, struct netns_argv *out);
/** Only `agent`: tries the network of a running sandbox. `skip`: ports that its policy opens, for
 * egress-init. */
int netns_argv_probe(const struct record *r, const char *skip, struct netns_argv *out);
void netns_argv_free(struct netns_argv *a);

#endif
