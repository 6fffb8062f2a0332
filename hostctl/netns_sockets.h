/** \file
 * Unix sockets of this host that have a place in the file system (Linux).
 */
#ifndef EGRESS_HOSTCTL_NETNS_SOCKETS_H
#define EGRESS_HOSTCTL_NETNS_SOCKETS_H

#include <stddef.h>

/** Where they are, as our mounts show them. */
struct socket_paths {
    char **path;
    size_t n, room;
};

/** In the host's own PID namespace: processes are asked for what they hold. 0 or -ENOMEM. */
int sockets_find(struct socket_paths *out);
void sockets_free(struct socket_paths *s);

#endif
