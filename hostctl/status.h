/** \file
 * How a sidecar is: asked of itself where there is a way, read from its file else.
 */
#ifndef EGRESS_HOSTCTL_STATUS_H
#define EGRESS_HOSTCTL_STATUS_H

#include <jansson.h>

#include "hostctl/backend.h"

/** What whoever serves the socket `path` below the folder `dir` says; NULL: nothing in time. */
json_t *status_ask(int dir, const char *path);
/** status.json in a state directory, as the sidecar last wrote it; NULL: none. */
json_t *status_read(const char *state_dir);
/** Whichever the backend has. */
json_t *status_of_sandbox(const struct backend *b, struct record *r);
/** Fills in what `status` says: out->ready and, where it is not well, a note. Gives the reference back. */
void status_judge(json_t *status, struct health *out);

#endif
