/** \file
 * Messages to clients. Pure.
 *
 * The *body* of an answer is what follows the question: its records, with owner names compressed to offsets
 * that hold for every message with a question of this length. It is built once, kept in the cache, and copied
 * into each reply with the TTL that is left.
 */
#ifndef EGRESS_DNS_REPLY_H
#define EGRESS_DNS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/query.h"
#include "dns/wire.h"
#include "lib/addr.h"

/** Records one answer may have; further ones are left out (an address set of that size is a mistake or an
 * attack). */
#define BODY_RECORDS_MAX 64
#define BODY_MAX 8192

struct dns_body {
    uint16_t base; /* offset of the body in its message: header and question */
    uint16_t owner; /* offset of the name that further records belong to */
    uint16_t an, ns; /* records in the answer and authority sections */
    uint16_t n_ttl;
    uint16_t addr_at,
        n_addr; /* first address record, from the body's start, and how many follow it directly */
    uint16_t len;
    bool full; /* something did not fit */
    uint16_t ttl_at[BODY_RECORDS_MAX + 1]; /* from the body's start */
    uint8_t b[BODY_MAX];
};

/** Empty; `qname_len`: octets of the question's name, which records without an owner of their own point to.
 */
void body_init(struct dns_body *b, size_t qname_len);
/** Appends a record of the present owner to the answer section. */
void body_add(struct dns_body *b, uint16_t type, const uint8_t *rdata, size_t len);
void body_add_addr(struct dns_body *b, const struct addr *a);
/** Appends a CNAME; its target becomes the owner of what follows. */
void body_add_cname(struct dns_body *b, const struct dns_name *target);
/** The authority section's SOA (RFC 2308 3), after all others. `owner` as in the upstream's answer. */
void body_add_soa(struct dns_body *b, const struct dns_name *owner, const uint8_t *rdata, size_t len);

/** What an answer holds, wherever it is kept. */
struct body_view {
    const uint8_t *b;
    const uint16_t *ttl_at;
    uint16_t len, an, ns, n_ttl, addr_at, n_addr;
};
struct body_view body_view(const struct dns_body *b);
/** Address `i` of view->n_addr. */
struct addr body_addr(const struct body_view *v, unsigned i);

struct reply {
    unsigned rcode; /* 0..4095 (with EDNS; cut to 15 without) */
    bool ad;
    int ede; /* extended error, EDE_NONE for none; sent where the query had EDNS */
    uint32_t ttl; /* of every record */
    const struct body_view *body; /* NULL: none */
};

/** Writes a reply to `q` of at most `limit` octets; what does not fit is left out and TC set. `out` must hold
 * REPLY_HEAD_MAX octets whatever the limit. Returns its length. */
#define REPLY_HEAD_MAX (DNS_HEADER + DNS_NAME_MAX + 4 + 32)
size_t reply_write(uint8_t *out, size_t limit, const struct dns_query *q, const struct reply *r);
/** What a client takes by UDP. */
size_t reply_udp_limit(const struct dns_query *q);

/** Turns a finished reply into a bare one with another RCODE (0..15): header and question of `question_len`
 * octets. Returns its new length. */
size_t reply_reduce(uint8_t *msg, size_t question_len, unsigned rcode);

#endif
