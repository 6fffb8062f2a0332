/** \file
 * Heads and chunks of HTTP/1 as octets. What is written comes from parsed forms only, whose strings hold no
 * CR, LF or NUL; that is checked once more here, at the last place where a smuggled line could be stopped.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H1_WRITE_H
#define EGRESS_APPLIANCE_HTTP_H1_WRITE_H

#include "appliance/http/exchange.h"

/** A head of usual size is built on the stack, a longer one in memory. */
struct h1_buf {
    char *p;
    size_t len, cap;
    bool failed; /* no memory, or a string that must not be written */
    char small[2048];
};
void h1_buf_init(struct h1_buf *b);
void h1_buf_free(struct h1_buf *b);

enum h1_framing { H1_FRAME_NONE, H1_FRAME_LENGTH, H1_FRAME_CHUNKED, H1_FRAME_CLOSE };

/** Request line, Host and fields, framing, end. False: see b->failed. */
/** Whether a request has a body that its method gives no meaning to. There are servers that take it for the
 * next request; such a one asks for the connection to end behind it. */
bool h1_odd_body(const struct http_head *h, enum h1_framing framing);
bool h1_write_request(struct h1_buf *b, const struct http_head *h, enum h1_framing framing);

enum h1_connection { H1_CONN_NONE, H1_CONN_CLOSE, H1_CONN_KEEP_ALIVE };
bool h1_write_response(
    struct h1_buf *b, const struct http_head *h, enum h1_framing framing, enum h1_connection connection);

/** Last chunk, trailer fields, empty line. */
bool h1_write_trailers(struct h1_buf *b, const struct field *f, size_t n);

/** "1a2b\r\n". Returns its length. */
#define H1_CHUNK_LINE_MAX 20
size_t h1_chunk_line(char out[static H1_CHUNK_LINE_MAX], size_t n);

/** Reason phrase of a status, "" where there is none. */
const char *h1_phrase(unsigned status);

#endif
