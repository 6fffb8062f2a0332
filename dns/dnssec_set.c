/* Sets of records out of one message, and the signatures over them. */
#include "dns/dnssec_internal.h"
#include "lib/base.h"

struct signature {
    uint16_t covered, tag;
    uint8_t algorithm, labels;
    uint32_t ttl, expires, begins;
    struct dns_name signer;
};

bool set_index(struct dnssec *d, const uint8_t *msg, size_t len)
{
    struct wire_in w = {.p = msg, .len = len};
    struct record r;

    (void)wire_u16(&w);
    d->rcode = DNS_RCODE(wire_u16(&w));
    unsigned qd = wire_u16(&w), an = wire_u16(&w), ns = wire_u16(&w);
    (void)wire_u16(&w);
    d->msg = msg;
    d->len = len;
    d->n_answer = an;
    d->n_all = an + ns;
    if (w.bad || qd > 1 || d->n_all > INDEX_MAX)
        return false;
    if (qd == 1) {
        wire_skip_name(&w);
        (void)wire_u32(&w);
    }
    for (unsigned i = 0; i < d->n_all; i++) {
        size_t owner = w.at;
        record_read(&w, &r);
        d->index[i] = (struct indexed){
            .owner = owner, .rdata = r.rdata, .ttl = r.ttl, .type = r.type, .rdlen = r.rdlen};
    }
    return !w.bad;
}

struct dns_name set_owner(const struct dnssec *d, const struct indexed *r)
{
    struct wire_in w = {.p = d->msg, .len = d->len, .at = r->owner};
    struct dns_name name;

    wire_name(&w, &name);
    dns_name_lower(&name);
    return name;
}

static bool is_of(
    const struct dnssec *d, const struct indexed *r, const struct dns_name *owner, uint16_t type)
{
    if (r->type != type)
        return false;
    struct dns_name name = set_owner(d, r);
    return name_same(&name, owner);
}

static unsigned begin(const struct dnssec *d, enum section s)
{
    return s == SECTION_ANSWER ? 0 : d->n_answer;
}

static unsigned end(const struct dnssec *d, enum section s)
{
    return s == SECTION_ANSWER ? d->n_answer : d->n_all;
}

const struct indexed *set_first(
    const struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type)
{
    for (unsigned i = begin(d, s); i < end(d, s); i++)
        if (is_of(d, &d->index[i], owner, type))
            return &d->index[i];
    return NULL;
}

static bool read_signature(const struct dnssec *d, const struct indexed *r, struct signature *out)
{
    struct wire_in w = {.p = d->msg + r->rdata, .len = r->rdlen};

    out->covered = wire_u16(&w);
    out->algorithm = wire_u8(&w);
    out->labels = wire_u8(&w);
    out->ttl = wire_u32(&w);
    out->expires = wire_u32(&w);
    out->begins = wire_u32(&w);
    out->tag = wire_u16(&w);
    return !w.bad && name_plain(w.p + w.at, w.len - w.at, &out->signer) != 0;
}

ldns_rr *set_record(struct dnssec *d, const struct indexed *r, const struct dns_name *owner)
{
    const struct record rec = {.type = r->type, .rdlen = r->rdlen, .rdata = r->rdata};
    struct wire_out w = {.p = d->scratch, .cap = sizeof d->scratch};
    bool bad = false;
    ldns_rr *rr = NULL;
    size_t pos = 0;

    wire_put(&w, owner->b, owner->len);
    wire_put_u16(&w, r->type);
    wire_put_u16(&w, CLASS_IN);
    wire_put_u32(&w, r->ttl);
    size_t at = w.at;
    wire_put_u16(&w, 0);
    size_t total = record_expand(d->msg, d->len, &rec, &w, &bad);
    if (bad || total - at - 2 > UINT16_MAX)
        return NULL;
    d->scratch[at] = (uint8_t)((total - at - 2) >> 8);
    d->scratch[at + 1] = (uint8_t)(total - at - 2);
    if (ldns_wire2rr(&rr, d->scratch, total, &pos, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
        return NULL;
    if (pos == total)
        return rr;
    ldns_rr_free(rr);
    return NULL;
}

static ldns_rr_list *collect(
    struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type, uint32_t *ttl)
{
    ldns_rr_list *list = ldns_rr_list_new();

    for (unsigned i = begin(d, s); list != NULL && i < end(d, s); i++) {
        if (!is_of(d, &d->index[i], owner, type))
            continue;
        ldns_rr *rr = set_record(d, &d->index[i], owner);
        if (rr == NULL || ldns_rr_list_rr_count(list) >= SET_MAX || !ldns_rr_list_push_rr(list, rr)) {
            ldns_rr_free(rr);
            ldns_rr_list_deep_free(list);
            return NULL;
        }
        *ttl = min_u32(*ttl, d->index[i].ttl);
    }
    return list;
}

/* One signature against the zone's keys with its tag. */
static bool try_keys(struct dnssec *d, ldns_rr_list *set, const struct indexed *sig_at,
    const struct signature *sig, const struct dns_name *owner, const struct zone *zone, int *ede)
{
    unsigned tried = 0;
    bool good = false;
    ldns_rr *rr = set_record(d, sig_at, owner);

    for (unsigned i = 0; rr != NULL && i < zone->n_keys && !good; i++) {
        if (zone->keys[i].tag != sig->tag || zone->keys[i].algorithm != sig->algorithm)
            continue;
        if (tried++ >= KEYS_TRIED_MAX || d->failures >= FAILURES_MAX ||
            d->verifications++ >= VERIFICATIONS_MAX)
            break;
        *ede = EDE_BOGUS;
        good = ldns_verify_rrsig_time(set, rr, zone->keys[i].rr, (time_t)d->t.wall) == LDNS_STATUS_OK;
        d->failures += !good;
    }
    ldns_rr_free(rr);
    return good;
}

static void take(struct set_verdict *out, const struct signature *sig, const struct zone *zone,
    unsigned labels, uint32_t ttl, uint32_t wall)
{
    out->state = DNSSEC_SECURE;
    out->ede = EDE_NONE;
    out->zone = zone;
    out->valid = sig->expires - wall;
    out->ttl = min_u32(min_u32(ttl, sig->ttl), out->valid);
    out->expanded = sig->labels < labels;
    out->labels = sig->labels;
}

void set_verify(struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type,
    const struct zone *zone, struct set_verdict *out)
{
    unsigned labels = name_labels(owner) - (owner->len > 2 && owner->b[0] == 1 && owner->b[1] == '*');
    uint32_t ttl = UINT32_MAX, wall = (uint32_t)d->t.wall;
    struct signature sig;

    *out = (struct set_verdict){.state = DNSSEC_BOGUS, .ede = EDE_NO_RRSIG};
    if (d->dry) {
        out->state = DNSSEC_SECURE;
        out->zone = zone;
        return;
    }
    ldns_rr_list *set = collect(d, s, owner, type, &ttl);
    for (unsigned i = begin(d, s); set != NULL && out->state == DNSSEC_BOGUS && i < end(d, s); i++) {
        if (!is_of(d, &d->index[i], owner, TYPE_RRSIG) || !read_signature(d, &d->index[i], &sig) ||
            sig.covered != type || sig.labels > labels || !name_same(&sig.signer, &zone->name))
            continue;
        if ((int32_t)(sig.expires - wall) < 0)
            out->ede = EDE_EXPIRED;
        else if ((int32_t)(wall - sig.begins) < 0)
            out->ede = EDE_NOT_YET;
        else if (out->ede = EDE_NO_DNSKEY, try_keys(d, set, &d->index[i], &sig, owner, zone, &out->ede))
            take(out, &sig, zone, labels, ttl, wall);
    }
    ldns_rr_list_deep_free(set);
}

/* May `signer` speak for `name`? A DS belongs to the zone above. */
static bool may_sign(const struct dns_name *signer, const struct dns_name *name, uint16_t type)
{
    return name_within(name, signer) && !(type == TYPE_DS && name_same(signer, name) && name->len > 1);
}

void set_check(
    struct dnssec *d, enum section s, const struct dns_name *owner, uint16_t type, struct set_verdict *out)
{
    struct signature sig;

    for (unsigned i = begin(d, s); i < end(d, s); i++) {
        if (!is_of(d, &d->index[i], owner, TYPE_RRSIG) || !read_signature(d, &d->index[i], &sig) ||
            sig.covered != type || !may_sign(&sig.signer, owner, type))
            continue;
        trust_walk(d, &sig.signer, out);
        if (out->state != DNSSEC_SECURE)
            return;
        if (name_same(&out->zone->name, &sig.signer)) {
            set_verify(d, s, owner, type, out->zone, out);
        } else {
            out->state = DNSSEC_BOGUS;
            out->ede = EDE_BOGUS;
        }
        return;
    }
    trust_walk(d, owner, out);
    if (out->state == DNSSEC_SECURE) {
        out->state = DNSSEC_BOGUS;
        out->ede = EDE_NO_RRSIG;
    }
}

bool set_denial_signer(
    const struct dnssec *d, const struct dns_name *name, uint16_t type, struct dns_name *out)
{
    struct signature sig;

    for (unsigned i = d->n_answer; i < d->n_all; i++) {
        if (d->index[i].type != TYPE_RRSIG || !read_signature(d, &d->index[i], &sig))
            continue;
        if ((sig.covered == TYPE_NSEC || sig.covered == TYPE_NSEC3 || sig.covered == TYPE_SOA) &&
            may_sign(&sig.signer, name, type)) {
            *out = sig.signer;
            return true;
        }
    }
    return false;
}
