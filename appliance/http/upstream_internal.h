/** \file
 * What pool, queue and dialler share. Nobody else includes this.
 */
#ifndef EGRESS_APPLIANCE_HTTP_UPSTREAM_INTERNAL_H
#define EGRESS_APPLIANCE_HTTP_UPSTREAM_INTERNAL_H

#include "appliance/engine.h"
#include "appliance/http/upstream.h"

struct upstream_dialing;

#define UPSTREAM_BUCKETS 1024 /* a power of two */

struct upstream_pool {
    struct engine *e;
    struct upstream_host *buckets[UPSTREAM_BUCKETS];
    size_t n_hosts, n_idle;
    size_t n_open, open_max; /* connections of all hosts */
    struct upstream_host *queued; /* those with requests that wait for a connection */
    struct upstream_request *probes; /* those of upstream_alpn() */
    struct upstream_dialing *dials; /* all that are under way */
    bool closing;
    bool waking; /* upstream_slots_wake() is deferred */
};

enum speaks { SPEAKS_UNKNOWN, SPEAKS_H1, SPEAKS_H2 };

/* One connection that carries HTTP. */
struct pooled {
    struct pooled *next, **prev; /* in host->idle or host->sessions; prev NULL: in neither */
    struct upstream_host *host;
    struct http_back *back;
    struct engine_timer timer;
    bool h2, idle;
};

struct upstream_host {
    struct upstream_host *next;
    struct upstream_pool *pool;
    struct pooled *idle; /* h1, the latest first */
    struct pooled *sessions; /* h2 */
    struct upstream_request *waiting; /* for an h2 session that is being made */
    struct upstream_request *queue, **queue_end; /* for a connection of which there may be no more now */
    struct upstream_host *next_queued; /* in pool->queued */
    bool queued;
    size_t n_open; /* connections, those that are being made among them */
    struct upstream_request *asking; /* WebSockets, for the SETTINGS of an h2 session */
    size_t n_idle, users; /* users: pooled connections and requests under way */
    size_t h2_dials, n_h1; /* n_h1: connections, idle or not */
    bool warming; /* a connection is dialled ahead */
    bool waking; /* those in `waiting` are being served */
    uint32_t h1_asked; /* times that a session carried what an HTTP/1 connection could have */
    enum speaks speaks;
    uint64_t speaks_until; /* seconds */
    uint64_t no_websocket_until; /* so long none is tried over h2 */
    uint64_t h1_until; /* so long nothing is */
    uint64_t only_h2_until; /* so long HTTP/1 is not tried beside it */
    uint16_t port;
    bool tls;
    char name[];
};

/* One wish for a connection. */
struct upstream_request {
    struct upstream_request *next, **prev; /* in host->waiting, ->asking, ->queue or pool->probes */
    struct upstream_host *host;
    struct exchange *x; /* NULL: a probe */
    upstream_alpn_fn *probed;
    void *arg;
    struct upstream_key key; /* host: the host's own name */
    struct addr dialled;
    unsigned flags;
    bool offer_h2, dialling, counted; /* counted: in host->h2_dials */
    bool tried_h2;
    bool slot; /* counted in host->n_open */
    bool warm; /* dialled ahead, for nobody yet: host->warming */
    bool beside; /* so, and HTTP/1 to an upstream that has a session */
    bool rides; /* in host->waiting for one of those */
    bool *freed; /* of the call that is starting it; NULL: none */
    struct conn *c; /* in its TLS handshake */
    struct engine_timer timer;
};

/* upstream_queue.c: how many connections there may be. */

/** Descriptors for upstreams, of those that the process may have. */
size_t upstream_open_max(void);
/** Counts one more connection to `h`, or says that there may be none now. */
bool upstream_slot_take(struct upstream_host *h);
/** One less; whoever waits is served from the loop. */
void upstream_slot_give(struct upstream_host *h);
/** `r` waits for its turn, or for `upstream_queue`'s end. */
void upstream_queue_add(struct upstream_request *r);
/** An idle connection of `h`: those that wait may have it. */
void upstream_queue_wake(struct upstream_host *h);
/** Before `r` is unlinked. */
void upstream_queue_unlink(struct upstream_request *r);

/* upstream_pool.c */

/** Serves a request that has left the queue: by what is idle, or a new connection. False: it must wait on. */
bool upstream_request_serve(struct upstream_request *r);
void upstream_request_fail(struct upstream_request *r, enum reason why, const char *detail);
/** Closes one that is idle, of `h` or (NULL) of whatever host. False: there is none. */
bool upstream_close_idle(struct upstream_pool *p, struct upstream_host *h);

/** Ends every dial without a word. */
void upstream_dials_drop(struct upstream_pool *p);

#endif
