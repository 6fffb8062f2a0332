#include "appliance/packet.h"

#include <string.h>

#define IPV4_HEADER 20u
#define IPV6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define ICMP_HEADER 8u

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void parse_tcp(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    if (len < TCP_HEADER) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    out->sport = be16(p);
    out->dport = be16(p + 2);
    out->tcp_flags = p[13];
    const size_t header = (size_t)(p[12] >> 4) * 4;
    if (header < TCP_HEADER || header > total) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    if ((out->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) != TCP_SYN)
        out->odd |= PACKET_FLAGS;
    else if (total > header)
        out->odd |= PACKET_DATA;
    if (header <= len) {
        out->payload = p + header;
        out->payload_len = len - header;
    }
}

static void parse_udp(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    if (len < UDP_HEADER) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    out->sport = be16(p);
    out->dport = be16(p + 2);
    const size_t length = be16(p + 4);
    /* RFC 768: header and data. Octets beside it would travel unseen. */
    if (length != total) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    out->payload = p + UDP_HEADER;
    out->payload_len = len - UDP_HEADER;
}

static void parse_icmp(const uint8_t *p, size_t len, struct packet *out)
{
    if (len < ICMP_HEADER) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    out->icmp_type = p[0];
    out->icmp_code = p[1];
    out->payload = p + ICMP_HEADER;
    out->payload_len = len - ICMP_HEADER;
}

static void parse_transport(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    switch (out->protocol) {
    case PROTO_TCP: parse_tcp(p, len, total, out); break;
    case PROTO_UDP: parse_udp(p, len, total, out); break;
    case PROTO_ICMP:
        if (out->version == 4)
            parse_icmp(p, len, out);
        break;
    case PROTO_ICMPV6:
        if (out->version == 6)
            parse_icmp(p, len, out);
        break;
    default: break;
    }
}

static void parse_v4(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    if (len < IPV4_HEADER) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    out->src = addr_v4(p + 12);
    out->dst = addr_v4(p + 16);
    out->protocol = p[9];
    const size_t header = (size_t)(p[0] & 0x0f) * 4, length = be16(p + 2);
    if (header < IPV4_HEADER || length < header || length > total || header > len) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    if (header > IPV4_HEADER)
        out->odd |= PACKET_OPTIONS;
    const uint16_t frag = be16(p + 6);
    if (frag & 0xbfff) /* more fragments, an offset, or the reserved bit */
        out->odd |= PACKET_FRAGMENT;
    if (frag & 0x1fff)
        return; /* the transport header is in another one */
    parse_transport(p + header, (length < len ? length : len) - header, length - header, out);
}

static void parse_v6(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    if (len < IPV6_HEADER) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    memcpy(out->src.b, p + 8, sizeof out->src.b);
    memcpy(out->dst.b, p + 24, sizeof out->dst.b);
    out->protocol = p[6];
    const size_t length = IPV6_HEADER + be16(p + 4);
    if (length > total) {
        out->odd |= PACKET_BROKEN;
        return;
    }
    switch (out->protocol) {
    case PROTO_FRAGMENT: out->odd |= PACKET_FRAGMENT; return;
    case PROTO_HOPOPTS:
    case PROTO_ROUTING:
    case PROTO_DSTOPTS:
    case PROTO_AH:
    case PROTO_NONE:
    case PROTO_MH: out->odd |= PACKET_OPTIONS; return;
    default: break;
    }
    parse_transport(p + IPV6_HEADER, (length < len ? length : len) - IPV6_HEADER, length - IPV6_HEADER, out);
}

void packet_parse(const uint8_t *p, size_t len, size_t total, struct packet *out)
{
    memset(out, 0, sizeof *out);
    const unsigned version = len ? p[0] >> 4 : 0;
    if (version != 4 && version != 6) {
        out->odd = PACKET_BROKEN;
        return;
    }
    out->version = (uint8_t)version;
    if (version == 4)
        parse_v4(p, len, total, out);
    else
        parse_v6(p, len, total, out);
}

const char *packet_protocol_name(uint8_t protocol)
{
    switch (protocol) {
    case PROTO_HOPOPTS: return "hopopt";
    case PROTO_ICMP: return "icmp";
    case PROTO_IGMP: return "igmp";
    case PROTO_IPIP: return "ipip";
    case PROTO_TCP: return "tcp";
    case PROTO_UDP: return "udp";
    case PROTO_DCCP: return "dccp";
    case PROTO_IPV6: return "ipv6";
    case PROTO_ROUTING: return "ipv6-route";
    case PROTO_FRAGMENT: return "ipv6-frag";
    case PROTO_GRE: return "gre";
    case PROTO_ESP: return "esp";
    case PROTO_AH: return "ah";
    case PROTO_ICMPV6: return "icmpv6";
    case PROTO_NONE: return "ipv6-nonxt";
    case PROTO_DSTOPTS: return "ipv6-opts";
    case PROTO_SCTP: return "sctp";
    case PROTO_UDPLITE: return "udplite";
    case PROTO_RAW: return "raw";
    default: return NULL;
    }
}
