/** \file
 * The opening of a WebSocket (RFC 6455 4, RFC 8441 5). Key and accept prove to each side that its peer means
 * it, so each of our connections has its own: the front answers the agent's key, the back sends a new one and
 * checks the answer. Extensions are not offered on, so that what is inspected is what is said.
 */
#ifndef EGRESS_APPLIANCE_HTTP_WS_HANDSHAKE_H
#define EGRESS_APPLIANCE_HTTP_WS_HANDSHAKE_H

#include "appliance/http/exchange.h"

#define WS_KEY_LEN 24 /* base64 of 16 octets */
#define WS_ACCEPT_LEN 28 /* base64 of a SHA-1 */

/** Front: takes key and extensions off a request for an upgrade. `key` gets the key's text, or "" where
 * HTTP/2 needs none (`h2`). False: malformed. */
bool ws_take_key(struct http_head *h, bool h2, char key[static WS_KEY_LEN + 1]);
/** Back: takes what answers `key` (NULL: HTTP/2, which needs none) off a 101. False: it does not, or it names
 * an extension nobody asked for. */
bool ws_take_accept(struct http_head *h, const char *key);

/** A new key; false: no random octets to be had. */
bool ws_new_key(char key[static WS_KEY_LEN + 1]);
void ws_accept(const char *key, char accept[static WS_ACCEPT_LEN + 1]);

#endif
