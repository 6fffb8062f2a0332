/** \file
 * Where one message of a WebSocket meets the next: what is cut in two there reads as one again. The end of
 * what has been sent is kept, and the beginning of each message is inspected once more behind it. What of it
 * begins before the message has been sent; what the message adds to it is not.
 */
#ifndef EGRESS_APPLIANCE_HTTP_WS_SEAM_H
#define EGRESS_APPLIANCE_HTTP_WS_SEAM_H

#include "appliance/inspect/inspect.h"

struct ws_seam; /* of one direction */

/** NULL: no memory. */
struct ws_seam *ws_seam_new(void);
void ws_seam_free(struct ws_seam *s);

/** A message begins; without memory it is not looked at behind the others. */
void ws_seam_begin(struct ws_seam *s, struct inspector *i, const struct inspect_config *c);
/** `out` is what inspection of the message let go; it becomes what may go on, and lives until the next call.
 * 0, or as inspect_feed(). */
int ws_seam_feed(struct ws_seam *s, bool last, struct inspect_out *out);

#endif
