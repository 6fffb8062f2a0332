/** \file
 * What the fields of an HTTP/1 head say about framing and the connection, and which fields go on (RFC 9112 6,
 * RFC 9110 7.6.1). Pure.
 */
#ifndef EGRESS_LIB_FRAMING_H
#define EGRESS_LIB_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/policy.h"

/* Connection may name this many fields; each costs a pass over all of them. */
#define NOMINATED_MAX 16

struct framing {
    unsigned hosts, lengths, codings;
    struct field host;
    int64_t length; /* -1: none */
    bool response;
    bool chunked, close, keep_alive, upgrade, websocket, te_trailers, expect;
    bool bad; /* one of them is malformed */
    const char *nominated[NOMINATED_MAX];
    size_t nominated_len[NOMINATED_MAX], n_nominated;
};

/** Reads the fields that belong to framing and connection and takes them off the list, as well as those that
 * Connection names; returns how many go on. Names are made lower case where they stand, values are trimmed.
 * `fr` comes zeroed but for `response`. */
size_t framing_take(struct framing *fr, struct field *fields, size_t n);

/** Do they leave one reading in HTTP/1.`minor`? */
bool framing_ok(const struct framing *fr, unsigned minor);

/** Is one among the fields a spelling of Content-Length or Transfer-Encoding that only some servers
 * understand? */
bool framing_is_hidden(const struct field *fields, size_t n);

#endif
