/** \file
 * What h2_session.c (receiving, life) and h2_send.c (frames out) share. Nobody else includes this.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H2_SEND_H
#define EGRESS_APPLIANCE_HTTP_H2_SEND_H

#include "appliance/http/h2_session.h"

void h2_send_callbacks(nghttp2_session_callbacks *cb);
/** Writes all that may be written now and tells the streams that waited for it; ends the session where that
 * is due. */
void h2_flush(struct h2_session *s);
/** Nothing more comes or goes on it. */
void h2_stream_closed(struct h2_stream *st, uint32_t code);

#endif
