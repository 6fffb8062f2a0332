/** \file
 * The ClientHello of TLS (RFC 8446 4.1.2, RFC 5246 7.4.1.2): the one message of a sealed connection that the
 * policy can judge. Pure: octets in, a value out.
 *
 * What OpenSSL would refuse or read in another way is bad here too: it reads the same octets after us, and so
 * may an upstream (splice), so there must be one reading only. Duplicate extensions, lengths that do not add
 * up, other records in between and octets behind the message in its last record are bad.
 */
#ifndef EGRESS_APPLIANCE_FLOW_CLIENTHELLO_H
#define EGRESS_APPLIANCE_FLOW_CLIENTHELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/hostname.h"

/** Octets, record headers included. Post-quantum ones are about 1,800; no client comes near this. */
#define CLIENT_HELLO_MAX 16384

enum hello_result { HELLO_MORE, HELLO_BAD, HELLO_OK };

enum sni_kind {
    SNI_NONE,
    SNI_NAME, /* `sni` is the canonical name */
    SNI_ADDRESS, /* an address literal, which RFC 6066 3 forbids; `sni` is its canonical text */
    SNI_BAD, /* no host name at all; `sni` is empty */
};

struct client_hello {
    enum sni_kind sni_kind;
    char sni[HOSTNAME_MAX + 1];
    bool alpn, alpn_h2, alpn_http11; /* an ALPN extension; and what we know of its list */
    bool ech; /* an encrypted ClientHello, or its GREASE: they look the same on purpose */
    bool early_data;
    bool tls13, tls12; /* offered */
};

/** `p` is the start of a TCP stream. HELLO_MORE: `*need` is how many octets it takes, from the start, before
 * asking again can come to more. Never more than CLIENT_HELLO_MAX: beyond, HELLO_BAD. */
enum hello_result client_hello_parse(const uint8_t *p, size_t n, struct client_hello *out, size_t *need);

/** The same for a whole handshake message without records (QUIC's CRYPTO stream). */
enum hello_result client_hello_message(const uint8_t *p, size_t n, struct client_hello *out, size_t *need);

#endif
