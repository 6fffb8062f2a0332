/** \file
 * Two connections joined: octets from one to the other as they are, in both directions, each with its own
 * end.
 *
 * Little is copied through the engine's scratch; what comes in bulk goes by splice(2) through a pipe, which
 * is borrowed only while octets are in it. A direction's FIN is passed on once all before it is delivered; a
 * reset ends both.
 */
#ifndef EGRESS_APPLIANCE_FLOW_SPLICE_H
#define EGRESS_APPLIANCE_FLOW_SPLICE_H

#include <stdint.h>

struct conn;
struct engine;
struct relay;

/** `err`: 0 = both directions have ended; else -errno (-ETIMEDOUT: idle). Octets by direction, from `a` and
 * from `b`. */
typedef void relay_done_fn(void *arg, int err, uint64_t from_a, uint64_t from_b);

/** Takes both plain conns and closes them before `done`, which is called once, never from inside. `idle_ms`:
 * without an octet either way. NULL: no memory; the conns stay the caller's. */
struct relay *relay_start(
    struct engine *e, struct conn *a, struct conn *b, uint32_t idle_ms, relay_done_fn *done, void *arg);
/** Ends it now, with `done(-ECANCELED)`. */
void relay_abort(struct relay *r);

struct pipe_pool;
struct pipe_pool *pipe_pool_new(void);
void pipe_pool_free(struct pipe_pool *p);

#endif
