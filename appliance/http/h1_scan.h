/** \file
 * Finds the end of an HTTP/1 head and refuses whatever two parsers could read in two ways (RFC 9112 2, 3, 5):
 * lines end with CRLF and nothing else; no NUL or other control octet but HTAB in values; field names are
 * tokens with the colon right after; no obs-fold; the start line has single spaces and says HTTP/1.0 or
 * HTTP/1.1. Pure.
 *
 * It runs before llhttp, which forgives some of this in the way that distributions build it, and as octets
 * come, so that garbage is refused at once and not when a time-out ends the wait for an empty line.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H1_SCAN_H
#define EGRESS_APPLIANCE_HTTP_H1_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define H1_HEAD_MAX KIB(64) /* start line and fields */
#define H1_TRAILERS_MAX KIB(16)
#define H1_FIELDS_MAX 200

enum h1_kind { H1_REQUEST, H1_RESPONSE, H1_TRAILERS };
enum h1_scan_result { H1_MORE, H1_DONE, H1_BAD, H1_LIMIT };

/** Zero it but for `kind` before the first octet of a head. */
struct h1_scan {
    enum h1_kind kind;
    uint32_t skipped; /* octets of empty lines before a request (RFC 9112 2.2) */
    uint32_t line; /* where the line begins that is not whole yet */
    uint32_t checked; /* octets of it that have been looked at */
    uint32_t fields; /* whole field lines so far */
    uint8_t started; /* the start line is whole */
};

/** `p` is the head from its first octet, as much as has come; call again with more. H1_DONE: the head is the
 * octets from p + s->skipped to p + *end, the empty line included. */
enum h1_scan_result h1_scan(struct h1_scan *s, const uint8_t *p, size_t n, size_t *end);

#endif
