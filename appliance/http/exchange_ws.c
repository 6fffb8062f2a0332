/** \file
 * What a tunnel carries: WebSocket frames, and nothing else. Each message is inspected as a body of its own.
 */
#include "appliance/http/exchange_internal.h"

/* RFC 6455 7.4.1 */
enum { CLOSE_PROTOCOL_ERROR = 1002, CLOSE_POLICY = 1008, CLOSE_INTERNAL = 1011 };

static enum reason open_message(struct exchange *x, enum inspect_direction dir, bool text)
{
    unsigned d = dir == INSPECT_OUTBOUND ? x->route->outbound : x->route->inbound;
    struct inspect_config c = {.detectors = d,
        .direction = dir,
        .audit_only = x->route->dlp_action == DLP_AUDIT,
        .redact = dir == INSPECT_INBOUND,
        .content_type = text ? "text/plain; charset=utf-8" : "application/octet-stream"};
    inspect_close(x->inspect[dir]);
    x->inspect[dir] = NULL;
    if (!x->e->inspector) /* without detectors, too: known secrets that come back are overwritten */
        return REASON_NONE;
    errno = 0;
    x->inspect[dir] = inspect_open(x->e->inspector, &c);
    return x->inspect[dir] || errno == 0 ? REASON_NONE : REASON_LIMIT;
}

static enum reason on_message(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n, bool text,
    bool first, bool last, struct inspect_out *out)
{
    struct exchange *x = arg;
    enum reason why = first ? open_message(x, dir, text) : REASON_NONE;
    if (why != REASON_NONE) {
        out->n_spans = 0;
        return why;
    }
    return exchange_inspect_data(x, dir, p, n, last, out);
}

/* Short, and free for any use: looked at as a message within the message. */
static enum reason on_control(void *arg, enum inspect_direction dir, const uint8_t *p, size_t n)
{
    struct exchange *x = arg;
    struct inspect *message = x->inspect[dir];
    struct inspect_out out;
    x->inspect[dir] = NULL;
    enum reason why = open_message(x, dir, true);
    if (why == REASON_NONE)
        why = exchange_inspect_data(x, dir, p, n, true, &out);
    inspect_close(x->inspect[dir]);
    x->inspect[dir] = message;
    return why;
}

enum reason exchange_ws_feed(
    struct exchange *x, enum inspect_direction dir, const uint8_t *p, size_t n, struct ws_out *out)
{
    const struct ws_inspection i = {on_message, on_control, x};
    *out = (struct ws_out){0};
    if (!x->ws)
        x->ws = ws_filter_new(&i);
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
