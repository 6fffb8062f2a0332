/** \file
 * One HTTP request and its response, whatever protocol carries them on either side.
 *
 *     agent -- h1 or h2 codec (front) -- exchange -- h1 or h2 codec (back) -- upstream
 *
 * The codecs turn octets into heads, data and trailers and back; the exchange judges the head, strips and
 * injects credentials, runs inspection over data in both directions, picks the upstream, and writes the audit
 * line. It touches no socket and parses no octets. Back-pressure is end to end: data handed over is taken
 * whole (at most ENGINE_SCRATCH octets a call), and ops->data returning 1 pauses the other side until
 * exchange_drained().
 *
 * States of each direction: HEAD -> BODY -> DONE, or -> ABORTED from anywhere. What comes for an exchange
 * that has ended is ignored. The exchange always ends by calling release on each of its streams, exactly
 * once, with stream->x already NULL; it may do so inside any exchange_*() call, so a codec looks at stream->x
 * after each of them.
 *
 * ops functions never call back into the exchange: a codec that has more to say does so from its own loop
 * callback (or engine_defer). A stream whose ops returned a negative errno is dead: the exchange ends and
 * releases it.
 *
 * An upgrade (WebSocket): the request's head has `upgrade` set, method GET, and `fin` false. When the
 * response is a 101 both directions carry raw octets by the data calls, and fin is a half-close; the front
 * must hold back what the agent sends before it. Any other status is an ordinary response, and the request
 * counts as complete.
 */
#ifndef EGRESS_APPLIANCE_HTTP_EXCHANGE_H
#define EGRESS_APPLIANCE_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/policy.h"

struct engine;
struct exchange;
struct flow;
struct http_stream;

enum http_upgrade { UPGRADE_NONE, UPGRADE_WEBSOCKET };

/** A head in parsed form. Names are lower case. Not among `fields`: host, connection and what it names,
 * keep-alive, proxy-connection, te (but for "trailers"), transfer-encoding, upgrade, content-length, expect:
 * the codecs own framing and make it anew from the members below. */
struct http_head {
    /* request */
    const char *method;
    const char *scheme; /* "https" or "http", as the connection is */
    const char *authority; /* as received; canonical host[:port] when it leaves the exchange. NULL: HTTP/1.0
                              without */
    const char *target; /* origin form as received; canonical when it leaves the exchange */
    bool expect_continue;
    /* response */
    uint16_t status; /* 0 in a request */
    /* both */
    struct field *fields;
    size_t n_fields;
    int64_t content_length; /* -1: not known beforehand */
    bool te_trailers;
    enum http_upgrade upgrade;
    const char *ws_proof; /* to be written with `upgrade`: sec-websocket-key or -accept; NULL: none */
    bool until_close; /* response: the body ends where the upstream's connection does */
};

/** Why a direction ended early. */
enum http_abort {
    ABORT_PEER, /* the peer closed or reset */
    ABORT_PROTOCOL, /* the peer's octets are not HTTP */
    ABORT_TIMEOUT,
    ABORT_POLICY, /* we cut it */
    ABORT_RETRY, /* back only: a reused connection died before any octet of the response: safe if the request
                    is */
    ABORT_REFUSED, /* back only: the upstream says that it has not looked at the request */
    ABORT_H1, /* back only: the upstream has not served it, and wants it by HTTP/1.1 */
};

/** What a codec offers for one stream. The exchange calls these. */
struct http_stream_ops {
    /** Front: response head, 1xx included (status < 200: more follow, `fin` false). Back: request head. 0, 1,
     * -errno. What head, data and trailers write may be held together until flush(). */
    int (*head)(struct http_stream *s, const struct http_head *h, bool fin);
    /** 0 = go on, 1 = taken, but pause, -errno = dead. n may be 0 with fin. */
    int (*data)(struct http_stream *s, const uint8_t *p, size_t n, bool fin);
    int (*trailers)(struct http_stream *s, const struct field *f, size_t n); /* implies fin */
    /** This turn's writing is over: send what is held. */
    int (*flush)(struct http_stream *s);
    /** Stop or go on delivering data of this side's peer. */
    void (*read_pause)(struct http_stream *s, bool paused);
    /** Cut: front after a response head: no final chunk, RST_STREAM. Back: close or RST_STREAM. release()
     * follows. */
    void (*abort)(struct http_stream *s, enum http_abort why);
    /** The exchange is done with the stream. Front: the connection may serve its next request; what is left
     * of this one's body is the codec's to drain or to cut. */
    void (*release)(struct http_stream *s);
};
struct http_stream {
    const struct http_stream_ops *ops;
    struct exchange *x; /* NULL once released */
    bool gives_back; /* back: the upstream may say that it has not looked at a request whose body went out */
};

struct http_front;
struct http_front_ops {
    void (*drain)(struct http_front *f);
    void (*close)(struct http_front *f);
};

/** What a front connection says of itself; outlives its exchanges. Filled by flow/ before a front codec
 * starts. */
struct http_front {
    struct engine *engine;
    struct flow *flow; /* who it is, for the audit log (flow/flow.h); NULL in tests */
    const char *host; /* canonical: SNI, or CONNECT's; NULL for other plaintext */
    uint16_t port; /* the one the agent dialled */
    bool proxy; /* of the explicit proxy: each request says its host and port */
    bool tls;
    const struct route *route; /* of `host`; NULL: with TLS every request gets the answer `deny` */
    const struct route *refused; /* then, for the log: the route that the name has all the same, or NULL */
    enum reason deny;
    uint8_t alpn_h2; /* the agent speaks h2 */
    /* the codec's */
    const struct http_front_ops *ops;
    void *codec;
};

/** Front codec: a request head has come. `arena` holds `h` and is the exchange's from here on: it frees what
 * is in it (not the struct) before it releases `front`. 0, or -ENOMEM (the exchange never was; arena is still
 * the caller's). The exchange may answer and end inside this call: then front->x is NULL afterwards. `fin`:
 * there is no body. */
int exchange_begin(
    struct http_front *f, struct http_stream *front, struct arena *arena, struct http_head *h, bool fin);
/** Front codec: a request that cannot be parsed; answers `why` (malformed, limit...) by front's head and data
 * and audits it. There is no exchange and no release; the codec closes after it. `method`, `target` may be
 * NULL. */
void exchange_reject(
    struct http_front *f, struct http_stream *front, enum reason why, const char *method, const char *target);

/** Front codec: the connection breaks the rules of its protocol, or a limit, and ends with no request to
 * answer: one line in the log. */
void exchange_reject_connection(struct http_front *f, enum reason why, const char *detail);

/* Front codec, request side. flush: no more for now (end of the codec's turn). */
void exchange_request_data(struct exchange *x, const uint8_t *p, size_t n, bool fin);
void exchange_request_trailers(struct exchange *x, const struct field *f, size_t n);
void exchange_request_flush(struct exchange *x);
void exchange_request_abort(struct exchange *x, enum http_abort why);

/* Back codec, response side. `h` and its strings need to live only during the call. The exchange may edit
 * h->fields. */
void exchange_response_head(struct exchange *x, struct http_head *h, bool fin);
void exchange_response_data(struct exchange *x, const uint8_t *p, size_t n, bool fin);
void exchange_response_trailers(struct exchange *x, const struct field *f, size_t n);
void exchange_response_flush(struct exchange *x);
/** `detail`: a few words of our own making for the operator; may be NULL. */
void exchange_response_abort(struct exchange *x, enum http_abort why, const char *detail);

/* Either codec: it can take data again after it returned 1. */
void exchange_drained(struct exchange *x, struct http_stream *s);

/* Upstream: what upstream_open() came to. */
void exchange_upstream_ready(struct exchange *x, struct http_stream *back);
void exchange_upstream_failed(struct exchange *x, enum reason why, const char *detail);

/** Of a session's: what belongs in there passes (DETECT_NOT_SESSIONS). */
bool exchange_is_session(const struct field *f);
/** A URL that a server signed for a download of its own (S3, Azure, and those who use them). */
bool exchange_is_signed_url(const char *query);

#endif
