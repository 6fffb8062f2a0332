/** \file
 * What a tunnel carries: WebSocket frames, and nothing else. Each message is inspected as a body of its own,
 * and then its beginning once more behind the end of those before it (ws_seam.c).
 */
#include <errno.h>

#include "appliance/http/exchange_internal.h"
#include "appliance/http/ws_seam.h"

/* RFC 6455 7.4.1 */
enum { CLOSE_PROTOCOL_ERROR = 1002, CLOSE_POLICY = 1008, CLOSE_INTERNAL = 1011 };

static struct inspect_config config_of(const struct exchange *x, enum inspect_direction dir, bool text)
{
    unsigned d = dir == INSPECT_OUTBOUND ? x->route->outbound : x->route->inbound;
    return (struct inspect_config){.detectors = d,
        .direction = dir,
        .audit_only = x->route->dlp_action == DLP_AUDIT,
        .redact = dir == INSPECT_INBOUND,
        .content_type = text ? "text/plain; charset=utf-8" : "application/octet-stream"};
}

static enum reason open_message(struct exchange *x, enum inspect_direction dir, bool text)
{
    struct inspect_config c = config_of(x, dir, text);
    inspect_close(x->inspect[dir]);
    x->inspect[dir] = NULL;
    if (!x->e->inspector) /* without detectors, too: known secrets that come back are overwritten */
        return REASON_NONE;
    errno = 0;
    x->inspect[dir] = inspect_open(x->e->inspector, &c);
    return x->inspect[dir] || errno == 0 ? REASON_NONE : REASON_LIMIT;
}

/* What inspection of the message let go, once more behind what came before it. What has been sent cannot be
 * overwritten any more: so a secret that comes back in two messages ends it, too. */
static enum reason over_seam(struct exchange *x, enum inspect_direction dir, bool control, bool text,
    bool first, bool last, struct inspect_out *out)
{
    struct ws_seam **at = &x->seam[dir][control];
    if (!x->inspect[dir])
        return REASON_NONE;
    if (!*at)
        *at = ws_seam_new();
    if (!*at)
        return REASON_LIMIT;
    if (first) {
        struct inspect_config c = config_of(x, dir, text);
        c.redact = false;
        c.detectors |= dir == INSPECT_INBOUND ? DETECT_KNOWN_SECRETS : 0;
        ws_seam_begin(*at, x->e->inspector, &c);
    }
    int r = ws_seam_feed(*at, last, out);
    if (r == -ENOMEM)
        return REASON_LIMIT;
    return r || out->found ? exchange_inspect_found(x, out->found ? &out->finding : NULL, dir) : REASON_NONE;
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
    why = exchange_inspect_data(x, dir, p, n, last, out);
    return why == REASON_NONE ? over_seam(x, dir, false, text, first, last, out) : why;
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
    if (why == REASON_NONE)
        why = over_seam(x, dir, true, true, true, true, &out);
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
    for (unsigned i = 0; i < 4; i++) {
        ws_seam_free(x->seam[i / 2][i % 2]);
        x->seam[i / 2][i % 2] = NULL;
    }
}
