/** \file
 * The octets of an HTTP/1 body out of its framing (RFC 9112 6, 7), strictly: chunk sizes are plain hex
 * without sign or prefix, every line ends with CRLF, extensions are checked, bounded and dropped. Pure, but
 * that the trailer section is collected in memory (at most H1_TRAILERS_MAX).
 */
#ifndef EGRESS_APPLIANCE_HTTP_H1_BODY_H
#define EGRESS_APPLIANCE_HTTP_H1_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/http/h1_scan.h"

enum h1_body_kind { H1_BODY_NONE, H1_BODY_LENGTH, H1_BODY_CHUNKED, H1_BODY_UNTIL_CLOSE };

struct h1_body {
    enum h1_body_kind kind;
    uint8_t state;
    uint8_t digits; /* of the chunk size so far */
    bool spaces_ok; /* some servers pad the chunk size with spaces; agents get no such grace */
    uint32_t ext; /* octets of the extension so far */
    uint64_t left; /* of the body or the chunk */
    uint8_t *trailers; /* the section with its empty line; NULL: none came */
    size_t trailers_len;
    struct h1_scan scan;
};

/** `length` is used by H1_BODY_LENGTH only. */
void h1_body_init(struct h1_body *b, enum h1_body_kind kind, uint64_t length);
/** Frees the trailers. */
void h1_body_free(struct h1_body *b);

enum h1_body_result {
    H1_BODY_MORE, /* all is used up */
    H1_BODY_DATA, /* `*data`, `*len`; call again */
    H1_BODY_DONE, /* the body has ended at `*p` */
    H1_BODY_BAD,
    H1_BODY_LIMIT, /* too long an extension or trailer section, or no memory */
};
/** Takes octets from `*p` on, which is moved. A body of known length is DONE without needing a further octet.
 */
enum h1_body_result h1_body_next(
    struct h1_body *b, const uint8_t **p, const uint8_t *end, const uint8_t **data, size_t *len);

#endif
