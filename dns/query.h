/** \file
 * What a client asks, out of its message. Pure.
 */
#ifndef EGRESS_DNS_QUERY_H
#define EGRESS_DNS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/proto.h"

/** Why a message is not a question that can be judged; the RCODE to answer with follows from it. */
enum query_fault {
    QUERY_OK,
    QUERY_JUNK, /* not a query at all (too short, or an answer): nothing can be sent back */
    QUERY_FORMERR,
    QUERY_NOTIMP, /* an opcode other than QUERY */
    QUERY_BADVERS, /* EDNS version (RFC 6891 6.1.3) */
};

struct dns_query {
    uint16_t id, flags;
    uint16_t qtype, qclass;
    uint16_t question_len; /* octets at `question`, as asked; 0: there is none to give back */
    uint16_t udp_size; /* what the client takes, at least 512 */
    uint8_t name_len;
    bool edns, dnssec_ok;
    const uint8_t *question; /* into the message */
    uint8_t name[DNS_NAME_MAX]; /* lower case, wire form */
};

/** Reads one whole message: exactly one question with an uncompressed name, no records but at most one OPT,
 * nothing after them. `q` is filled as far as it could be read; `name_len` is 0 where there is no name. */
enum query_fault query_parse(const uint8_t *msg, size_t len, struct dns_query *q);

/** A name as a key: equal for equal octets, different from start to start. */
uint64_t dns_name_hash(const uint8_t *name, size_t len, uint16_t qtype, uint64_t seed);

#endif
