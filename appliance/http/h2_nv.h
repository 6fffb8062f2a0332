/** \file
 * Heads as the name-value pairs that nghttp2 takes. The strings are borrowed. Whatever a peer of HTTP/1 or a
 * policy put there is checked once more for octets that could become a line or a field of its own behind the
 * next proxy.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H2_NV_H
#define EGRESS_APPLIANCE_HTTP_H2_NV_H

#include <nghttp2/nghttp2.h>

#include "appliance/http/exchange.h"

/** A head of usual size is built on the stack, a longer one in memory. */
struct h2_nv {
    nghttp2_nv *v;
    size_t n, cap;
    bool failed; /* no memory, or a string that must not be written */
    char number[24]; /* content-length, status */
    char digits[4];
    nghttp2_nv small[40];
};

/** False: must not be sent. Either way h2_nv_free() follows. */
bool h2_nv_request(struct h2_nv *b, const struct http_head *h);
bool h2_nv_response(struct h2_nv *b, const struct http_head *h);
bool h2_nv_trailers(struct h2_nv *b, const struct field *f, size_t n);
void h2_nv_free(struct h2_nv *b);

#endif
