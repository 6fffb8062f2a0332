/** \file
 * Answers kept until their time is over: a hash table bounded in octets, oldest out first but for what was
 * used since (second chance). Keys are names in lower-case wire form and a type. Times are CLOCK_MONOTONIC
 * seconds, passed in; an entry whose time is over stays for `stale` seconds more, for when no upstream
 * answers (RFC 8767). Pure.
 */
#ifndef EGRESS_DNS_CACHE_H
#define EGRESS_DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/reply.h"

struct route;
struct cache;

#define CACHE_LEASED_MASK 0xfffffffu

/** Ordered by size without gaps: a host name with an address has about as many octets again. */
struct cache_entry {
    struct cache_entry *chain; /* the cache's own, as is what is marked so below */
    struct cache_entry *newer, *older;
    const struct route *route; /* that allowed the question */
    uint32_t hash; /* the cache's */
    uint32_t made, expires, stale_until; /* seconds */
    uint32_t leases : 4, leased : 28; /* how often its addresses were leased within the second `leased`;
                                       * its lower bits: eight years */
    uint16_t qtype;
    uint16_t len, addr_at; /* struct body_view, like the next */
    uint8_t an, ns, n_addr;
    uint8_t rcode : 4, dnssec : 4; /* enum dnssec_state */
    uint8_t reason; /* enum reason; what the answer was denied for */
    uint8_t ede; /* of a bogus answer */
    uint8_t name_len;
    bool ad : 1;
    bool used : 1; /* the cache's: asked for since it was put there or last spared */
    bool fetching : 1; /* a refresh is under way */
    uint8_t data[]; /* the TTLs' offsets, body, name */
};

/** NULL: no memory. `seed` is random. */
struct cache *cache_new(size_t limit_bytes, uint64_t seed);
void cache_free(struct cache *c);
size_t cache_bytes(const struct cache *c);
size_t cache_count(const struct cache *c);

struct cache_key {
    const uint8_t *name;
    uint8_t name_len;
    uint16_t qtype;
};

/** The entry for a key, in time or stale; NULL. It lives until the next cache_put(). */
struct cache_entry *cache_get(struct cache *c, const struct cache_key *k, uint32_t now);

struct cache_value {
    const struct route *route;
    const struct body_view *body;
    uint32_t ttl, stale; /* seconds */
    uint8_t rcode, reason;
    uint8_t dnssec, ede;
    bool ad;
};
/** Replaces what the key had. NULL: larger than the cache, or no memory. */
struct cache_entry *cache_put(
    struct cache *c, const struct cache_key *k, const struct cache_value *v, uint32_t now);

/** What the entry holds; valid until the cache changes. */
struct body_view cache_body(const struct cache_entry *e);

#endif
