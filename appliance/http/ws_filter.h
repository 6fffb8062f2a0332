/** \file
 * Both directions of one WebSocket: frames are parsed, messages inspected, and what may go on is written as
 * new frames. A frame that comes in one piece leaves as it came; one that comes in several leaves as
 * fragments, so that we are always between two frames when something has to be cut.
 */
#ifndef EGRESS_APPLIANCE_HTTP_WS_FILTER_H
#define EGRESS_APPLIANCE_HTTP_WS_FILTER_H

#include "appliance/http/ws.h"
#include "appliance/inspect/inspect.h"
#include "lib/policy.h"
#include "lib/reason.h"

struct ws_filter;

/** How messages are looked at: a stream of its own for each. All may be NULL: nothing is. */
struct ws_inspection {
    /** Octets of a message; `first` and `last` of it. `out` as by inspect_feed(). REASON_NONE, or why it must
     * not go on (after `out`'s spans). */
    enum reason (*message)(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n, bool text,
        bool first, bool last, struct inspect_out *out);
    /** The payload of a control frame. */
    enum reason (*control)(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n);
    void *arg;
};

/** NULL: no memory. */
struct ws_filter *ws_filter_new(const struct ws_inspection *i);
void ws_filter_free(struct ws_filter *f);

struct ws_out {
    uint8_t *p; /* frames to send on; the caller frees it */
    size_t n;
    const char *why; /* REASON_MALFORMED: what rule is broken */
};
/** REASON_NONE; else `out` may still be sent, and then the end: MALFORMED, LIMIT (no memory), or what
 * inspection said.
 */
enum reason ws_filter_feed(
    struct ws_filter *f, enum inspect_direction dir, const uint8_t *p, size_t n, struct ws_out *out);

/** A close frame for the receiver of direction `dir`, where none has gone there yet. Returns its length, or
 * 0. */
#define WS_CLOSE_FRAME_MAX (WS_HEAD_MAX + WS_CONTROL_MAX)
size_t ws_filter_close(struct ws_filter *f, enum inspect_direction dir, uint16_t code, const char *text,
    uint8_t out[static WS_CLOSE_FRAME_MAX]);

#endif
