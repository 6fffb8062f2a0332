#include "appliance/http/ws.h"

#include <string.h>

#include "lib/base.h"

#define BIT_FIN 0x80u
#define BITS_RSV 0x70u
#define BITS_OPCODE 0x0fu
#define BIT_MASK 0x80u
#define BITS_LENGTH 0x7fu

void ws_parser_init(struct ws_parser *p, bool masked)
{
    *p = (struct ws_parser){.masked = masked, .need = 2};
}

static bool is_control(uint8_t opcode)
{
    return opcode >= WS_CLOSE;
}

/* What the first two octets say of themselves, and how long the head is. NULL, or what is wrong. */
static const char *begin_head(struct ws_parser *p)
{
    uint8_t a = p->head[0], b = p->head[1], len = b & BITS_LENGTH;
    p->opcode = a & BITS_OPCODE;
    p->fin = (a & BIT_FIN) != 0;
    if (p->closed)
        return "a frame after the close frame";
    if (a & BITS_RSV)
        return "reserved bits without an extension";
    if (p->opcode > WS_PONG || (p->opcode > WS_BINARY && p->opcode < WS_CLOSE))
        return "an unknown opcode";
    if (((b & BIT_MASK) != 0) != p->masked)
        return p->masked ? "a client's frame without a mask" : "a server's frame with a mask";
    if (is_control(p->opcode) && (!p->fin || len > WS_CONTROL_MAX))
        return "a control frame that is fragmented or too long";
    if (!is_control(p->opcode) && p->in_message != (p->opcode == WS_CONT))
        return p->in_message ? "a new message within another" : "a continuation of nothing";
    p->need = (uint8_t)(2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (p->masked ? 4 : 0));
    return NULL;
}

static const char *end_head(struct ws_parser *p)
{
    uint8_t len = p->head[1] & BITS_LENGTH;
    size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
    p->length = bytes ? 0 : len;
    for (size_t i = 0; i < bytes; i++)
        p->length = p->length << 8 | p->head[2 + i];
    if ((bytes == 2 && p->length < 126) || (bytes == 8 && p->length <= UINT16_MAX))
        return "a length in more octets than it needs";
    if (p->length > INT64_MAX)
        return "a length with its highest bit set";
    if (p->opcode == WS_CLOSE && p->length == 1)
        return "a close frame with half a code";
    if (p->masked)
        memcpy(p->key, p->head + 2 + bytes, 4);
    p->at = 0;
    p->in_payload = true;
    return NULL;
}

/* True: the head is whole. */
static bool take_head(struct ws_parser *p, const uint8_t **in, const uint8_t *end, const char **why)
{
    *why = NULL;
    while (p->have < p->need) {
        if (*in == end)
            return false;
        p->head[p->have++] = *(*in)++;
        if (p->have == 2)
            *why = begin_head(p);
        if (*why)
            return false;
    }
    p->have = 0;
    p->need = 2;
    *why = end_head(p);
    return !*why;
}

/* RFC 6455 7.4; the codes above 1011 are registered since. */
static bool close_code_ok(const uint8_t *data, size_t len)
{
    if (len < 2)
        return len == 0;
    unsigned code = (unsigned)data[0] << 8 | data[1];
    return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}

static void take_payload(
    struct ws_parser *p, const uint8_t **in, const uint8_t *end, uint8_t *room, size_t room_len, size_t *n)
{
    *n = MIN((uint64_t)MIN((size_t)(end - *in), room_len), p->length - p->at);
    if (p->masked)
        ws_mask(room, *in, *n, p->key, p->at);
    else if (*n)
        memcpy(room, *in, *n);
    *in += *n;
    p->at += *n;
}

static enum ws_result control(
    struct ws_parser *p, const uint8_t **in, const uint8_t *end, struct ws_event *ev)
{
    size_t n;
    take_payload(p, in, end, p->control + p->at, WS_CONTROL_MAX - (size_t)p->at, &n);
    if (p->at < p->length)
        return WS_MORE;
    p->in_payload = false;
    p->closed = p->opcode == WS_CLOSE;
    *ev = (struct ws_event){
        .opcode = p->opcode, .data = p->control, .len = (size_t)p->length, .first = true, .last = true};
    if (p->closed && !close_code_ok(p->control, ev->len)) {
        ev->why = "a close code that must not be sent";
        return WS_BAD;
    }
    return WS_CONTROL;
}

enum ws_result ws_next(struct ws_parser *p, const uint8_t **in, const uint8_t *end, uint8_t *room,
    size_t room_len, struct ws_event *ev)
{
    *ev = (struct ws_event){0};
    if (!p->in_payload && !take_head(p, in, end, &ev->why))
        return ev->why ? WS_BAD : WS_MORE;
    if (is_control(p->opcode))
        return control(p, in, end, ev);
    if (*in == end && p->at < p->length)
        return WS_MORE;
    size_t n;
    bool first = p->at == 0 && p->opcode != WS_CONT;
    take_payload(p, in, end, room, room_len, &n);
    bool whole = p->at == p->length;
    *ev = (struct ws_event){
        .opcode = p->opcode, .data = room, .len = n, .first = first, .last = whole && p->fin};
    if (whole) {
        p->in_payload = false;
        p->in_message = !p->fin;
    }
    return WS_DATA;
}

size_t ws_head(
    uint8_t out[static WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t len, const uint8_t *key)
{
    size_t at = 2, bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)((fin ? BIT_FIN : 0) | (unsigned)opcode);
    out[1] = (uint8_t)((key ? BIT_MASK : 0) | (bytes == 0 ? (unsigned)len : bytes == 2 ? 126u : 127u));
    for (size_t i = bytes; i > 0; i--)
        out[at++] = (uint8_t)(len >> (8 * (i - 1)));
    if (key) {
        memcpy(out + at, key, 4);
        at += 4;
    }
    return at;
}

void ws_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[static 4], uint64_t at)
{
    uint8_t k[8];
    uint64_t wide, octets;
    size_t i = 0;
    for (size_t j = 0; j < 8; j++)
        k[j] = key[(at + j) & 3];
    memcpy(&wide, k, 8);
    for (; i + 8 <= n; i += 8) {
        memcpy(&octets, in + i, 8);
        octets ^= wide;
        memcpy(out + i, &octets, 8);
    }
    for (; i < n; i++)
        out[i] = in[i] ^ k[i & 7];
}
