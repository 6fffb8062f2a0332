/** \file
 * WebSocket frames (RFC 6455 5), one direction of a connection: octets in, events out, and frames written
 * anew. No extension is ever negotiated through us, so that RSV bits are an error and every payload is what
 * the message says. Pure.
 */
#ifndef EGRESS_APPLIANCE_HTTP_WS_H
#define EGRESS_APPLIANCE_HTTP_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

#define WS_HEAD_MAX 14 /* of a frame */
#define WS_CONTROL_MAX 125 /* payload of a control frame */

struct ws_parser {
    bool masked; /* frames of this direction must be (client to server), or must not */
    uint8_t head[WS_HEAD_MAX];
    uint8_t have, need; /* octets of the head: come, wanted */
    uint8_t opcode; /* of the present frame */
    bool fin;
    bool in_payload;
    bool in_message; /* a fragmented message is open */
    bool closed; /* a close frame has come: nothing may follow */
    uint8_t key[4];
    uint8_t control[WS_CONTROL_MAX];
    uint64_t length, at; /* of the payload, and how much of it has come */
};

/** `masked`: the agent's side, whose frames must be (RFC 6455 5.1). */
void ws_parser_init(struct ws_parser *p, bool masked);

enum ws_result {
    WS_MORE, /* all is used up */
    WS_DATA, /* `data` of a message: unmasked, and whether it begins or ends the message */
    WS_CONTROL, /* a whole control frame: its payload is in `data` */
    WS_BAD, /* `why` says what rule is broken */
};
struct ws_event {
    enum ws_opcode opcode; /* of the frame: WS_CONT for all but the first of a message */
    const uint8_t *data;
    size_t len; /* 0: an empty frame */
    bool first, last; /* octets of the message */
    const char *why;
};
/** Takes octets from `*in` on, which is moved. Payload is unmasked into `room` (`room_len` > 0), so that `in`
 * may be read-only; `ev->data` points there or into `p`. */
enum ws_result ws_next(struct ws_parser *p, const uint8_t **in, const uint8_t *end, uint8_t *room,
    size_t room_len, struct ws_event *ev);

/** Writes a frame's head and returns its length. `key` NULL: not masked. */
size_t ws_head(
    uint8_t out[static WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t len, const uint8_t *key);
/** XORs with `key`, beginning at octet `at` of the payload. `out` may be `in`. */
void ws_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[static 4], uint64_t at);

#endif
