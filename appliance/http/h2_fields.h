/** \file
 * One HTTP/2 header block, judged field by field as HPACK yields them, and turned into a head (RFC 9113 8.1
 * to 8.3, RFC 8441 4). nghttp2's own checks are off: it drops some bad fields in silence and resets streams
 * for others, while an agent is owed an answer and the log a line. Pure but for memory.
 *
 * Refused as malformed: upper case and octets that are no token in names, control octets in values, space
 * around values, pseudo-headers that are unknown, doubled or late, connection-specific fields, a Host that
 * differs from :authority, several content-lengths.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H2_FIELDS_H
#define EGRESS_APPLIANCE_HTTP_H2_FIELDS_H

#include "appliance/http/exchange.h"
#include "lib/base.h"

/** As SETTINGS_MAX_HEADER_LIST_SIZE counts: name, value and 32 a field (RFC 9113 6.5.2). */
#define H2_LIST_MAX KIB(64)
#define H2_TRAILER_LIST_MAX KIB(16)
#define H2_FIELDS_MAX 200
/** What an arena for one block is limited to. */
#define H2_ARENA_MAX KIB(512)

enum h2_kind { H2_REQUEST, H2_RESPONSE, H2_TRAILERS };
enum h2_pseudo { H2_METHOD, H2_SCHEME, H2_AUTHORITY, H2_PATH, H2_PROTOCOL, H2_STATUS, H2_PSEUDO_COUNT };

struct h2_block {
    enum h2_kind kind;
    enum reason bad; /* REASON_NONE, or why it is refused: MALFORMED, LIMIT */
    struct arena *arena;
    struct field *fields;
    size_t n, cap;
    size_t list_size; /* of all fields that came, also those that are not kept any more */
    bool regular; /* one has come: pseudo-headers may not follow */
    struct field pseudo[H2_PSEUDO_COUNT]; /* name NULL: did not come */
};

/** `a` is initialised and holds the strings. */
void h2_block_init(struct h2_block *b, enum h2_kind kind, struct arena *a);
/** Takes a copy. Once `bad` is set only the size is counted. */
void h2_block_add(struct h2_block *b, const char *name, size_t name_len, const char *value, size_t value_len);

/** The head of a whole block; `fin`: no body follows. REASON_NONE or why not; method and target are set where
 * they can be told, for the audit line. An extended CONNECT for WebSocket becomes a GET with `upgrade`. */
enum reason h2_block_request(struct h2_block *b, bool tls, bool fin, struct http_head *out);

/** False: malformed. `head_asked`: of the method, so that content-length promises nothing. */
bool h2_block_response(struct h2_block *b, bool head_asked, bool fin, struct http_head *out);

/** Leaves in `fields` and `n` what may travel as a trailer. False: malformed. */
bool h2_block_trailers(struct h2_block *b);

#endif
