/** \file
 * DNSSEC: is what an upstream says signed by whom the root says may sign it? (RFC 4033-4035, 5155, 6840)
 *
 * A validator holds what is known of zones: keys of signed ones, where signatures end, and what did not hold
 * up. dnssec_check() judges one message by that alone. Where something is not known yet, it says which
 * question is needed (DS or DNSKEY of a name at or above those in the message); its answer goes to
 * dnssec_learn(), and the message is checked again. Needs come from the root downwards, so each answer can be
 * judged when it comes. Pure: no sockets, no clock.
 *
 * Messages are walked by our own code (dns/record.h); only the records of a set whose signature is to be
 * verified are handed to ldns, decompressed and one by one. Work is bounded for each message: records,
 * signatures tried, keys with one tag (CVE-2023-50387), hashes of NSEC3 (CVE-2023-50868, RFC 9276).
 */
#ifndef EGRESS_DNS_DNSSEC_H
#define EGRESS_DNS_DNSSEC_H

#include "dns/anchor.h"
#include "dns/wire.h"

struct dnssec;

enum dnssec_state {
    DNSSEC_OFF, /* not looked at */
    DNSSEC_SECURE, /* signed, all the way from the root */
    DNSSEC_INSECURE, /* proven to come from a zone that is not signed, or in a way that nobody can verify */
    DNSSEC_BOGUS, /* signatures are missing or do not hold */
    DNSSEC_NEED, /* cannot be said before `need` is learned */
};

struct dnssec_clock {
    uint32_t now; /* CLOCK_MONOTONIC seconds: the validator's own memory */
    int64_t wall; /* seconds since 1970: signatures' validity */
};

struct dnssec_verdict {
    enum dnssec_state state;
    int ede; /* RFC 8914: why it is bogus, or why a signed zone counts as insecure; EDE_NONE */
    uint32_t ttl; /* secure: no longer than the signatures and their original TTLs allow; seconds */
    uint32_t valid; /* secure: seconds until the first of the signatures ends */
    struct dns_name need;
    uint16_t need_type;
};

/** NULL: no memory. Before the sandbox: it has libcrypto load what it needs. */
struct dnssec *dnssec_new(const struct anchors *anchors, uint64_t seed);
void dnssec_free(struct dnssec *d);
/** Nothing at and below these names is expected to be signed: zones that the public root does not know. The
 * names stay the caller's. */
void dnssec_leave_alone(struct dnssec *d, const char *const *names, size_t n);
/** Zones that something is known of. */
size_t dnssec_count(const struct dnssec *d);

/** Judges the message that answers for `name` (lower case) and `type`, and the aliases that it follows. */
void dnssec_check(struct dnssec *d, const uint8_t *msg, size_t len, const struct dns_name *name,
    uint16_t type, const struct dnssec_clock *t, struct dnssec_verdict *out);

/** The message that answers a need. What it says is remembered, be it that the zone is bogus. */
void dnssec_learn(struct dnssec *d, const uint8_t *msg, size_t len, const struct dns_name *name,
    uint16_t type, const struct dnssec_clock *t);

/** "secure"...; NULL for DNSSEC_OFF and DNSSEC_NEED. */
const char *dnssec_state_text(enum dnssec_state s);

#endif
