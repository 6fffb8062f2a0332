/** \file
 * While a program runs in a netns sandbox (Linux).
 */
#ifndef EGRESS_HOSTCTL_NETNS_WATCH_H
#define EGRESS_HOSTCTL_NETNS_WATCH_H

#include "hostctl/backend.h"
#include "hostctl/netns_hold.h"

/** Passes signals on and follows stops until the program of `agent` ends. Its status as a shell says it;
 * EXIT_EGRESSCTL after a message where the sidecar (`side`; NULL: not ours to watch) or a holder went first.
 * With `side`, follows the host too; `sb` is NULL without.
 */
int netns_watch(struct holder *side, struct holder *agent, enum tty_mode tty, struct sandbox *sb);

/* netns_files.c: backend.status, .get_file and .put_file of this backend, and egressd's pid; 0: none. */
json_t *netns_status(struct record *r);
int netns_get_file(struct record *r, const char *name, struct blob *out);
int netns_put_file(struct record *r, const char *name, const struct blob *data);
pid_t netns_daemon(const struct record *r);
/** backend.exec of this backend. */
int netns_exec(struct record *r, const struct exec_request *req);
/** backend.probe of this backend. */
int netns_probe(struct record *r, const char *skip);

#endif
