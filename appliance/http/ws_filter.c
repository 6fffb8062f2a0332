#include "appliance/http/ws_filter.h"

#include <openssl/rand.h>
#include <string.h>

#include "lib/base.h"

struct side {
    struct ws_parser parser;
    bool text; /* the present message is */
    bool begun; /* octets of it have been sent on */
    bool closed; /* a close frame has gone on */
};

struct ws_filter {
    struct ws_inspection inspection;
    struct side side[2]; /* by enum inspect_direction */
    uint8_t *out; /* of the present call */
    size_t len, cap;
};

struct ws_filter *ws_filter_new(const struct ws_inspection *i)
{
    struct ws_filter *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->inspection = *i;
    ws_parser_init(&f->side[INSPECT_OUTBOUND].parser, true);
    ws_parser_init(&f->side[INSPECT_INBOUND].parser, false);
    return f;
}

void ws_filter_free(struct ws_filter *f)
{
    if (!f)
        return;
    free(f->out);
    free(f);
}

static bool reserve(struct ws_filter *f, size_t n)
{
    if (f->len + n <= f->cap)
        return true;
    size_t cap = f->len + n + f->len / 2;
    uint8_t *p = realloc(f->out, cap);
    if (!p)
        return false;
    f->out = p;
    f->cap = cap;
    return true;
}

/* Towards servers each frame has a new mask: what the agent says must not choose the octets on the wire. */
static bool put_frame(struct ws_filter *f, enum inspect_direction dir, enum ws_opcode opcode, bool fin,
    const struct inspect_out *spans)
{
    uint8_t key[4];
    size_t n = 0;
    bool masked = dir == INSPECT_OUTBOUND;
    for (unsigned i = 0; i < spans->n_spans; i++)
        n += spans->span[i].n;
    if (!reserve(f, WS_HEAD_MAX + n) || (masked && RAND_bytes(key, sizeof key) != 1))
        return false;
    f->len += ws_head(f->out + f->len, opcode, fin, n, masked ? key : NULL);
    for (unsigned i = 0, at = 0; i < spans->n_spans; i++) {
        size_t some = spans->span[i].n;
        if (masked)
            ws_mask(f->out + f->len, spans->span[i].p, some, key, at);
        else if (some)
            memcpy(f->out + f->len, spans->span[i].p, some);
        f->len += some;
        at += (unsigned)some;
    }
    return true;
}

static struct inspect_out one_span(const uint8_t *p, size_t n)
{
    struct inspect_out o = {.n_spans = n ? 1 : 0};
    o.span[0].p = p;
    o.span[0].n = n;
    return o;
}

static enum reason take_message(struct ws_filter *f, enum inspect_direction dir, const struct ws_event *ev)
{
    struct side *s = &f->side[dir];
    struct inspect_out out = one_span(ev->data, ev->len);
    enum reason why = REASON_NONE;
    if (ev->first) {
        s->text = ev->opcode == WS_TEXT;
        s->begun = false;
    }
    if (f->inspection.message)
        why = f->inspection.message(
            f->inspection.arg, dir, ev->data, ev->len, s->text, ev->first, ev->last, &out);
    bool last = ev->last && why == REASON_NONE;
    size_t n = 0;
    for (unsigned i = 0; i < out.n_spans; i++)
        n += out.span[i].n;
    if (n == 0 && !last)
        return why;
    enum ws_opcode opcode = s->begun ? WS_CONT : s->text ? WS_TEXT : WS_BINARY;
    if (!put_frame(f, dir, opcode, last, &out))
        return REASON_LIMIT;
    s->begun = true;
    return why;
}

static enum reason take_control(struct ws_filter *f, enum inspect_direction dir, const struct ws_event *ev)
{
    struct inspect_out out = one_span(ev->data, ev->len);
    enum reason why = REASON_NONE;
    if (f->inspection.control && ev->len)
        why = f->inspection.control(f->inspection.arg, dir, ev->data, ev->len);
    if (why != REASON_NONE)
        return why;
    f->side[dir].closed |= ev->opcode == WS_CLOSE;
    return put_frame(f, dir, ev->opcode, true, &out) ? REASON_NONE : REASON_LIMIT;
}

enum reason ws_filter_feed(
    struct ws_filter *f, enum inspect_direction dir, const uint8_t *p, size_t n, struct ws_out *out)
{
    const uint8_t *end = p + n;
    cleanup_free uint8_t *room = malloc(n + 1); /* a frame that came whole stays so */
    enum reason why = room && reserve(f, n + n / 8 + WS_HEAD_MAX) ? REASON_NONE : REASON_LIMIT;
    struct ws_event ev = {0};
    while (why == REASON_NONE) {
        enum ws_result r = ws_next(&f->side[dir].parser, &p, end, room, n + 1, &ev);
        if (r == WS_MORE)
            break;
        if (r == WS_DATA)
            why = take_message(f, dir, &ev);
        else if (r == WS_CONTROL)
            why = take_control(f, dir, &ev);
        else
            why = REASON_MALFORMED;
    }
    *out = (struct ws_out){.p = f->out, .n = f->len, .why = why == REASON_MALFORMED ? ev.why : NULL};
    f->out = NULL;
    f->len = f->cap = 0;
    return why;
}

size_t ws_filter_close(struct ws_filter *f, enum inspect_direction dir, uint16_t code, const char *text,
    uint8_t out[static WS_CLOSE_FRAME_MAX])
{
    uint8_t key[4], body[WS_CONTROL_MAX];
    bool masked = dir == INSPECT_OUTBOUND;
    if (f->side[dir].closed || (masked && RAND_bytes(key, sizeof key) != 1))
        return 0;
    f->side[dir].closed = true;
    size_t len = 0;
    body[0] = (uint8_t)(code >> 8);
    body[1] = (uint8_t)code;
    for (; len < sizeof body - 2 && text[len]; len++)
        body[2 + len] = (uint8_t)text[len];
    size_t at = ws_head(out, WS_CLOSE, true, len + 2, masked ? key : NULL);
    if (masked)
        ws_mask(out + at, body, len + 2, key, 0);
    else
        memcpy(out + at, body, len + 2);
    return at + len + 2;
}
