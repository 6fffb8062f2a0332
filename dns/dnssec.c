/* One message: its chain of aliases, what is at the end of it, and what is not. */
#include "dns/dnssec.h"

#include <openssl/evp.h>

#include "dns/answer.h"
#include "dns/dnssec_internal.h"
#include "lib/base.h"

/* How long what did not hold up is taken for granted (RFC 4035 4.7), and what cannot be verified. */
#define BOGUS_TTL 30
#define INSECURE_TTL 3600
/* Octets of an RSA key's exponent, and of a DNSKEY with a modulus of 4096 bits. */
#define RSA_EXPONENT_MAX 5
#define KEY_RDATA_MAX (4 + 1 + RSA_EXPONENT_MAX + 512)

const char *dnssec_state_text(enum dnssec_state s)
{
    static const char *const text[] = {
        [DNSSEC_SECURE] = "secure", [DNSSEC_INSECURE] = "insecure", [DNSSEC_BOGUS] = "bogus"};

    return s < ARRAY_LEN(text) ? text[s] : NULL;
}

/* The worst of all parts: bogus, not known, insecure, secure. */
static void join(struct dnssec_verdict *out, const struct set_verdict *v)
{
    static const uint8_t rank[] = {
        [DNSSEC_SECURE] = 1, [DNSSEC_INSECURE] = 2, [DNSSEC_NEED] = 3, [DNSSEC_BOGUS] = 4};

    if (rank[v->state] > rank[out->state]) {
        out->state = v->state;
        out->ede = v->ede;
        out->need = v->need;
        out->need_type = v->need_type;
    }
    if (v->state == DNSSEC_SECURE) {
        out->ttl = min_u32(out->ttl, v->ttl);
        out->valid = min_u32(out->valid, v->valid);
    }
}

/* What a proof makes of a set or of a missing one. `wanted` was to be proven. */
static void join_proof(
    struct dnssec_verdict *out, const struct denial_proof *p, enum denial wanted, const struct zone *zone)
{
    struct set_verdict v = {
        .state = DNSSEC_SECURE, .ede = EDE_NONE, .ttl = p->ttl, .valid = p->valid, .zone = zone};

    if (p->what == DENIAL_OPTOUT || p->what == DENIAL_UNUSABLE) {
        v.state = DNSSEC_INSECURE;
        v.ede = p->what == DENIAL_UNUSABLE ? EDE_NSEC3_ITERATIONS : EDE_NONE;
    } else if (p->what != wanted && !(wanted == DENIAL_NODATA && p->what == DENIAL_DELEGATION)) {
        v.state = DNSSEC_BOGUS;
        v.ede = EDE_NO_NSEC;
    }
    join(out, &v);
}

static void check_set(
    struct dnssec *d, const struct dns_name *owner, uint16_t type, struct dnssec_verdict *out)
{
    struct set_verdict v;

    set_check(d, SECTION_ANSWER, owner, type, &v);
    join(out, &v);
    if (!d->dry && v.state == DNSSEC_SECURE && v.expanded) {
        struct denial_proof p = denial_prove_expansion(d, v.zone, owner, v.labels);
        join_proof(out, &p, DENIAL_NAME, v.zone);
    }
}

static bool has_signature(const struct dnssec *d, const struct dns_name *owner, uint16_t type)
{
    for (unsigned i = 0; i < d->n_answer; i++) {
        const struct indexed *r = &d->index[i];
        if (r->type != TYPE_RRSIG || r->rdlen < 2 || (d->msg[r->rdata] << 8 | d->msg[r->rdata + 1]) != type)
            continue;
        struct dns_name name = set_owner(d, r);
        if (name_same(&name, owner))
            return true;
    }
    return false;
}

/* An alias that a DNAME stands for is not signed itself (RFC 6672 5.3.1). */
static const struct indexed *dname_above(
    const struct dnssec *d, const struct dns_name *name, struct dns_name *owner)
{
    for (unsigned i = 0; i < d->n_answer; i++) {
        if (d->index[i].type != TYPE_DNAME)
            continue;
        *owner = set_owner(d, &d->index[i]);
        if (name_within(name, owner) && !name_same(name, owner))
            return &d->index[i];
    }
    return NULL;
}

static bool read_target(const struct dnssec *d, const struct indexed *r, struct dns_name *out)
{
    struct wire_in w = {.p = d->msg, .len = d->len, .at = r->rdata};

    wire_name(&w, out);
    dns_name_lower(out);
    return !w.bad && w.at == r->rdata + r->rdlen;
}

static bool dname_gives(const struct dnssec *d, const struct indexed *dname, const struct dns_name *owner,
    const struct dns_name *name, const struct dns_name *target)
{
    struct dns_name to;
    size_t kept = (size_t)name->len - owner->len;

    return read_target(d, dname, &to) && kept + to.len == target->len &&
           memcmp(target->b, name->b, kept) == 0 && memcmp(target->b + kept, to.b, to.len) == 0;
}

static void bogus(struct dnssec_verdict *out, int ede)
{
    join(out, &(struct set_verdict){.state = DNSSEC_BOGUS, .ede = ede});
}

/* Follows the first alias as answer_read() does. False: there is none. */
static bool check_alias(struct dnssec *d, struct dns_name *name, struct dnssec_verdict *out)
{
    const struct indexed *cname = set_first(d, SECTION_ANSWER, name, TYPE_CNAME), *dname;
    struct dns_name target, owner;

    if (cname == NULL)
        return false;
    if (!read_target(d, cname, &target)) {
        bogus(out, EDE_BOGUS);
        return false;
    }
    if (!has_signature(d, name, TYPE_CNAME) && (dname = dname_above(d, name, &owner)) != NULL) {
        check_set(d, &owner, TYPE_DNAME, out);
        if (!dname_gives(d, dname, &owner, name, &target))
            bogus(out, EDE_BOGUS);
    } else {
        check_set(d, name, TYPE_CNAME, out);
    }
    *name = target;
    return true;
}

/* Nothing of the type is there, and the message says whose word that is. */
static void check_denial(
    struct dnssec *d, const struct dns_name *name, uint16_t type, struct dnssec_verdict *out)
{
    struct set_verdict v;
    struct dns_name signer;
    bool is_signed = set_denial_signer(d, name, type, &signer);

    trust_walk(d, is_signed ? &signer : name, &v);
    if (v.state == DNSSEC_SECURE && is_signed && name_same(&v.zone->name, &signer)) {
        if (!d->dry) {
            const struct zone *zone = v.zone;
            struct denial_proof p = denial_prove(d, zone, name, type);
            join_proof(out, &p, d->rcode == RCODE_NXDOMAIN ? DENIAL_NAME : DENIAL_NODATA, zone);
            if (set_first(d, SECTION_AUTHORITY, &signer, TYPE_SOA) != NULL) {
                set_verify(d, SECTION_AUTHORITY, &signer, TYPE_SOA, zone, &v);
                join(out, &v);
            }
        }
        return;
    }
    if (v.state == DNSSEC_SECURE) {
        v.state = DNSSEC_BOGUS;
        v.ede = is_signed ? EDE_BOGUS : EDE_NO_NSEC;
    }
    join(out, &v);
}

static bool has_soa(const struct dnssec *d)
{
    for (unsigned i = d->n_answer; i < d->n_all; i++)
        if (d->index[i].type == TYPE_SOA)
            return true;
    return false;
}

static void begin(struct dnssec *d, const struct dnssec_clock *t)
{
    d->t = *t;
    d->verifications = d->failures = d->hashes = 0;
    d->dry = false;
}

static void check_once(
    struct dnssec *d, const struct dns_name *asked, uint16_t type, struct dnssec_verdict *out)
{
    struct dns_name name = *asked;
    unsigned aliases = 0;

    *out = (struct dnssec_verdict){
        .state = DNSSEC_SECURE, .ede = EDE_NONE, .ttl = UINT32_MAX, .valid = UINT32_MAX};
    while (type != TYPE_CNAME && aliases <= CNAME_CHAIN_MAX && check_alias(d, &name, out))
        aliases++;
    if (aliases > CNAME_CHAIN_MAX)
        bogus(out, EDE_BOGUS);
    else if (type == TYPE_CNAME && check_alias(d, &name, out))
        return;
    else if (set_first(d, SECTION_ANSWER, &name, type) != NULL)
        check_set(d, &name, type, out);
    else if (aliases == 0 || d->rcode != RCODE_NOERROR || has_soa(d))
        check_denial(d, &name, type, out); /* else the chain goes on in another message */
}

void dnssec_check(struct dnssec *d, const uint8_t *msg, size_t len, const struct dns_name *name,
    uint16_t type, const struct dnssec_clock *t, struct dnssec_verdict *out)
{
    begin(d, t);
    if (!set_index(d, msg, len)) {
        *out = (struct dnssec_verdict){.state = DNSSEC_BOGUS, .ede = EDE_BOGUS};
        return;
    }
    /* What is not known yet is looked for first, so that nothing is verified more than once. */
    d->dry = true;
    check_once(d, name, type, out);
    d->dry = false;
    if (out->state == DNSSEC_SECURE || out->state == DNSSEC_INSECURE)
        check_once(d, name, type, out);
}

/* ---- what was needed */

static size_t usable_ds(const struct ds *in, size_t n, struct ds out[static DS_MAX])
{
    size_t count = 0;
    bool sha2 = false;

    for (size_t i = 0; i < n && count < DS_MAX; i++)
        if (trust_digest(in[i].digest_type) && trust_algorithm(in[i].algorithm)) {
            sha2 |= in[i].digest_type != LDNS_SHA1;
            out[count++] = in[i];
        }
    for (size_t i = 0; sha2 && i < count;) { /* RFC 4509 3 */
        if (out[i].digest_type == LDNS_SHA1)
            out[i] = out[--count];
        else
            i++;
    }
    return count;
}

static bool read_ds(const struct dnssec *d, const struct indexed *r, struct ds *out)
{
    struct wire_in w = {.p = d->msg + r->rdata, .len = r->rdlen};

    *out = (struct ds){0};
    out->tag = wire_u16(&w);
    out->algorithm = wire_u8(&w);
    out->digest_type = wire_u8(&w);
    if (w.bad || w.len - w.at > DIGEST_MAX)
        return false;
    out->digest_len = (uint8_t)(w.len - w.at);
    memcpy(out->digest, w.p + w.at, out->digest_len);
    return true;
}

static void learn_delegation(struct dnssec *d, const struct dns_name *name, uint32_t ttl)
{
    struct ds all[DS_MAX], usable[DS_MAX];
    size_t n = 0;

    for (unsigned i = 0; i < d->n_answer && n < DS_MAX; i++) {
        if (d->index[i].type != TYPE_DS)
            continue;
        struct dns_name owner = set_owner(d, &d->index[i]);
        if (name_same(&owner, name) && read_ds(d, &d->index[i], &all[n]))
            n++;
    }
    size_t count = usable_ds(all, n, usable);
    struct zone *z =
        trust_put(d, name, count > 0 ? TRUST_DS : TRUST_INSECURE, count > 0 ? EDE_NONE : EDE_DS_DIGEST, ttl);
    if (z == NULL || count == 0)
        return;
    z->ds = calloc(count, sizeof *z->ds);
    if (z->ds == NULL) {
        z->trust = TRUST_BOGUS;
        return;
    }
    memcpy(z->ds, usable, count * sizeof *z->ds);
    z->n_ds = (uint16_t)count;
}

static void learn_no_delegation(struct dnssec *d, const struct dns_name *name, const struct zone *zone)
{
    struct denial_proof p = denial_prove(d, zone, name, TYPE_DS);
    uint32_t ttl = min_u32(p.ttl, INSECURE_TTL);

    switch (p.what) {
    case DENIAL_NODATA:
    case DENIAL_NAME: (void)trust_put(d, name, TRUST_INSIDE, EDE_NONE, ttl); break;
    case DENIAL_DELEGATION:
    case DENIAL_OPTOUT: (void)trust_put(d, name, TRUST_INSECURE, EDE_NONE, ttl); break;
    case DENIAL_UNUSABLE: (void)trust_put(d, name, TRUST_INSECURE, EDE_NSEC3_ITERATIONS, ttl); break;
    case DENIAL_NONE: (void)trust_put(d, name, TRUST_BOGUS, EDE_NO_NSEC, BOGUS_TTL); break;
    }
}

/* The answer to a question for DS, out of the zone above. */
static void learn_ds(struct dnssec *d, const struct dns_name *name)
{
    struct dns_name parent = name_suffix(name, name_labels(name) - 1), at = *name;
    struct set_verdict above, v;
    struct dnssec_verdict alias = {.state = DNSSEC_SECURE, .ttl = UINT32_MAX, .valid = UINT32_MAX};

    trust_walk(d, &parent, &above);
    if (above.state != DNSSEC_SECURE)
        return; /* no longer what it was when the question went out: it comes again */
    if (set_first(d, SECTION_ANSWER, name, TYPE_DS) != NULL) {
        set_verify(d, SECTION_ANSWER, name, TYPE_DS, above.zone, &v);
        if (v.state == DNSSEC_SECURE && !v.expanded)
            learn_delegation(d, name, v.ttl);
        else
            (void)trust_put(d, name, TRUST_BOGUS, v.ede != EDE_NONE ? v.ede : EDE_BOGUS, BOGUS_TTL);
    } else if (check_alias(d, &at, &alias)) {
        if (alias.state == DNSSEC_SECURE)
            (void)trust_put(d, name, TRUST_INSIDE, EDE_NONE, alias.ttl);
        else
            (void)trust_put(d, name, TRUST_BOGUS, EDE_BOGUS, BOGUS_TTL);
    } else {
        learn_no_delegation(d, name, above.zone);
    }
}

/* A key of a set, as far as it can be used at all (RFC 4034 2.1, RFC 5011 2.1). RSA with an exponent or a
 * modulus that no zone needs takes its time to verify. */
static bool usable_key(const struct dnssec *d, const struct indexed *r, struct zone_key *out)
{
    const uint8_t *p = d->msg + r->rdata;

    if (r->rdlen < 5 || r->rdlen > KEY_RDATA_MAX || !(p[0] & 1) || (p[1] & 0x80) || p[2] != 3 ||
        !trust_algorithm(p[3]))
        return false;
    if (p[3] <= LDNS_RSASHA512 && (p[4] == 0 || p[4] > RSA_EXPONENT_MAX))
        return false;
    *out = (struct zone_key){.tag = ldns_calc_keytag_raw(p, r->rdlen), .algorithm = p[3]};
    return true;
}

static bool digest_is(
    const struct dnssec *d, const struct ds *ds, const struct indexed *r, const struct dns_name *owner)
{
    const EVP_MD *md = ds->digest_type == LDNS_SHA1     ? EVP_sha1()
                       : ds->digest_type == LDNS_SHA256 ? EVP_sha256()
                                                        : EVP_sha384();
    unsigned char out[EVP_MAX_MD_SIZE];
    uint8_t in[DNS_NAME_MAX + KEY_RDATA_MAX];
    unsigned len = 0;

    memcpy(in, owner->b, owner->len);
    memcpy(in + owner->len, d->msg + r->rdata, r->rdlen);
    return EVP_Digest(in, (size_t)owner->len + r->rdlen, out, &len, md, NULL) == 1 && len == ds->digest_len &&
           memcmp(out, ds->digest, len) == 0;
}

/* The set's keys into `z`; `trusted` is those that a DS is the digest of. False: too many. */
static bool collect_keys(struct dnssec *d, const struct dns_name *name, const struct ds *ds, size_t n_ds,
    struct zone *trusted, struct zone *all)
{
    struct zone_key key;
    unsigned digests = 0;

    for (unsigned i = 0; i < d->n_answer; i++) {
        const struct indexed *r = &d->index[i];
        if (r->type != TYPE_DNSKEY)
            continue;
        struct dns_name owner = set_owner(d, r);
        if (!name_same(&owner, name) || !usable_key(d, r, &key))
            continue;
        if (all->n_keys == KEYS_MAX || (key.rr = set_record(d, r, name)) == NULL)
            return false;
        all->keys[all->n_keys++] = key;
        for (size_t k = 0; k < n_ds; k++) {
            if (ds[k].tag != key.tag || ds[k].algorithm != key.algorithm || digests++ >= 2 * KEYS_MAX ||
                !digest_is(d, &ds[k], r, name))
                continue;
            trusted->keys[trusted->n_keys++] = key;
            break;
        }
    }
    return true;
}

/* The answer to a question for DNSKEY: a key that a DS vouches for must sign the set, and then all in it are
 * good. */
static void learn_keys(
    struct dnssec *d, const struct dns_name *name, const struct ds *ds, size_t n_ds, uint32_t ttl_max)
{
    struct zone_key trusted_keys[KEYS_MAX], all_keys[KEYS_MAX];
    struct zone trusted = {.keys = trusted_keys, .name = *name}, all = {.keys = all_keys};
    struct set_verdict v = {.state = DNSSEC_BOGUS, .ede = EDE_NO_DNSKEY};
    struct zone *z = NULL;

    if (collect_keys(d, name, ds, n_ds, &trusted, &all) && trusted.n_keys > 0)
        set_verify(d, SECTION_ANSWER, name, TYPE_DNSKEY, &trusted, &v);
    struct zone_key *kept = v.state == DNSSEC_SECURE ? calloc(all.n_keys, sizeof *kept) : NULL;
    if (kept != NULL)
        z = trust_put(d, name, TRUST_ZONE, EDE_NONE, min_u32(v.ttl, ttl_max));
    else
        (void)trust_put(d, name, TRUST_BOGUS, v.ede, BOGUS_TTL);
    if (z != NULL) {
        memcpy(kept, all.keys, all.n_keys * sizeof *kept);
        z->keys = kept;
        z->n_keys = all.n_keys;
        return;
    }
    free(kept);
    for (unsigned i = 0; i < all.n_keys; i++)
        ldns_rr_free(all.keys[i].rr);
}

void dnssec_learn(struct dnssec *d, const uint8_t *msg, size_t len, const struct dns_name *name,
    uint16_t type, const struct dnssec_clock *t)
{
    struct ds ds[DS_MAX];
    size_t n;

    begin(d, t);
    const struct zone *z = trust_find(d, name);
    if (!set_index(d, msg, len)) {
        (void)trust_put(d, name, TRUST_BOGUS, EDE_BOGUS, BOGUS_TTL);
    } else if (type == TYPE_DS && name->len > 1) {
        learn_ds(d, name);
    } else if (name->len == 1) {
        n = usable_ds(d->anchors->ds, d->anchors->n, ds);
        learn_keys(d, name, ds, n, UINT32_MAX);
    } else if (z != NULL && z->trust == TRUST_DS) {
        n = z->n_ds;
        memcpy(ds, z->ds, n * sizeof *ds);
        learn_keys(d, name, ds, n, z->expires - d->t.now);
    }
}
