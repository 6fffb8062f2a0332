/** \file
 * What the files of the exchange share. Nobody else includes this.
 *
 * exchange.c             life, data, back-pressure, time-outs, retry
 * exchange_judge.c       may this request go out, and as what
 * exchange_credentials.c the agent's off, the real ones on; what a response may not carry
 * exchange_deny.c        answers of our own
 * exchange_audit.c       the audit line
 * exchange_inspect.c     where inspection looks at heads and data
 * exchange_retry.c       what may be asked again, and what is kept for it
 */
#ifndef EGRESS_APPLIANCE_HTTP_EXCHANGE_INTERNAL_H
#define EGRESS_APPLIANCE_HTTP_EXCHANGE_INTERNAL_H

#include "appliance/engine.h"
#include "appliance/http/exchange.h"
#include "appliance/http/upstream.h"
#include "appliance/http/ws_filter.h"
#include "appliance/inspect/inspect.h"
#include "lib/base.h"
#include "lib/hostname.h"

/** A real credential in the arena. */
struct secret_copy {
    struct secret_copy *next;
    char *p;
    size_t len;
};

struct exchange {
    struct http_front *f;
    struct engine *e;
    struct http_stream *front, *back;
    struct arena *arena;
    struct http_head *req;
    struct upstream_request *opening;
    struct upstream_key key;
    struct engine_timer timer, expect_timer;

    /* the judgement */
    const char *host; /* canonical; NULL: there is none */
    uint16_t port; /* what it is asked at */
    const struct route *route; /* NULL: none matched */
    const char *path; /* canonical where the target was good, else as received; without the query */
    const char *query; /* NULL: none */
    struct request *lfs; /* an LFS batch, whose body says the rest; NULL: it is not */
    enum reason reason;
    struct ws_filter *ws; /* of a tunnel, once octets come */
    const char *detail; /* for the operator, in the arena or static; NULL: nothing to add */
    enum reason noted; /* audit-only: why it would have been refused */
    struct secret_copy *secrets; /* injected values, wiped at the end */
    struct ws_seam *seam[2][2]; /* by direction, of messages and of control frames; NULL: not yet */
    struct inspect *inspect[2]; /* of the bodies, by enum inspect_direction; NULL: nothing to look at */

    /* the request's body before there is anybody to take it: at most one turn of the front codec's */
    uint8_t *queue;
    size_t queue_len;
    uint8_t *kept; /* of the body, all that went out; for exchange_retry.c */
    size_t kept_len, kept_cap;
    struct field *trailers;
    size_t n_trailers;
    bool has_trailers;

    unsigned depth; /* calls of ours on the stack */
    bool ended;
    bool holding; /* the whole body is needed for the judgement: nothing goes out before it is there */
    bool req_fin, req_open; /* all has come; octets of it went out already, and are not kept */
    bool expecting; /* the upstream has not said yet that it wants the body (100) */
    bool unwanted; /* it has said that it does not */
    bool resp_started, resp_fin, tunnel;
    bool retried, h1_only; /* h1_only: the upstream asked for HTTP/1.1 */
    bool front_paused, back_paused;
    bool in_front; /* the front codec called: it flushes at its turn's end, what came with the head, too */
    uint16_t status; /* what the agent was told; 0: nothing */
    int64_t resp_left; /* of a known content-length; -1: not known */
    uint64_t sent, received; /* octets of bodies, to and from the upstream */
    uint64_t started_us, first_us;
};

/** Microseconds of a monotonic clock. */
uint64_t exchange_clock(void);

/** After exchange_judge(): must the body be seen as well? And once it is in the queue, the judgement. */
bool exchange_needs_body(const struct exchange *x);
enum reason exchange_judge_body(struct exchange *x);

/** Judges x->req and prepares it for the upstream. REASON_NONE: it may go. `*hint` may get a text for the
 * answer. */
enum reason exchange_judge(struct exchange *x, const char **hint);

/** Strips and injects. REASON_NONE, or why not. */
enum reason exchange_credentials(struct exchange *x, const char **hint);
bool exchange_is_secret(const struct exchange *x, const char *value);
void exchange_wipe_secrets(struct exchange *x);
/** Whether the agent's field does not go upstream. */
bool exchange_strips(const struct route *r, const struct field *f);
/** Takes off what must not reach the agent. */
void exchange_filter_response(struct http_head *h);
/** The agent's trailer fields on a route with credentials. Returns how many are left. */
size_t exchange_filter_trailers(const struct route *r, struct field *f, size_t n);

/** Writes the refusal to the front stream. 0, 1 or -errno. */
struct denial {
    enum reason reason;
    uint16_t status; /* 0: the reason's own */
    const char *host; /* NULL: "" */
    const char *hint; /* NULL: the reason's own */
    bool grpc; /* the request was gRPC's: say it in its way, too */
    bool plain; /* a git client's, which prints a refusal only if it is text/plain */
};
int exchange_write_denial(struct http_front *f, struct http_stream *front, const struct denial *d);

/* exchange_retry.c */

/** Octets of the body have gone to x->back: keeps them while they may have to be sent again. */
void exchange_keep(struct exchange *x, const uint8_t *p, size_t n);
void exchange_keep_nothing(struct exchange *x);
/** Whether it is safe; then what was kept is in x->queue again. */
bool exchange_may_retry(struct exchange *x, enum http_abort why);
/** Asking again must be harmless (RFC 9110 9.2.2). */
bool exchange_is_idempotent(const char *method);

/* exchange_ws.c: what a tunnel carries. */

/** Octets of one direction; `out` is to be sent on (and freed) whatever the reason, REASON_NONE or why it
 * ends. */
enum reason exchange_ws_feed(
    struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n, struct ws_out *out);
/** The close frame for direction `dir` that says x->reason. Returns its length, 0: none is due. */
size_t exchange_ws_close(
    struct exchange *x, enum inspect_direction dir, uint8_t out[static WS_CLOSE_FRAME_MAX]);
void exchange_ws_end(struct exchange *x);

void exchange_audit(const struct exchange *x);
void exchange_audit_reject(
    struct http_front *f, enum reason why, uint16_t status, const char *method, const char *target);

/** `f` NULL: the encoding could not be followed. */
void exchange_audit_finding(
    const struct exchange *x, const struct finding *f, enum inspect_direction dir, enum verdict v);

/* exchange_inspect.c. REASON_NONE: it may go; what was found is in the log in any case. */

/** Path, query and fields of the request; begins to look at its body. */
enum reason exchange_inspect_head(struct exchange *x);
/** Begins to look at the response's body, and takes known secrets out of its fields. */
enum reason exchange_inspect_response(struct exchange *x, struct http_head *h, bool fin);
/** Octets of a body or of a tunnel; `out->span` may go on, if the reason is REASON_NONE. */
enum reason exchange_inspect_data(struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n,
    bool fin, struct inspect_out *out);
/** An upstream's trailers as the agent may see them; they live as long as the exchange. `*n` 0 where there is
 * no memory. */
const struct field *exchange_redact_trailers(struct exchange *x, const struct field *f, size_t *n);
/* Into the log, and the verdict. `f` NULL: something could not be followed. */
enum reason exchange_inspect_found(struct exchange *x, const struct finding *f, enum inspect_direction dir);
enum reason exchange_inspect_trailers(
    struct exchange *x, enum inspect_direction dir, const struct field *f, size_t n);
void exchange_inspect_end(struct exchange *x);
/** `text` as the log may have it: "[REDACTED:detector]" in place of what a detector matches. In `buf`, or
 * `text` itself. */
const char *exchange_loggable(struct engine *e, const char *text, size_t len, char *buf, size_t buflen);

#endif
