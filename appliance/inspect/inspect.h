/** \file
 * Two-way inspection as a filter over a stream: octets in, octets that may go on out, and a finding at most.
 *
 * Text inside base64, hex, escapes and compressed bodies is looked at beside the raw octets; the octets that
 * go on are the raw ones. Pure but for memory: no sockets, no clock.
 *
 * The hold-back rule. A sender may wait for an answer to what it has sent so far, so after each feed all goes
 * on but what has begun to be a match, from its first octet:
 *  - the first INSPECT_HOLD_MIN octets or more of a known secret, as it is or in one of the forms that it is
 *    watched in (base64, base32, hex, and what undoing escapes gives), which the text so far ends with;
 *  - a token format's beginning (its anchor, "ghp_"), once whole, while what follows fits the format; of a
 * URL with a password, once there is a colon behind its host or user;
 *  - the end of a run of base64 or hex, where what the run says so far ends in one of those;
 *  - the octets of a compressed stream that has not said anything yet;
 *  - inbound, with DETECT_INJECTION: a word, or half a reference, that may complete an order.
 * A word, a JSON string, a run of base64, half an escape that merely may go on is not held. It is remembered:
 * when more comes and makes a match of it, that is a finding, and cuts. So of a match less than
 * INSPECT_HOLD_MIN octets of its text, or a part of its anchor, may have gone on before a pause; never more,
 * and never a whole one. What is not cut (audit_only) is not held at all, unless it is to be redacted.
 */
#ifndef EGRESS_APPLIANCE_INSPECT_INSPECT_H
#define EGRESS_APPLIANCE_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/policy.h"

#define INSPECT_HOLD_MIN 4u

struct arena;
struct inspector; /* databases; built once, before the engines fork */
struct inspect; /* one stream */

enum inspect_direction { INSPECT_OUTBOUND, INSPECT_INBOUND };

struct finding {
    const char *detector; /* "token_patterns:github_pat"; never the secret itself */
    const char *where; /* "path", "query", "header:NAME", "body", "message", "host" */
    uint64_t offset; /* in the (decoded) text of `where` */
};

/** NULL and a message on failure. `secrets` are watched for outbound (known_secrets) and redacted inbound. */
struct inspector *inspector_new(const struct policy *p, const struct secrets *s, char *err, size_t errlen);
void inspector_free(struct inspector *i);
/** Scratch space of one process; call once after fork. 0 or -ENOMEM. */
int inspector_thread_init(struct inspector *i);

/** With the DETECT_ bits: what belongs where it is passes. A JWT in `authorization` or `cookie` is a
 * session's; a URL that a server signed for its download carries the signature, and whose key it is. */
#define DETECT_NOT_SESSIONS 0x100u
#define DETECT_NOT_SIGNED_URLS 0x200u

/** A whole short text (path, query, a header value, a host). True: a finding. */
bool inspect_text(struct inspector *i, unsigned detectors, enum inspect_direction dir, const char *where,
    const char *text, size_t len, struct finding *out);

/** A host name, canonical. Needs no scratch space: any process may ask. */
bool inspect_host(
    const struct inspector *i, unsigned detectors, const char *host, size_t len, struct finding *out);

/** Are there known secrets in a short text? Then `*out` is a copy of its length with '*' in their place;
 * NULL: no memory.
 */
bool inspect_redact(struct inspector *i, struct arena *a, const char *text, size_t len, const char **out);
/** Are there known secrets at all? */
bool inspector_has_secrets(const struct inspector *i);

/** A body, or the messages of a WebSocket. */
struct inspect_config {
    unsigned detectors; /* DETECT_ bits */
    enum inspect_direction direction;
    bool audit_only; /* a finding is told once and all goes on */
    bool redact; /* inbound: known secrets are overwritten with '*'; same length, so framing stays */
    const char *content_type, *content_encoding; /* as in the head; NULL: none */
};
/** NULL: nothing to look at (pass the body as it is) or, with errno set, no memory. */
struct inspect *inspect_open(struct inspector *i, const struct inspect_config *c);
/** Spans to send on, in order; they point into `in` or into the filter and live until the next call. */
struct inspect_out {
    struct {
        const uint8_t *p;
        size_t n;
    } span[4];
    unsigned n_spans;
    bool found; /* `finding` is set: send the spans, then cut (block) or go on (audit) */
    struct finding finding;
};
/** 0, -ENOMEM, or -EMSGSIZE where a nested encoding cannot be followed within its bounds (treated as a
 * finding). */
int inspect_feed(struct inspect *s, const uint8_t *in, size_t n, bool fin, struct inspect_out *out);
void inspect_close(struct inspect *s);

#endif
