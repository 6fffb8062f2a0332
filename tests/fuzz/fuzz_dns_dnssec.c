/* Messages to the validator, one after the other, with every signature taken for a good one: what is judged
 * after that is foreign, too. Work and memory must stay bounded. */
#include <stdint.h>
#include <stdlib.h>

#include "dns/dnssec_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
ldns_status ldns_verify_rrsig_time(ldns_rr_list *set, ldns_rr *sig, ldns_rr *key, time_t t);

static unsigned verified;

/* In place of ldns's. An odd last octet of the signature is a bad one. */
ldns_status ldns_verify_rrsig_time(ldns_rr_list *set, ldns_rr *sig, ldns_rr *key, time_t t)
{
    const ldns_rdf *octets = ldns_rr_rdf(sig, 8);

    (void)key;
    (void)t;
    verified++;
    if (ldns_rr_list_rr_count(set) == 0)
        abort();
    return octets != NULL && ldns_rdf_size(octets) > 0 &&
                   (ldns_rdf_data(octets)[ldns_rdf_size(octets) - 1] & 1)
               ? LDNS_STATUS_CRYPTO_BOGUS
               : LDNS_STATUS_OK;
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* A zone whose keys match the first signatures of the message. */
static void trust(struct dnssec *d, const struct dns_name *name)
{
    struct zone *z = trust_put(d, name, TRUST_ZONE, EDE_NONE, 1000);
    struct ldns_struct_rr *rr = NULL;

    check(z != NULL);
    z->keys = calloc(KEYS_MAX, sizeof *z->keys);
    for (unsigned i = 0; i < d->n_all && z->n_keys < KEYS_MAX; i++) {
        const uint8_t *p = d->msg + d->index[i].rdata;
        if (d->index[i].type != TYPE_RRSIG || d->index[i].rdlen < 18)
            continue;
        check(ldns_rr_new_frm_str(&rr, ". DNSKEY 257 3 13 AAAA", 0, NULL, NULL) == LDNS_STATUS_OK);
        z->keys[z->n_keys++] =
            (struct zone_key){.tag = (uint16_t)(p[16] << 8 | p[17]), .algorithm = p[2], .rr = rr};
    }
}

static void trust_signers(struct dnssec *d, const struct dns_name *asked)
{
    struct dns_name signer;

    for (unsigned i = 0; i <= name_labels(asked); i++) {
        struct dns_name at = name_suffix(asked, i);
        if (i == 0)
            trust(d, &at);
        else
            (void)trust_put(d, &at, TRUST_INSIDE, EDE_NONE, 1000);
    }
    for (unsigned i = 0; i < d->n_all; i++)
        if (d->index[i].type == TYPE_RRSIG && d->index[i].rdlen > 18 &&
            name_plain(d->msg + d->index[i].rdata + 18, d->index[i].rdlen - 18u, &signer) != 0 &&
            name_within(asked, &signer))
            trust(d, &signer);
}

static void one(struct dnssec *d, const uint8_t *p, size_t len, unsigned what)
{
    const struct dnssec_clock t = {.now = 1000, .wall = 1800000000};
    struct dnssec_verdict v;
    struct wire_in w = {.p = p, .len = len, .at = DNS_HEADER};
    struct dns_name name;

    if (len < DNS_HEADER)
        return;
    wire_name(&w, &name);
    uint16_t type = wire_u16(&w);
    if (w.bad)
        return;
    dns_name_lower(&name);
    d->t = t;
    if ((what & 1) && set_index(d, p, len))
        trust_signers(d, &name);
    verified = 0;
    if (what & 2)
        dnssec_learn(d, p, len, &name, type, &t);
    dnssec_check(d, p, len, &name, type, &t, &v);
    check(verified <= 2 * VERIFICATIONS_MAX && d->hashes <= NSEC3_HASHES_MAX);
    check(v.state >= DNSSEC_SECURE && v.state <= DNSSEC_NEED);
    check(v.state != DNSSEC_SECURE || v.ttl <= v.valid);
    check(v.state != DNSSEC_NEED || v.need.len > 0);
    check(dnssec_count(d) <= ZONES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct dnssec *d = dnssec_new(&anchors_public, 1);

    while (d != NULL && len > 3) {
        size_t n = (size_t)data[1] << 8 | data[2];
        n = n < len - 3 ? n : len - 3;
        one(d, data + 3, n, data[0]);
        data += 3 + n;
        len -= 3 + n;
    }
    dnssec_free(d);
    return 0;
}
