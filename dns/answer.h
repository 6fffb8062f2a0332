/** \file
 * What an upstream's message says about the one name and type that it was asked for. Pure.
 *
 * Nothing of the message is passed on as it stands: the chain of aliases is followed from the asked name, the
 * records at its end are decompressed and written anew into a body (dns/reply.h), everything else is left
 * out.
 */
#ifndef EGRESS_DNS_ANSWER_H
#define EGRESS_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/reply.h"
#include "dns/wire.h"

/** Aliases in a row, over all messages of one question. */
#define CNAME_CHAIN_MAX 16

struct answer_ask {
    uint16_t id, qtype;
    const struct dns_name *name; /* lower case */
};

enum answer_match {
    ANSWER_FOREIGN, /* not the answer to this question: ignore it, the real one may still come */
    ANSWER_TRUNCATED, /* ask again over TCP */
    ANSWER_OURS,
};

/** Looks at header and question only: ID, QR, opcode, one question, its name, type and class (RFC 5452 9.1).
 * `*rcode` is set for ANSWER_OURS. */
enum answer_match answer_match(const uint8_t *msg, size_t len, const struct answer_ask *ask, unsigned *rcode);

/** Gathers over one or more messages: a chain of aliases may need further questions. */
struct answer {
    struct dns_name owner; /* end of the chain so far: what to ask next */
    struct dns_body *body;
    uint32_t ttl; /* least of all records used; seconds */
    uint8_t rcode;
    bool ad; /* every message had AD */
    bool negative; /* no records of the type: NXDOMAIN or no data */
    bool has_soa;
    uint8_t n_cnames;
    uint16_t n_private, n_never; /* addresses left out by the rebinding guard */
};

/** Before the first message: `name` is what was asked; `body` gets what may be passed on, and must outlive
 * `a`. */
void answer_init(struct answer *a, struct dns_body *body, const struct dns_name *name);

/** `allow_private`: addresses that are not global may stay (never those of addr_is_never()). Returns 0, or
 * -EBADMSG for a message that breaks the protocol. */
int answer_read(struct answer *a, const uint8_t *msg, size_t len, uint16_t qtype, bool allow_private);

/** The chain ends at a name that the message said nothing about: ask for `owner`. */
bool answer_unfinished(const struct answer *a);

#endif
