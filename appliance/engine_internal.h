/** \file
 * What engine.c, engine_ipc.c and engine_accept.c share.
 */
#ifndef EGRESS_APPLIANCE_ENGINE_INTERNAL_H
#define EGRESS_APPLIANCE_ENGINE_INTERNAL_H

#include "appliance/engine.h"

/** Signer and resolver are asked over config->signer and config->resolver. 0 or -errno. */
int engine_ipc_open(struct engine *e);
/** Once the loop is closed. */
void engine_ipc_close(struct engine *e);

/** Limits, and handles for config->listen4 and listen6. 0 or -errno. */
int engine_accept_open(struct engine *e);
/** Takes connections from now on. */
void engine_accept_start(struct engine *e);
void engine_accept_stop(struct engine *e);
/** Once the loop is closed. */
void engine_accept_free(struct engine *e);

#endif
