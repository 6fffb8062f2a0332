/** \file
 * The one canonical form of a host name: what is judged, dialled, minted, logged.
 *
 * Lower-case ASCII LDH labels (and '_'), no trailing dot, 1 to 253 octets, labels of 1 to 63 (RFC 1035 2.3.4,
 * RFC 5890). U-labels and fullwidth forms are turned into A-labels by libidn2 (UTS #46, non-transitional)
 * where the caller is a policy file; on the wire only A-labels are names.
 */
#ifndef EGRESS_LIB_HOSTNAME_H
#define EGRESS_LIB_HOSTNAME_H

#include "lib/addr.h"

#define HOSTNAME_MAX 253

enum host_kind {
    HOST_BAD, /* not a host: refuse it */
    HOST_NAME, /* `out` holds the canonical name */
    HOST_IP, /* an address literal in any notation a resolver would take: dotted, hex, octal, short, v6, [v6]
              */
};

/** Pure. `ip` may be NULL; it is set for HOST_IP, and `out` then holds the address's canonical text (no
 * brackets). One trailing dot is dropped. What ends in a numeric label (decimal, or 0x and hex) is HOST_IP
 * where inet_aton() or the WHATWG URL parser read an address, else HOST_BAD; never HOST_NAME. Canonical text
 * is a fixed point. */
enum host_kind host_canon(const char *in, size_t len, char out[static HOSTNAME_MAX + 1], struct addr *ip);

/** "host[:port]" as in Host and :authority (RFC 9110 7.2; no userinfo; IPv6 only in brackets). `*port` is 0
 * where none is given; a port of 0 or with leading zeros is HOST_BAD. */
enum host_kind host_port_canon(
    const char *in, size_t len, char out[static HOSTNAME_MAX + 1], struct addr *ip, uint16_t *port);

/** Single-label names and those under special-use top levels (RFC 6761, 6762, 7686, 8375, 9476 and ICANN's
 * private-use one): alt, arpa, internal, invalid, local, localhost, onion; `test` and `example` are NOT among
 * them. Such a name is never minted for; whether it is asked upstream is a matter of a route that names it.
 * `canonical` as by host_canon(). */
bool host_is_special(const char *canonical);

#endif
