/** \file
 * What a tunnel carries: WebSocket frames, and nothing else.
 */
#include "appliance/http/exchange_internal.h"

/* RFC 6455 7.4.1 */
enum { CLOSE_PROTOCOL_ERROR = 1002, CLOSE_POLICY = 1008, CLOSE_INTERNAL = 1011 };

enum reason exchange_ws_feed(
    struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n, struct ws_out *out)
{
    static const struct ws_inspection nothing;
    *out = (struct ws_out){0};
    if (!x->ws)
        x->ws = ws_filter_new(&nothing);
    if (!x->ws)
        return REASON_LIMIT;
    enum reason why = ws_filter_feed(x->ws, dir, p, n, out);
    if (out->why)
        x->detail = out->why;
    return why;
}

size_t exchange_ws_close(
    struct exchange *x, enum inspect_direction dir, uint8_t out[static WS_CLOSE_FRAME_MAX])
{
    uint16_t code = x->reason == REASON_MALFORMED ? CLOSE_PROTOCOL_ERROR
                    : x->reason == REASON_LIMIT   ? CLOSE_INTERNAL
                                                  : CLOSE_POLICY;
    return x->ws ? ws_filter_close(x->ws, dir, code, reason_name(x->reason), out) : 0;
}

void exchange_ws_end(struct exchange *x)
{
    ws_filter_free(x->ws);
    x->ws = NULL;
}
