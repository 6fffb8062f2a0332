/** \file
 * An HTTP/1 head as a value: llhttp splits it, and every rule that llhttp leaves to its caller is kept here
 * (RFC 9112 3.2, 6, 9.3; RFC 9110 7.6.1). The octets have passed h1_scan(). Pure but for the arena.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H1_PARSE_H
#define EGRESS_APPLIANCE_HTTP_H1_PARSE_H

#include "appliance/http/exchange.h"
#include "appliance/http/h1_scan.h"

struct h1_head {
    struct http_head h; /* strings and fields are in the arena */
    uint8_t minor; /* HTTP/1.minor */
    bool keep_alive; /* what version and Connection say */
    bool chunked;
    bool body; /* a body follows: chunked, or content_length > 0, or h.until_close */
    uint16_t status;
};

/** REASON_NONE, MALFORMED, LIMIT or HOST_MISMATCH (absolute form against Host). On failure method and target
 * are set as far as they are known. `head` need live only during the call. The method is one by
 * http_is_method(); CONNECT comes out with the authority as target. */
enum reason h1_parse_request(struct arena *a, const uint8_t *head, size_t len, bool tls, struct h1_head *out);

/** What the response answers decides whether it has a body. */
struct h1_asked {
    bool head; /* by HEAD */
    bool upgrade; /* with Upgrade: 101 is an answer */
};
enum reason h1_parse_response(
    struct arena *a, const uint8_t *head, size_t len, struct h1_asked asked, struct h1_head *out);

/** Trailer fields; those that may not be trailers are left out. */
enum reason h1_parse_trailers(
    struct arena *a, const uint8_t *section, size_t len, struct field **fields, size_t *n_fields);

#endif
