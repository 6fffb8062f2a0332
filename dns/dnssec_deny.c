/* What is not there, and the proof of it: NSEC (RFC 4035 5.4) and NSEC3 (RFC 5155 8). */
#include <openssl/evp.h>

#include "dns/dnssec_internal.h"
#include "lib/base.h"

#define OPTOUT 1

struct nsec {
    struct dns_name owner, next;
    const uint8_t *bits;
    size_t n_bits;
};

struct nsec3 {
    uint8_t hash[NSEC3_HASH_LEN], next[NSEC3_HASH_LEN];
    const uint8_t *bits;
    size_t n_bits;
    bool optout;
};

/* The verified records of one message. */
struct denials {
    const struct zone *zone;
    unsigned n_nsec, n_nsec3;
    struct nsec nsec[DENIALS_MAX];
    struct nsec3 nsec3[DENIALS_MAX];
    const uint8_t *salt;
    uint8_t salt_len;
    uint16_t iterations;
    bool unusable;
    uint32_t ttl, valid;
};

static bool has_type(const uint8_t *bits, size_t n, uint16_t type)
{
    while (n >= 2 && bits[1] <= 32 && n - 2 >= bits[1]) {
        size_t len = bits[1], octet = (type & 255u) / 8;
        if (bits[0] == type >> 8)
            return octet < len && (bits[2 + octet] & 0x80u >> (type & 7u)) != 0;
        bits += 2 + len;
        n -= 2 + len;
    }
    return false;
}

/* The upper side of a zone cut, which knows of NS and DS only. */
static bool is_delegation(const uint8_t *bits, size_t n)
{
    return has_type(bits, n, TYPE_NS) && !has_type(bits, n, TYPE_SOA);
}

/* A record of the very name: does it say that the type is not there? */
static enum denial judge_bits(const uint8_t *bits, size_t n, const struct dns_name *name, uint16_t type)
{
    if (has_type(bits, n, type) || has_type(bits, n, TYPE_CNAME))
        return DENIAL_NONE;
    if (type != TYPE_DS)
        return is_delegation(bits, n) ? DENIAL_NONE : DENIAL_NODATA;
    if (name->len > 1 && has_type(bits, n, TYPE_SOA))
        return DENIAL_NONE; /* of the zone itself, not of the one above */
    return has_type(bits, n, TYPE_NS) ? DENIAL_DELEGATION : DENIAL_NODATA;
}

static int base32hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

static bool owner_hash(const struct dns_name *owner, uint8_t out[static NSEC3_HASH_LEN])
{
    uint64_t bits = 0;
    unsigned n = 0, at = 0;

    if (owner->b[0] != 32)
        return false;
    for (unsigned i = 1; i <= 32; i++) {
        int v = base32hex(owner->b[i]);
        if (v < 0)
            return false;
        bits = bits << 5 | (unsigned)v;
        for (n += 5; n >= 8; n -= 8)
            out[at++] = (uint8_t)(bits >> (n - 8));
    }
    return true;
}

static void add_nsec(struct denials *x, const uint8_t *rdata, size_t len, const struct dns_name *owner)
{
    struct nsec *n = &x->nsec[x->n_nsec];
    size_t used = name_plain(rdata, len, &n->next);

    if (used == 0 || !name_within(&n->next, &x->zone->name))
        return;
    n->owner = *owner;
    n->bits = rdata + used;
    n->n_bits = len - used;
    x->n_nsec++;
}

static void add_nsec3(struct denials *x, const uint8_t *rdata, size_t len, const struct dns_name *owner)
{
    struct wire_in w = {.p = rdata, .len = len};
    struct nsec3 *n = &x->nsec3[x->n_nsec3];
    uint8_t algorithm = wire_u8(&w), flags = wire_u8(&w);
    uint16_t iterations = wire_u16(&w);
    uint8_t salt_len = wire_u8(&w);
    const uint8_t *salt = wire_skip(&w, salt_len);
    uint8_t hash_len = wire_u8(&w);
    const uint8_t *next = wire_skip(&w, hash_len);
    struct dns_name parent = name_suffix(owner, name_labels(owner) - 1);

    if (w.bad || algorithm != 1 || hash_len != NSEC3_HASH_LEN || !owner_hash(owner, n->hash) ||
        !name_same(&parent, &x->zone->name))
        return;
    if (x->n_nsec3 == 0) {
        x->salt = salt;
        x->salt_len = salt_len;
        x->iterations = iterations;
        x->unusable = iterations > NSEC3_ITERATIONS_MAX;
    } else if (salt_len != x->salt_len || iterations != x->iterations ||
               memcmp(salt, x->salt, salt_len) != 0) {
        return;
    }
    memcpy(n->next, next, sizeof n->next);
    n->optout = (flags & OPTOUT) != 0;
    n->bits = rdata + w.at;
    n->n_bits = len - w.at;
    x->n_nsec3++;
}

/* All that is signed by the zone's keys, as it stands: a denial that is expanded from a wildcard would tell
 * of any name (CVE-2017-15105). */
static void gather(struct dnssec *d, const struct zone *zone, struct denials *x)
{
    struct set_verdict v;
    unsigned looked_at = 0;

    *x = (struct denials){.zone = zone, .ttl = UINT32_MAX, .valid = UINT32_MAX};
    for (unsigned i = d->n_answer; i < d->n_all; i++) {
        const struct indexed *r = &d->index[i];
        if (r->type != TYPE_NSEC && r->type != TYPE_NSEC3)
            continue;
        if (looked_at++ >= DENIALS_MAX)
            break;
        struct dns_name owner = set_owner(d, r);
        if (!name_within(&owner, &zone->name) || set_first(d, SECTION_AUTHORITY, &owner, r->type) != r)
            continue;
        set_verify(d, SECTION_AUTHORITY, &owner, r->type, zone, &v);
        if (v.state != DNSSEC_SECURE || v.expanded)
            continue;
        x->ttl = min_u32(x->ttl, v.ttl);
        x->valid = min_u32(x->valid, v.valid);
        if (r->type == TYPE_NSEC)
            add_nsec(x, d->msg + r->rdata, r->rdlen, &owner);
        else if (owner.len > 33)
            add_nsec3(x, d->msg + r->rdata, r->rdlen, &owner);
    }
}

/* ---- NSEC */

/* `n` says that nothing is between its owner and the next name, and `name` is. Names below a zone cut or a
 * DNAME are not its to deny (RFC 6840 4.1). */
static bool covers(const struct denials *x, const struct nsec *n, const struct dns_name *name)
{
    if (name_order(&n->owner, name) >= 0 ||
        (name_order(name, &n->next) >= 0 && !name_same(&n->next, &x->zone->name)))
        return false;
    return !(name_within(name, &n->owner) &&
             (is_delegation(n->bits, n->n_bits) || has_type(n->bits, n->n_bits, TYPE_DNAME)));
}

static const struct nsec *covering(const struct denials *x, const struct dns_name *name)
{
    for (unsigned i = 0; i < x->n_nsec; i++)
        if (covers(x, &x->nsec[i], name))
            return &x->nsec[i];
    return NULL;
}

static const struct nsec *of_name(const struct denials *x, const struct dns_name *name)
{
    for (unsigned i = 0; i < x->n_nsec; i++)
        if (name_same(&x->nsec[i].owner, name))
            return &x->nsec[i];
    return NULL;
}

static unsigned encloser(const struct nsec *n, const struct dns_name *name)
{
    return MAX(name_common(&n->owner, name), name_common(&n->next, name));
}

static enum denial prove_nsec(const struct denials *x, const struct dns_name *name, uint16_t type)
{
    const struct nsec *n = of_name(x, name);
    struct dns_name wildcard;

    if (n != NULL)
        return judge_bits(n->bits, n->n_bits, name, type);
    n = covering(x, name);
    if (n == NULL)
        return DENIAL_NONE;
    if (name_within(&n->next, name))
        return DENIAL_NODATA; /* nothing but names below it */
    struct dns_name top = name_suffix(name, encloser(n, name));
    if (!name_wildcard(&top, &wildcard))
        return DENIAL_NAME;
    if ((n = of_name(x, &wildcard)) != NULL)
        return judge_bits(n->bits, n->n_bits, name, type);
    return covering(x, &wildcard) != NULL ? DENIAL_NAME : DENIAL_NONE;
}

/* ---- NSEC3 */

static bool hash_name(struct dnssec *d, const struct denials *x, const struct dns_name *name,
    uint8_t out[static NSEC3_HASH_LEN])
{
    uint8_t in[DNS_NAME_MAX + 255];
    unsigned char md[EVP_MAX_MD_SIZE];

    if (d->hashes == NSEC3_HASHES_MAX)
        return false;
    d->hashes++;
    memcpy(in, name->b, name->len);
    if (x->salt_len > 0)
        memcpy(in + name->len, x->salt, x->salt_len);
    size_t len = (size_t)name->len + x->salt_len;
    for (unsigned i = 0; i <= x->iterations; i++) {
        if (EVP_Digest(in, len, md, NULL, EVP_sha1(), NULL) != 1)
            return false;
        memcpy(in, md, NSEC3_HASH_LEN);
        if (x->salt_len > 0)
            memcpy(in + NSEC3_HASH_LEN, x->salt, x->salt_len);
        len = NSEC3_HASH_LEN + (size_t)x->salt_len;
    }
    memcpy(out, md, NSEC3_HASH_LEN);
    return true;
}

static const struct nsec3 *of_hash(struct dnssec *d, const struct denials *x, const struct dns_name *name)
{
    uint8_t h[NSEC3_HASH_LEN];

    if (!hash_name(d, x, name, h))
        return NULL;
    for (unsigned i = 0; i < x->n_nsec3; i++)
        if (memcmp(x->nsec3[i].hash, h, sizeof h) == 0)
            return &x->nsec3[i];
    return NULL;
}

static const struct nsec3 *covering_hash(
    struct dnssec *d, const struct denials *x, const struct dns_name *name)
{
    uint8_t h[NSEC3_HASH_LEN];

    if (!hash_name(d, x, name, h))
        return NULL;
    for (unsigned i = 0; i < x->n_nsec3; i++) {
        const struct nsec3 *n = &x->nsec3[i];
        bool above = memcmp(n->hash, h, sizeof h) < 0, below = memcmp(h, n->next, sizeof h) < 0;
        bool last = memcmp(n->hash, n->next, sizeof h) >= 0; /* round the end */
        if (last ? above || below : above && below)
            return n;
    }
    return NULL;
}

/* The longest part of `name` that is there, in labels; -1: not proven. `*next` proves that what is one label
 * longer is not (RFC 5155 8.3). */
static int encloser3(
    struct dnssec *d, const struct denials *x, const struct dns_name *name, const struct nsec3 **next)
{
    unsigned apex = name_labels(&x->zone->name), labels = name_labels(name);

    for (unsigned i = labels; i-- > apex;) {
        struct dns_name at = name_suffix(name, i);
        const struct nsec3 *n = of_hash(d, x, &at);
        if (n == NULL)
            continue;
        if (is_delegation(n->bits, n->n_bits) || has_type(n->bits, n->n_bits, TYPE_DNAME))
            return -1;
        struct dns_name closer = name_suffix(name, i + 1);
        *next = covering_hash(d, x, &closer);
        return *next != NULL ? (int)i : -1;
    }
    return -1;
}

static enum denial prove_nsec3(
    struct dnssec *d, const struct denials *x, const struct dns_name *name, uint16_t type)
{
    const struct nsec3 *n = of_hash(d, x, name), *next = NULL;
    struct dns_name wildcard;

    if (n != NULL)
        return judge_bits(n->bits, n->n_bits, name, type);
    int labels = encloser3(d, x, name, &next);
    if (labels < 0)
        return DENIAL_NONE;
    if (type == TYPE_DS && next->optout)
        return DENIAL_OPTOUT;
    struct dns_name top = name_suffix(name, (unsigned)labels);
    if (!name_wildcard(&top, &wildcard))
        return DENIAL_NAME;
    if ((n = of_hash(d, x, &wildcard)) != NULL) {
        enum denial what = judge_bits(n->bits, n->n_bits, name, type);
        return what == DENIAL_NODATA && next->optout ? DENIAL_OPTOUT : what;
    }
    if (covering_hash(d, x, &wildcard) == NULL)
        return DENIAL_NONE;
    return next->optout ? DENIAL_OPTOUT : DENIAL_NAME;
}

/* ---- both */

struct denial_proof denial_prove(
    struct dnssec *d, const struct zone *zone, const struct dns_name *name, uint16_t type)
{
    struct denials x;
    enum denial what = DENIAL_NONE;

    gather(d, zone, &x);
    if (x.n_nsec > 0)
        what = prove_nsec(&x, name, type);
    if (what == DENIAL_NONE && x.n_nsec3 > 0)
        what = x.unusable ? DENIAL_UNUSABLE : prove_nsec3(d, &x, name, type);
    return (struct denial_proof){.what = what, .ttl = x.ttl, .valid = x.valid};
}

struct denial_proof denial_prove_expansion(
    struct dnssec *d, const struct zone *zone, const struct dns_name *name, unsigned labels)
{
    struct denials x;
    enum denial what = DENIAL_NONE;

    gather(d, zone, &x);
    const struct nsec *n = covering(&x, name);
    if (n != NULL && encloser(n, name) == labels)
        what = DENIAL_NAME;
    if (what == DENIAL_NONE && x.unusable) {
        what = DENIAL_UNUSABLE;
    } else if (what == DENIAL_NONE && x.n_nsec3 > 0) {
        struct dns_name closer = name_suffix(name, labels + 1);
        const struct nsec3 *next = covering_hash(d, &x, &closer);
        if (next != NULL)
            what = next->optout ? DENIAL_OPTOUT : DENIAL_NAME;
    }
    return (struct denial_proof){.what = what, .ttl = x.ttl, .valid = x.valid};
}
