/** \file
 * One engine process: its loop, what it was given, and the services its modules share. Single-threaded.
 */
#ifndef EGRESS_APPLIANCE_ENGINE_H
#define EGRESS_APPLIANCE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "appliance/ipc.h"
#include "appliance/roles.h"
#include "dns/lease.h"
#include "lib/audit.h"
#include "lib/policy.h"
#include "lib/rate.h"

#define ENGINE_SCRATCH KIB(64)

struct tls_ctx; /* flow/tls.h */
struct conn; /* flow/conn.h */
struct conn_wire; /* flow/conn.c: the buffers that OpenSSL works through */
struct engine_loop; /* engine_loop.c: timers and deferred calls */
struct engine_accept; /* engine_accept.c */
struct engine_ipc; /* engine_ipc.c: what signer and resolver still owe */
struct upstream_pool; /* http/upstream.h */
struct pipe_pool; /* flow/splice.h */
struct inspector; /* inspect/inspect.h */
struct flow;

struct engine {
    uv_loop_t loop;
    const struct engine_config *config;
    const struct policy *policy;
    struct audit *audit;
    const struct lease_table *leases;
    const struct lease_table *refused; /* names that lead to us to be told why: for the log; NULL: none */
    struct tls_ctx *tls;
    struct upstream_pool *pool;
    struct pipe_pool *pipes;
    struct inspector *inspector;
    struct engine_loop *timers;
    struct engine_ipc *ipc;
    struct engine_accept *accept;
    struct conn_wire *wire;
    struct conn *conns; /* all, those that only linger among them */
    struct flow *flows; /* all open connections of agents */
    uint64_t n_flows;
    struct rate minted; /* flow.c: leaves for names without a route */
    uint64_t n_lingering; /* conns whose owner is gone, but not their last octets */
    size_t kept; /* octets of requests that may have to be sent again: http/exchange_retry.c */
    bool draining;
    bool cutting; /* what ends now ends by a reload or stop, not by its agent */
    bool stopped; /* the loop is to end with this turn */
    void (*on_turn)(struct engine *e); /* before each wait of the loop; NULL: none */
    uint8_t scratch[64 * 1024]; /* valid within one callback only */
};

/** The loop, timers and deferred calls, and `wire`; for engine_run() and for tests, which may leave
 * everything else NULL. `e` is zeroed by the caller. 0 or -errno. */
int engine_loop_init(struct engine *e);
/** One turn: deferred calls, on_turn, then what is ready or due, for which it waits if `wait`. */
void engine_turn(struct engine *e, bool wait);
/** Closes every conn and handle that is left, and the loop. */
void engine_loop_close(struct engine *e);

/** A descriptor that the loop waits for; zeroed but for `fn` and `fd` at first. Level-triggered. */
struct engine_watch {
    /** EPOLLIN and EPOLLOUT, as far as they are waited for; or EPOLLERR alone, and watching has stopped. */
    void (*fn)(struct engine_watch *w, uint32_t events);
    int fd;
    uint32_t events; /* what is waited for */
};
/** `events` 0: nothing. */
void engine_watch(struct engine *e, struct engine_watch *w, uint32_t events);
/** The end, without a system call: for a descriptor that another watch will take over. */
void engine_unwatch(struct engine *e, struct engine_watch *w);
/** The end of the watch and of its descriptor. */
void engine_watch_close(struct engine *e, struct engine_watch *w);

/** Coarse timers: a wheel of 100 ms a tick; arming and cancelling are O(1). */
struct engine_timer {
    struct engine_timer *next, **prev;
    uint64_t due; /* loop milliseconds */
    void (*fn)(struct engine_timer *t);
};
/** A zeroed timer is a cancelled one. Setting it again moves it. */
void engine_timer_set(
    struct engine *e, struct engine_timer *t, uint32_t ms, void (*fn)(struct engine_timer *t));
void engine_timer_clear(struct engine_timer *t);
/** The audit id of the question that gave the agent `addr` for `name`, also where that was a refusal's
 * address. False: there was none. */
bool engine_dns_id(
    const struct engine *e, const struct addr *addr, const char *name, char out[static AUDIT_ID_LEN + 1]);

/** Has a newer policy this route no more, or another one in its place? Who connected under the old policy,
 * and only now says what for, is not to have it any more: an agent could keep a stock of such connections. */
static inline bool engine_revoked(const struct engine *e, const struct route *r)
{
    const uint8_t *kept = e->config ? e->config->kept : NULL;
    return kept && r && !r->implied && !kept[r->index];
}
#define REVOKED_HINT \
    "The policy has changed since this connection was made; a new one is judged by what it says now."

/** Loop time in milliseconds, and CLOCK_MONOTONIC seconds for leases. */
uint64_t engine_now_ms(const struct engine *e);
uint64_t engine_now_s(const struct engine *e);

/** Runs `fn(arg)` after the present callback has returned, before the loop waits again. */
void engine_defer(struct engine *e, void (*fn)(void *arg), void *arg);

/** A leaf for `host` with the engine's one leaf key: from the cache, or by the signer. `done` may run before
 * this returns; der == NULL: refused. `cancel` with the returned token (0: done already). */
typedef void engine_leaf_fn(void *arg, const uint8_t *der, size_t len);
uint32_t engine_leaf(struct engine *e, const char *host, engine_leaf_fn *done, void *arg);
/** Whether engine_leaf() would need no signer. */
bool engine_leaf_cached(struct engine *e, const char *host);

/** Asks our resolver (which asks upstream only for names a route allows). Same calling rule. */
typedef void engine_resolve_fn(void *arg, const struct ipc_resolved *r);
uint32_t engine_resolve(struct engine *e, const char *host, engine_resolve_fn *done, void *arg);
void engine_cancel(struct engine *e, uint32_t token);

#endif
