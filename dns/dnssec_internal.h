/** \file
 * What the files dnssec*.c share.
 */
#ifndef EGRESS_DNS_DNSSEC_INTERNAL_H
#define EGRESS_DNS_DNSSEC_INTERNAL_H

#include <ldns/ldns.h>

#include "dns/dnssec.h"
#include "dns/record.h"

#define ZONES_MAX 512
#define ZONE_BUCKETS 256u
/** Keys of one zone that are kept. A zone with more is bogus: none needs them, but an attacker does. */
#define KEYS_MAX 16
#define DS_MAX 16
/** Records of a message's answer and authority sections. */
#define INDEX_MAX 256
/** Records of one set. */
#define SET_MAX 100
/** Signatures tried over one message, and keys tried for one signature. */
#define VERIFICATIONS_MAX 40
#define FAILURES_MAX 8
#define KEYS_TRIED_MAX 4
/** RFC 9276 3.2: more iterations than this make the proof worth nothing, and the zone insecure. */
#define NSEC3_ITERATIONS_MAX 50
#define NSEC3_HASHES_MAX 32
#define DENIALS_MAX 8 /* NSEC or NSEC3 records of one message that are looked at */
#define NSEC3_HASH_LEN 20 /* SHA-1, the only one there is */

enum trust {
    TRUST_DS, /* a signed zone whose keys are not known yet */
    TRUST_ZONE,
    TRUST_INSIDE, /* no zone of its own: its parent's keys hold */
    TRUST_INSECURE, /* from here on down nothing is signed */
    TRUST_BOGUS,
};

struct zone_key {
    uint16_t tag;
    uint8_t algorithm;
    ldns_rr *rr;
};

struct zone {
    struct zone *chain, *newer;
    uint64_t hash;
    enum trust trust;
    int ede;
    uint32_t expires; /* monotonic seconds */
    uint16_t n_keys, n_ds;
    struct zone_key *keys;
    struct ds *ds;
    struct dns_name name; /* lower case */
};

/** One record of the message in hand; owner and RDATA stay where they are. */
struct indexed {
    size_t owner, rdata; /* offsets in the message */
    uint32_t ttl;
    uint16_t type, rdlen;
};

struct dnssec {
    struct zone *buckets[ZONE_BUCKETS];
    struct zone *oldest, *newest;
    size_t n;
    uint64_t seed;
    const struct anchors *anchors;
    const char *const *alone; /* canonical host names */
    size_t n_alone;
    /* Of the message in hand. */
    const uint8_t *msg;
    size_t len;
    struct dnssec_clock t;
    struct indexed index[INDEX_MAX];
    unsigned n_answer, n_all; /* the answer's records come first */
    unsigned rcode;
    bool dry; /* only looks for what is not known: no cryptography */
    unsigned verifications, failures, hashes;
    uint8_t scratch[DNS_NAME_MAX + 10 + 16384];
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY };

/** Where a set stands, and whose keys signed it. */
struct set_verdict {
    enum dnssec_state state;
    int ede;
    uint32_t ttl, valid;
    const struct zone *zone; /* secure: the signer */
    bool expanded; /* from a wildcard: the name itself must be proven not to be there */
    unsigned labels; /* of the wildcard's closest encloser */
    struct dns_name need;
    uint16_t need_type;
};

/* dnssec_trust.c */
struct zone *trust_find(struct dnssec *d, const struct dns_name *name);
/** Replaces what was known. NULL: no memory. The caller fills keys or DS. */
struct zone *trust_put(
    struct dnssec *d, const struct dns_name *name, enum trust trust, int ede, uint32_t ttl);
/** The zone that `name` is in: SECURE with its keys, INSECURE, BOGUS or NEED. */
void trust_walk(struct dnssec *d, const struct dns_name *name, struct set_verdict *out);
bool trust_algorithm(uint8_t algorithm);
bool trust_digest(uint8_t type);

/* dnssec_set.c */
/** Indexes the message. False: it breaks the protocol or a bound. */
bool set_index(struct dnssec *d, const uint8_t *msg, size_t len);
struct dns_name set_owner(const struct dnssec *d, const struct indexed *r);
/** The first record of a set in a section, NULL: none. */
const struct indexed *set_first(
    const struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type);
/** Finds who signed the set of (owner, type) and verifies it. The set must be there. */
void set_check(
    struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type, struct set_verdict *out);
/** The same with the keys of `zone` alone. */
void set_verify(struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type,
    const struct zone *zone, struct set_verdict *out);
/** The signer of the first signature in the authority section that could tell of `name`. */
bool set_denial_signer(
    const struct dnssec *d, const struct dns_name *name, uint16_t type, struct dns_name *out);
ldns_rr *set_record(struct dnssec *d, const struct indexed *r, const struct dns_name *owner);

/* dnssec_deny.c */
enum denial {
    DENIAL_NONE, /* not proven */
    DENIAL_NODATA, /* the name is there, the type is not */
    DENIAL_DELEGATION, /* no DS at a delegation: what is below is not signed */
    DENIAL_NAME, /* the name is not there */
    DENIAL_OPTOUT, /* an unsigned delegation may be there */
    DENIAL_UNUSABLE, /* NSEC3 with parameters that are not to be computed */
};
struct denial_proof {
    enum denial what;
    uint32_t ttl, valid;
};
/** What the authority section proves about a name in `zone`. */
struct denial_proof denial_prove(
    struct dnssec *d, const struct zone *zone, const struct dns_name *name, uint16_t type);
/** That nothing is closer to `name` than the wildcard below the encloser of `labels` labels: DENIAL_NAME,
 * DENIAL_OPTOUT, or nothing. */
struct denial_proof denial_prove_expansion(
    struct dnssec *d, const struct zone *zone, const struct dns_name *name, unsigned labels);

/* dnssec_name.c */
unsigned name_labels(const struct dns_name *n); /* without the root's */
/** The last `labels` labels. */
struct dns_name name_suffix(const struct dns_name *n, unsigned labels);
/** `n` is `top` or below it. Both lower case. */
bool name_within(const struct dns_name *n, const struct dns_name *top);
bool name_same(const struct dns_name *a, const struct dns_name *b); /* both lower case */
/** Canonical order (RFC 4034 6.1): < 0, 0, > 0. Both lower case. */
int name_order(const struct dns_name *a, const struct dns_name *b);
/** How many labels both end with. */
unsigned name_common(const struct dns_name *a, const struct dns_name *b);
/** "*." and `n`. False: too long. */
bool name_wildcard(const struct dns_name *n, struct dns_name *out);
/** A name without compression at the start of RDATA, lower case. Octets taken; 0: it is broken. */
size_t name_plain(const uint8_t *p, size_t len, struct dns_name *out);

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
