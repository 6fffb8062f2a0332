/** \file
 * Upstream connections: resolve by our resolver, check addresses at dial time, connect (happy eyeballs),
 * verify TLS, pool and reuse by (host, port, TLS or plain).
 *
 * The address an agent dialled is used where our resolver leased it to this very host; otherwise the resolver
 * is asked.
 */
#ifndef EGRESS_APPLIANCE_HTTP_UPSTREAM_H
#define EGRESS_APPLIANCE_HTTP_UPSTREAM_H

#include "appliance/http/codec.h"

struct upstream_key {
    const char *host; /* canonical; one route's */
    uint16_t port;
    bool tls;
    const struct route *route; /* allow_private and the rest */
    const struct addr *dialled; /* the agent's choice, NULL: none; only a preference among leased addresses */
};

/** One an engine; NULL: no memory. */
struct upstream_pool *upstream_pool_new(struct engine *e);
void upstream_pool_free(struct upstream_pool *p);

/** What the exchange needs of the connection. */
#define UPSTREAM_H2_OK 0x1u /* the request can be carried by h2 */
#define UPSTREAM_FRESH 0x2u /* a new connection: the pooled one failed */
#define UPSTREAM_ONCE 0x4u /* must not be sent twice: look whether a pooled connection is alive */
#define UPSTREAM_WEBSOCKET 0x8u /* an upgrade: h2 only where the upstream's SETTINGS offer it (RFC 8441) */
#define UPSTREAM_H1 0x10u /* the upstream asked for HTTP/1.1, and is believed for a while */
#define UPSTREAM_LIKE_H1 0x20u /* the agent speaks HTTP/1: so is best the upstream connection */

/** A stream for `x`: from the pool, or over a new connection; answers by exchange_upstream_ready() or
 * _failed(). If it answers before it returns, it returns NULL; else the handle for upstream_cancel().
 * `k->host` must live until then. */
struct upstream_request;
struct upstream_request *upstream_open(
    struct upstream_pool *p, const struct upstream_key *k, struct exchange *x, unsigned flags);
/** The exchange no longer wants it; nothing is called any more. */
void upstream_cancel(struct upstream_request *r);

/** Dials ahead for a request that is likely to come to this host. Nothing where the pool has a connection to
 * it. */
void upstream_warm(struct upstream_pool *p, const struct upstream_key *k);

/** ALPN mirroring: what does this upstream speak? `done(arg, REASON_NONE, h2)` from memory or after a
 * verified handshake (the connection goes to the pool); else a reason. May run before this returns. `k->host`
 * is copied. Returns as upstream_open() does. */
typedef void upstream_alpn_fn(void *arg, enum reason why, bool h2, const char *detail);
struct upstream_request *upstream_alpn(
    struct upstream_pool *p, const struct upstream_key *k, bool offer_h2, upstream_alpn_fn *done, void *arg);

/** A raw verified-by-policy TCP connection (splice, tcp routes): connected descriptor (now the callee's), or
 * -errno and the reason. Non-blocking, TCP_NODELAY and keep-alive set. May run before this returns. */
typedef void upstream_dial_fn(void *arg, int fd, enum reason why, const struct endpoint *peer);
void upstream_dial(struct engine *e, const struct upstream_key *k, upstream_dial_fn *done, void *arg);
void upstream_dial_cancel(struct engine *e, void *arg);

#endif
