/* What is known of zones, from the root downwards. */
#include <openssl/evp.h>

#include "dns/dnssec_internal.h"
#include "dns/query.h"
#include "lib/base.h"

/* What is learned holds at least so long that the question it was needed for gets its answer, and at most a
 * day. */
#define TRUST_TTL_MIN 5
#define TRUST_TTL_MAX 86400

bool trust_algorithm(uint8_t algorithm)
{
    switch (algorithm) {
    case LDNS_RSASHA1:
    case LDNS_RSASHA1_NSEC3:
    case LDNS_RSASHA256:
    case LDNS_RSASHA512:
    case LDNS_ECDSAP256SHA256:
    case LDNS_ECDSAP384SHA384:
    case LDNS_ED25519:
    case LDNS_ED448: return true;
    default: return false;
    }
}

bool trust_digest(uint8_t type)
{
    return type == LDNS_SHA1 || type == LDNS_SHA256 || type == LDNS_SHA384;
}

static uint64_t hash_of(const struct dnssec *d, const struct dns_name *name)
{
    return dns_name_hash(name->b, name->len, 0, d->seed);
}

static void zone_free(struct zone *z)
{
    for (unsigned i = 0; i < z->n_keys; i++)
        ldns_rr_free(z->keys[i].rr);
    free(z->keys);
    free(z->ds);
    free(z);
}

static void forget(struct dnssec *d, struct zone *z)
{
    struct zone **p = &d->buckets[z->hash % ZONE_BUCKETS], *before = NULL;

    while (*p != z)
        p = &(*p)->chain;
    *p = z->chain;
    for (struct zone *o = d->oldest; o != z; o = o->newer)
        before = o;
    if (before != NULL)
        before->newer = z->newer;
    else
        d->oldest = z->newer;
    if (d->newest == z)
        d->newest = before;
    d->n--;
    zone_free(z);
}

struct zone *trust_find(struct dnssec *d, const struct dns_name *name)
{
    uint64_t hash = hash_of(d, name);

    for (struct zone *z = d->buckets[hash % ZONE_BUCKETS]; z != NULL; z = z->chain) {
        if (z->hash != hash || !name_same(&z->name, name))
            continue;
        if (z->expires > d->t.now)
            return z;
        forget(d, z);
        return NULL;
    }
    return NULL;
}

struct zone *trust_put(struct dnssec *d, const struct dns_name *name, enum trust trust, int ede, uint32_t ttl)
{
    struct zone *z = trust_find(d, name);

    if (z != NULL)
        forget(d, z);
    if (d->n >= ZONES_MAX) /* the root is needed for all else; it goes round when its time is over */
        forget(d, d->oldest->name.len == 1 && d->oldest->newer != NULL ? d->oldest->newer : d->oldest);
    z = calloc(1, sizeof *z);
    if (z == NULL)
        return NULL;
    z->hash = hash_of(d, name);
    z->trust = trust;
    z->ede = ede;
    z->expires = d->t.now + MAX(MIN(ttl, (uint32_t)TRUST_TTL_MAX), (uint32_t)TRUST_TTL_MIN);
    z->name = *name;
    z->chain = d->buckets[z->hash % ZONE_BUCKETS];
    d->buckets[z->hash % ZONE_BUCKETS] = z;
    if (d->newest != NULL)
        d->newest->newer = z;
    else
        d->oldest = z;
    d->newest = z;
    d->n++;
    return z;
}

static void need(struct set_verdict *out, const struct dns_name *name, uint16_t type)
{
    out->state = DNSSEC_NEED;
    out->need = *name;
    out->need_type = type;
}

void dnssec_leave_alone(struct dnssec *d, const char *const *names, size_t n)
{
    d->alone = names;
    d->n_alone = n;
}

static bool is_left_alone(const struct dnssec *d, const struct dns_name *name)
{
    struct dns_name top;

    for (size_t i = 0; i < d->n_alone; i++) {
        dns_name_from_host(d->alone[i], &top);
        if (name_within(name, &top))
            return true;
    }
    return false;
}

void trust_walk(struct dnssec *d, const struct dns_name *name, struct set_verdict *out)
{
    unsigned labels = name_labels(name);

    *out = (struct set_verdict){.ede = EDE_NONE, .ttl = UINT32_MAX, .valid = UINT32_MAX};
    if (is_left_alone(d, name)) {
        out->state = DNSSEC_INSECURE;
        return;
    }
    for (unsigned i = 0; i <= labels; i++) {
        struct dns_name at = name_suffix(name, i);
        const struct zone *z = trust_find(d, &at);
        if (z == NULL || z->trust == TRUST_DS) {
            need(out, &at, z != NULL || i == 0 ? TYPE_DNSKEY : TYPE_DS);
            return;
        }
        if (z->trust == TRUST_INSECURE || z->trust == TRUST_BOGUS) {
            out->state = z->trust == TRUST_BOGUS ? DNSSEC_BOGUS : DNSSEC_INSECURE;
            out->ede = z->ede;
            return;
        }
        if (z->trust == TRUST_ZONE)
            out->zone = z;
    }
    out->state = out->zone != NULL ? DNSSEC_SECURE : DNSSEC_BOGUS;
}

struct dnssec *dnssec_new(const struct anchors *anchors, uint64_t seed)
{
    struct dnssec *d = calloc(1, sizeof *d);
    unsigned char out[EVP_MAX_MD_SIZE];

    if (d == NULL)
        return NULL;
    d->seed = seed;
    d->anchors = anchors;
    (void)EVP_Digest("", 0, out, NULL, EVP_sha1(), NULL); /* has libcrypto read its configuration */
    return d;
}

void dnssec_free(struct dnssec *d)
{
    while (d != NULL && d->oldest != NULL)
        forget(d, d->oldest);
    free(d);
}

size_t dnssec_count(const struct dnssec *d)
{
    return d->n;
}
