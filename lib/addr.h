/** \file
 * One address type for IPv4 and IPv6: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
 */
#ifndef EGRESS_LIB_ADDR_H
#define EGRESS_LIB_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sockaddr;
struct sockaddr_storage;

struct addr {
    uint8_t b[16];
};

struct endpoint {
    struct addr addr;
    uint16_t port; /* host order */
};

/** Room for the longest textual form and its NUL. */
#define ADDR_STRLEN 46

/** From four octets in network order. */
struct addr addr_v4(const uint8_t b[static 4]);
bool addr_is_v4(const struct addr *a);
static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/** Strict textual form only (inet_pton): no octal, no short forms. False where it is not one. */
bool addr_parse(const char *s, struct addr *out);
/** "IP", "IP:PORT", "[IP6]:PORT". `port` is what a missing port means. */
bool endpoint_parse(const char *s, uint16_t port, struct endpoint *out);
/** Canonical text (RFC 5952; IPv4 dotted). Returns `out`. */
char *addr_format(const struct addr *a, char out[static ADDR_STRLEN]);

/** False: neither AF_INET nor AF_INET6. */
bool addr_from_sockaddr(const struct sockaddr *sa, struct endpoint *out);
/** Writes AF_INET for an IPv4 address. Returns the length to give to the kernel. */
unsigned addr_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out);

/** Globally routable by the IANA special-purpose registries (RFC 6890), looking through v4-mapped, NAT64
 * (64:ff9b::/96), 6to4 and Teredo to the IPv4 address inside. Multicast, documentation, benchmarking, CGNAT,
 * link-local, ULA, site-local, local-use NAT64 (64:ff9b:1::/48) and reserved ranges are not. */
bool addr_is_global(const struct addr *a);

/** Loopback, unspecified, 0.0.0.0/8, multicast, broadcast, link-local (169.254.169.254 among them) and the
 * clouds' IPv6 metadata addresses, in every embedded form: never dialled, whatever a route says. */
bool addr_is_never(const struct addr *a);

#endif
