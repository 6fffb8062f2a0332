/** \file
 * What the processes of a netns sandbox see of the file system (Linux).
 *
 * The agent works on the host's files by design, in the caller's directory and with the rights of its uid. It
 * does not see what is a way round the sidecar: the host's sockets, its /run, its processes, its terminals,
 * the sidecar's state. What egress-init writes (resolv.conf, CA bundles) goes to an overlay that ends with
 * the sandbox.
 */
#ifndef EGRESS_HOSTCTL_NETNS_MOUNT_H
#define EGRESS_HOSTCTL_NETNS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "hostctl/netns_sockets.h"
#include "hostctl/sandbox.h"

/** Where the agent's own small files are. */
#define AGENT_DIR "/run/agent"
#define AGENT_CA AGENT_DIR "/ca.crt"
#define AGENT_HOME AGENT_DIR "/home"
/** A copy of egress-init, on a mount of its own that is read-only and right below another: what root runs in
 * the agent's namespaces while the agent is there must not be a file that the agent's user, be it 0, may
 * change or put something else in place of, nor one that is hidden there. */
#define AGENT_SHIM_DIR "/run/egress-shim"
#define AGENT_SHIM AGENT_SHIM_DIR "/egress-init"

/** Called as the first process of new mount and PID namespaces. 0, or -errno and what failed in `why`. */
int mount_sidecar(const struct sandbox *sb, char *why, size_t whylen);
/** `shim`: the program to copy; `hidden`: the host's sockets. */
int mount_agent(
    const struct sandbox *sb, const char *shim, const struct socket_paths *hidden, char *why, size_t whylen);

#endif
