/** \file
 * What one IP packet says of itself: addresses, transport, ports, and whether it is of a kind that never
 * passes. Pure.
 *
 * RFC 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 792 and 4443 (ICMP).
 */
#ifndef EGRESS_APPLIANCE_PACKET_H
#define EGRESS_APPLIANCE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/** IANA protocol numbers, by the names of netinet/in.h (which a parser does without). */
enum packet_protocol {
    PROTO_HOPOPTS = 0,
    PROTO_ICMP = 1,
    PROTO_IGMP = 2,
    PROTO_IPIP = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_DCCP = 33,
    PROTO_IPV6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_ESP = 50,
    PROTO_AH = 51,
    PROTO_ICMPV6 = 58,
    PROTO_NONE = 59,
    PROTO_DSTOPTS = 60,
    PROTO_SCTP = 132,
    PROTO_MH = 135,
    PROTO_UDPLITE = 136,
    PROTO_RAW = 255,
};

/** Why a packet is none that a route could mean; bits. */
#define PACKET_BROKEN 0x1u /* lengths or versions that do not add up */
#define PACKET_FRAGMENT 0x2u
#define PACKET_OPTIONS 0x4u /* IPv4 options, IPv6 extension headers */
#define PACKET_FLAGS 0x8u /* TCP, and not an opening SYN (ECN bits aside) */
#define PACKET_DATA 0x10u /* TCP: octets ride on the SYN (Fast Open) */

/** Flags of the TCP header's 14th octet. */
#define TCP_FIN 0x01u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_ACK 0x10u

struct packet {
    struct addr src, dst;
    uint8_t version; /* 4 or 6; 0: not IP, and nothing else is set */
    uint8_t protocol; /* PROTO_*: the transport, or the header at which reading ended */
    uint8_t tcp_flags;
    uint8_t icmp_type, icmp_code;
    uint16_t sport, dport; /* host order; 0 where there are none */
    unsigned odd; /* PACKET_ bits */
    const uint8_t *payload; /* behind the transport header, inside the caller's octets */
    size_t payload_len; /* what was captured of it */
};

/** Reads `len` octets, of a packet that was `total` octets long before it was cut (>= len). Never fails: what
 * cannot be read is PACKET_BROKEN, with as many fields set as could be. */
void packet_parse(const uint8_t *p, size_t len, size_t total, struct packet *out);

/** "tcp", "udp", "icmp", "gre"...; NULL for a number without a usual name. */
const char *packet_protocol_name(uint8_t protocol);

#endif
