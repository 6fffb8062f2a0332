/** \file
 * What a client that speaks first speaks, by its first octets. Pure.
 */
#ifndef EGRESS_APPLIANCE_FLOW_SNIFF_H
#define EGRESS_APPLIANCE_FLOW_SNIFF_H

#include <stddef.h>
#include <stdint.h>

enum sniff { SNIFF_MORE, SNIFF_TLS, SNIFF_HTTP, SNIFF_NEITHER };

/** TLS: a handshake record of SSL 3 or later. HTTP: a method of letters, and a space; whether the rest is
 * HTTP/1 is for its parser to say (an h2c preface is not). Never MORE with SNIFF_NEEDS octets or more. */
#define SNIFF_NEEDS 33
enum sniff sniff(const uint8_t *p, size_t n);

#endif
