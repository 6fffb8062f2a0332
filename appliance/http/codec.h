/** \file
 * The four codecs. A front serves the agent on a conn whose TLS is done; a back speaks to an upstream.
 */
#ifndef EGRESS_APPLIANCE_HTTP_CODEC_H
#define EGRESS_APPLIANCE_HTTP_CODEC_H

#include "appliance/flow/conn.h"
#include "appliance/http/exchange.h"

/** Serves HTTP/1.1 (h1_front_start) or HTTP/2 (h2_front_start) on `c`, which it owns from here on. `closed`
 * is called once, when the connection is gone. `f` must live until then. */
typedef void http_front_closed(void *arg, uint64_t bytes_in, uint64_t bytes_out);
int h1_front_start(struct http_front *f, struct conn *c, http_front_closed *closed, void *arg);
int h2_front_start(struct http_front *f, struct conn *c, http_front_closed *closed, void *arg);
/** No further requests; in-flight ones finish (Connection: close, GOAWAY). No-ops once `closed` has been
 * called. */
void http_front_drain(struct http_front *f);
/** Ends the connection and what runs on it at once; `closed` is called before or after this returns. */
void http_front_close(struct http_front *f);

/** A back session on an upstream conn; owned by the pool through these. */
struct http_back;
struct http_back_ops {
    /** A stream for `x`'s request; NULL: none free. The stream's x is set. Calls nothing back. */
    struct http_stream *(*open)(struct http_back *b, struct exchange *x);
    /** How many more streams could be opened now (h1: 1 or 0). */
    unsigned (*capacity)(const struct http_back *b);
    /** Closes and frees an idle session (no stream open), or one that is full and must go. No event comes of
     * it. */
    void (*close)(struct http_back *b);
    /** For a request that must not be sent twice: is the connection alive as far as the socket knows? */
    bool (*alive)(struct http_back *b);
    /** h2: may a stream be a WebSocket (RFC 8441)? -1: the upstream has not said yet, see on_settings. h1:
     * NULL.
     */
    int (*websocket)(const struct http_back *b);
};
struct http_back {
    const struct http_back_ops *ops;
    void *pool_entry; /* the pool's */
    bool reused; /* has served before: a stream that dies early aborts with ABORT_RETRY */
};
/** `on_idle` when a stream is done and another may be opened (h1: it is free again; h2: also when all are
 * done); `on_dead` once, when it must leave the pool: the session frees itself after that. None is called
 * inside open(). */
struct http_back_events {
    void (*on_idle)(struct http_back *b);
    void (*on_dead)(struct http_back *b);
    void (*on_settings)(struct http_back *b); /* h2, once: the upstream's SETTINGS are known */
};
struct http_back *h1_back_new(struct engine *e, struct conn *c, const struct http_back_events *ev);
struct http_back *h2_back_new(struct engine *e, struct conn *c, const struct http_back_events *ev);

/** The contract's refusal body, as JSON, for front answers of any codec. Returns its length, 0 where it does
 * not fit. `hint` NULL: the reason's own. */
size_t deny_body(
    char *out, size_t outlen, enum reason why, const char *host, const char *flow_id, const char *hint);

#endif
