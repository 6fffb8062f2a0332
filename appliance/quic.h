/** \file
 * The server name in a QUIC handshake's first datagrams, for the audit line. Pure, apart from OpenSSL's
 * ciphers.
 *
 * Initial packets are encrypted with keys that anybody can derive from what they carry (RFC 9001 5.2 and 5.3,
 * RFC 9369 3.3.1 for version 2). A ClientHello may be spread over frames in any order, packets and datagrams;
 * what came so far is kept in a struct quic_hello of the caller's.
 */
#ifndef EGRESS_APPLIANCE_QUIC_H
#define EGRESS_APPLIANCE_QUIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/hostname.h"

/** Longer ClientHellos are cut here; post-quantum ones have some 1,700 octets. */
#define QUIC_HELLO_MAX 4096

struct quic_hello {
    uint8_t data[QUIC_HELLO_MAX]; /* the CRYPTO stream from offset 0 */
    uint8_t have[QUIC_HELLO_MAX / 8]; /* a bit an octet: has come */
};

enum quic_result {
    QUIC_NO, /* no Initial of a version we know, or one that does not decrypt */
    QUIC_MORE, /* an Initial; the name has not come yet */
    QUIC_NAME, /* `host` is set */
    QUIC_NAMELESS, /* a ClientHello without a usable server_name */
};

/** Before the first datagram of a flow. */
void quic_hello_init(struct quic_hello *h);
/** One UDP payload, all its coalesced packets. `host` is canonical. */
enum quic_result quic_hello_add(
    struct quic_hello *h, const uint8_t *datagram, size_t len, char host[static HOSTNAME_MAX + 1]);

/** Whether `datagram` begins as a client's first one does: long header, fixed bit, type Initial of version 1
 * or 2. */
bool quic_is_initial(const uint8_t *datagram, size_t len);

#endif
