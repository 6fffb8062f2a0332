/** \file
 * Numbers and names of the DNS protocol that more than one file here needs (RFC 1035, 6891, 8914; IANA
 * registries).
 */
#ifndef EGRESS_DNS_PROTO_H
#define EGRESS_DNS_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12 /* octets (RFC 1035 4.1.1) */
#define DNS_NAME_MAX 255 /* octets of a name on the wire, its root label included */
#define DNS_LABEL_MAX 63
/** A name in presentation form, every octet escaped, and a NUL. */
#define DNS_TEXT_MAX (4 * DNS_NAME_MAX + 1)

/** What fits in one packet on every path (dnsflagday.net/2020): our own EDNS buffer size, both ways. */
#define DNS_UDP_MAX 1232
#define DNS_UDP_PLAIN 512 /* without EDNS (RFC 1035 4.2.1) */

enum dns_flag {
    DNS_QR = 0x8000,
    DNS_AA = 0x0400,
    DNS_TC = 0x0200,
    DNS_RD = 0x0100,
    DNS_RA = 0x0080,
    DNS_AD = 0x0020,
    DNS_CD = 0x0010,
};
#define DNS_OPCODE(flags) (((flags) >> 11) & 15u)
#define DNS_RCODE(flags) ((flags)&15u)

enum dns_rcode {
    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    RCODE_BADVERS = 16,
};

enum dns_type {
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_HINFO = 13,
    TYPE_MX = 15,
    TYPE_TXT = 16,
    TYPE_RP = 17,
    TYPE_AFSDB = 18,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    TYPE_NAPTR = 35,
    TYPE_KX = 36,
    TYPE_DNAME = 39,
    TYPE_OPT = 41,
    TYPE_DS = 43,
    TYPE_RRSIG = 46,
    TYPE_NSEC = 47,
    TYPE_DNSKEY = 48,
    TYPE_NSEC3 = 50,
    TYPE_SVCB = 64,
    TYPE_HTTPS = 65,
    TYPE_META_FIRST = 128, /* RFC 6895 3.1: 128..255 ask for something other than a record type */
    TYPE_IXFR = 251,
    TYPE_AXFR = 252,
    TYPE_ANY = 255,
};

#define CLASS_IN 1

/** Extended errors (RFC 8914). */
enum dns_ede {
    EDE_NONE = -1,
    EDE_KEY_ALGORITHM = 1, /* of every key that could have been used */
    EDE_DS_DIGEST = 2,
    EDE_STALE = 3,
    EDE_BOGUS = 6,
    EDE_EXPIRED = 7,
    EDE_NOT_YET = 8,
    EDE_NO_DNSKEY = 9,
    EDE_NO_RRSIG = 10,
    EDE_NO_NSEC = 12,
    EDE_BLOCKED = 15,
    EDE_NO_REACHABLE = 22,
    EDE_NETWORK = 23,
    EDE_NSEC3_ITERATIONS = 27,
};

#define DNS_TYPE_TEXT 10 /* "TYPE65535" */

/** Mnemonic, or "TYPE123" (RFC 3597) in `buf`. */
const char *dns_type_text(uint16_t type, char buf[static DNS_TYPE_TEXT]);
/** "NOERROR"..., "RCODE11" for those without a name. */
const char *dns_rcode_text(unsigned rcode);

#endif
