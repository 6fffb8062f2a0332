/* The validator against zones that the test signs itself, and against those who would have it believe more.
 */
#include <criterion/criterion.h>

#include "dns/dnssec_internal.h"

/* Keys and records of the test's own are left lying; the fuzz target looks for the validator's leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

#define WALL INT64_C(1800000000)
#define DAY 86400

static struct dnssec *d;
static struct anchors anchors;
static ldns_key *root_key, *t_key, *other_key;
static struct dnssec_clock t_now = {.now = 1000, .wall = WALL};
static struct dnssec_verdict v;

struct msg {
    ldns_pkt *pkt;
    uint8_t *wire;
    size_t len;
    struct dns_name name;
    uint16_t type;
};

static ldns_key *new_key(const char *owner)
{
    ldns_key *k = ldns_key_new_frm_algorithm(LDNS_SIGN_ECDSAP256SHA256, 256);

    ldns_key_set_pubkey_owner(k, ldns_dname_new_frm_str(owner));
    ldns_key_set_flags(k, 257);
    ldns_key_set_inception(k, (uint32_t)(WALL - DAY));
    ldns_key_set_expiration(k, (uint32_t)(WALL + DAY));
    ldns_rr *rr = ldns_key2rr(k);
    ldns_key_set_keytag(k, ldns_calc_keytag(rr));
    ldns_rr_free(rr);
    return k;
}

static ldns_rr *rr_of(const char *text)
{
    ldns_rr *rr = NULL;

    cr_assert_eq(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK, "%s", text);
    return rr;
}

/* Signs `set` as `signer` would, be it right or not. */
static ldns_rr *sign(ldns_rr_list *set, ldns_key *key)
{
    ldns_key_list *keys = ldns_key_list_new();

    ldns_key_list_push_key(keys, key);
    ldns_rr_list *sigs = ldns_sign_public(set, keys);
    cr_assert(sigs != NULL && ldns_rr_list_rr_count(sigs) == 1);
    ldns_rr *sig = ldns_rr_list_pop_rr(sigs);
    ldns_rr_list_free(sigs);
    free(keys->_keys);
    free(keys);
    return sig;
}

static struct msg begin(const char *name, uint16_t type)
{
    struct msg m = {.pkt = ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_QR),
        .type = type};
    char host[HOSTNAME_MAX + 2];

    (void)snprintf(host, sizeof host, "%s", name);
    host[strlen(host) - 1] = '\0';
    if (host[0] == '\0')
        m.name = (struct dns_name){.len = 1};
    else
        dns_name_from_host(host, &m.name);
    return m;
}

/* Records of one set, ended by NULL, and their signature where there is a key. */
static void add(struct msg *m, ldns_pkt_section s, ldns_key *key, const char *first, ...)
{
    ldns_rr_list *set = ldns_rr_list_new();
    va_list ap;

    va_start(ap, first);
    for (const char *text = first; text != NULL; text = va_arg(ap, const char *))
        ldns_rr_list_push_rr(set, rr_of(text));
    va_end(ap);
    if (key != NULL)
        ldns_pkt_push_rr(m->pkt, s, sign(set, key));
    while (ldns_rr_list_rr_count(set) > 0)
        ldns_pkt_push_rr(m->pkt, s, ldns_rr_list_pop_rr(set));
    ldns_rr_list_free(set);
}
#define ANSWER(m, key, ...) add(m, LDNS_SECTION_ANSWER, key, __VA_ARGS__, NULL)
#define AUTHORITY(m, key, ...) add(m, LDNS_SECTION_AUTHORITY, key, __VA_ARGS__, NULL)
#define SOA_T "t. 300 IN SOA ns.t. root.t. 1 2 3 4 300"

static void finish(struct msg *m)
{
    cr_assert_eq(ldns_pkt2wire(&m->wire, m->pkt, &m->len), LDNS_STATUS_OK);
    ldns_pkt_free(m->pkt);
}

static enum dnssec_state check(struct msg m)
{
    finish(&m);
    dnssec_check(d, m.wire, m.len, &m.name, m.type, &t_now, &v);
    free(m.wire);
    return v.state;
}

static void learn(struct msg m)
{
    finish(&m);
    dnssec_learn(d, m.wire, m.len, &m.name, m.type, &t_now);
    free(m.wire);
}

static void learn_keys(const char *zone, ldns_key *key)
{
    struct msg m = begin(zone, TYPE_DNSKEY);
    char *text = ldns_rr2str(ldns_key2rr(key));

    ANSWER(&m, key, text);
    free(text);
    learn(m);
}

static void learn_ds(const char *zone, ldns_key *key, ldns_key *by)
{
    struct msg m = begin(zone, TYPE_DS);
    ldns_rr *rr = ldns_key2rr(key), *ds = ldns_key_rr2ds(rr, LDNS_SHA256);
    char *text = ldns_rr2str(ds);

    ANSWER(&m, by, text);
    free(text);
    ldns_rr_free(ds);
    ldns_rr_free(rr);
    learn(m);
}

static void setup(void)
{
    root_key = new_key(".");
    t_key = new_key("t.");
    other_key = new_key("t.");
    ldns_rr *rr = ldns_key2rr(root_key), *ds = ldns_key_rr2ds(rr, LDNS_SHA256);
    anchors = (struct anchors){.n = 1, .ds = {{.algorithm = 13, .digest_type = 2, .digest_len = 32}}};
    anchors.ds[0].tag = ldns_key_keytag(root_key);
    memcpy(anchors.ds[0].digest, ldns_rdf_data(ldns_rr_rdf(ds, 3)), 32);
    d = dnssec_new(&anchors, 7);
    t_now = (struct dnssec_clock){.now = 1000, .wall = WALL};
}

static void known(void)
{
    setup();
    learn_keys(".", root_key);
    learn_ds("t.", t_key, root_key);
    learn_keys("t.", t_key);
}

static void is_need(const char *name, uint16_t type)
{
    char text[DNS_TEXT_MAX];

    cr_assert_eq(v.state, DNSSEC_NEED);
    dns_name_text(v.need.b, v.need.len, text);
    cr_assert_str_eq(text, name);
    cr_assert_eq(v.need_type, type);
}

static struct msg www(ldns_key *key)
{
    struct msg m = begin("www.t.", TYPE_A);

    ANSWER(&m, key, "www.t. 300 IN A 192.0.2.1");
    return m;
}

Test(dnssec, needs_come_from_the_root_downwards, .init = setup)
{
    (void)check(www(t_key));
    is_need(".", TYPE_DNSKEY);
    learn_keys(".", root_key);
    (void)check(www(t_key));
    is_need("t", TYPE_DS);
    learn_ds("t.", t_key, root_key);
    (void)check(www(t_key));
    is_need("t", TYPE_DNSKEY);
    learn_keys("t.", t_key);
    cr_assert_eq(check(www(t_key)), DNSSEC_SECURE);
    cr_assert_eq(v.ttl, 300);
    cr_assert_eq(v.valid, DAY);
}

Test(dnssec, keys_must_be_the_anchors, .init = setup)
{
    anchors.ds[0].digest[0] ^= 1;
    learn_keys(".", root_key);
    cr_assert_eq(check(www(t_key)), DNSSEC_BOGUS);
    cr_assert_eq(v.ede, EDE_NO_DNSKEY);
}

Test(dnssec, a_childs_ds_is_the_parents, .init = setup)
{
    learn_keys(".", root_key);
    learn_ds("t.", t_key, t_key);
    cr_assert_eq(check(www(t_key)), DNSSEC_BOGUS);
}

Test(dnssec, a_key_without_ds_signs_nothing, .init = setup)
{
    learn_keys(".", root_key);
    learn_ds("t.", t_key, root_key);
    learn_keys("t.", other_key);
    cr_assert_eq(check(www(other_key)), DNSSEC_BOGUS);
}

Test(dnssec, signatures_that_do_not_hold, .init = known)
{
    cr_assert_eq(check(www(other_key)), DNSSEC_BOGUS);
    cr_assert_eq(check(www(NULL)), DNSSEC_NEED); /* is there a zone cut? */
    is_need("www.t", TYPE_DS);
    struct msg m = begin("www.t.", TYPE_DS);
    AUTHORITY(&m, t_key, SOA_T);
    AUTHORITY(&m, t_key, "www.t. 300 IN NSEC z.t. A RRSIG NSEC");
    learn(m);
    cr_assert_eq(check(www(NULL)), DNSSEC_BOGUS);
    cr_assert_eq(v.ede, EDE_NO_RRSIG);
    t_now.wall = WALL + DAY + 1;
    cr_assert_eq(check(www(t_key)), DNSSEC_BOGUS);
    cr_assert_eq(v.ede, EDE_EXPIRED);
    t_now.wall = WALL - DAY - 1;
    cr_assert_eq(check(www(t_key)), DNSSEC_BOGUS);
    cr_assert_eq(v.ede, EDE_NOT_YET);
}

Test(dnssec, one_changed_bit, .init = known)
{
    struct msg m = www(t_key);
    unsigned secure = 0;

    finish(&m);
    for (size_t bit = 0; bit < m.len * 8; bit++) {
        m.wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        dnssec_check(d, m.wire, m.len, &m.name, m.type, &t_now, &v);
        secure += v.state == DNSSEC_SECURE;
        /* the header but the counts, the question, the case of names, TTLs (bounded by the signature's) */
        if (v.state == DNSSEC_SECURE)
            cr_assert(v.ttl <= 300);
        m.wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_lt(secure, 320, "%u", secure);
    free(m.wire);
}

Test(dnssec, a_longer_ttl_is_cut, .init = known)
{
    struct msg m = www(t_key);

    ldns_rr_set_ttl(ldns_rr_list_rr(ldns_pkt_answer(m.pkt), 1), 86400);
    cr_assert_eq(check(m), DNSSEC_SECURE);
    cr_assert_eq(v.ttl, 300);
}

Test(dnssec, denials, .init = known)
{
    static const struct {
        const char *name, *nsec, *second;
        enum dnssec_state nodata, nxdomain;
    } cases[] = {
        {"m.t.", "a.t. 300 IN NSEC z.t. A", "t. 300 IN NSEC a.t. SOA NS", DNSSEC_BOGUS, DNSSEC_SECURE},
        {"m.t.", "a.t. 300 IN NSEC z.t. A", NULL, DNSSEC_BOGUS, DNSSEC_BOGUS}, /* of the wildcard, nothing */
        {"m.t.", "t. 300 IN NSEC t. SOA NS", NULL, DNSSEC_BOGUS, DNSSEC_SECURE}, /* one name in all */
        {"m.t.", "m.t. 300 IN NSEC z.t. A", NULL, DNSSEC_SECURE, DNSSEC_BOGUS},
        {"m.t.", "m.t. 300 IN NSEC z.t. MX", NULL, DNSSEC_BOGUS, DNSSEC_BOGUS}, /* it is there */
        {"m.t.", "m.t. 300 IN NSEC z.t. CNAME", NULL, DNSSEC_BOGUS, DNSSEC_BOGUS},
        {"m.t.", "a.t. 300 IN NSEC x.m.t. A", NULL, DNSSEC_SECURE, DNSSEC_BOGUS}, /* names below it only */
        {"m.t.", "a.t. 300 IN NSEC b.t. A", "t. 300 IN NSEC a.t. SOA", DNSSEC_BOGUS, DNSSEC_BOGUS},
        {"m.t.", "a.t. 300 IN NSEC z.t. A", "*.t. 300 IN NSEC a.t. A", DNSSEC_SECURE, DNSSEC_BOGUS},
        {"m.t.", "a.t. 300 IN NSEC z.t. A", "*.t. 300 IN NSEC a.t. MX", DNSSEC_BOGUS, DNSSEC_BOGUS},
        /* the upper side of a zone cut says nothing of what is at or below it, a DNAME nothing of what is
           below */
        {"m.t.", "m.t. 300 IN NSEC z.t. NS", NULL, DNSSEC_BOGUS, DNSSEC_BOGUS},
        {"x.m.t.", "m.t. 300 IN NSEC z.t. NS", "t. 300 IN NSEC m.t. SOA", DNSSEC_BOGUS, DNSSEC_BOGUS},
        {"x.m.t.", "m.t. 300 IN NSEC z.t. DNAME", "t. 300 IN NSEC m.t. SOA", DNSSEC_BOGUS, DNSSEC_BOGUS},
        {"x.m.t.", "m.t. 300 IN NSEC z.t. A", NULL, DNSSEC_BOGUS, DNSSEC_SECURE},
        {"m.t.", "a.t. 300 IN NSEC z.u. A", "t. 300 IN NSEC a.t. SOA", DNSSEC_BOGUS, DNSSEC_BOGUS},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int nx = 0; nx < 2; nx++) {
            struct msg m = begin(cases[i].name, TYPE_MX);
            ldns_pkt_set_rcode(m.pkt, nx ? LDNS_RCODE_NXDOMAIN : LDNS_RCODE_NOERROR);
            AUTHORITY(&m, t_key, SOA_T);
            AUTHORITY(&m, t_key, cases[i].nsec);
            if (cases[i].second != NULL)
                AUTHORITY(&m, t_key, cases[i].second);
            enum dnssec_state want = nx ? cases[i].nxdomain : cases[i].nodata;
            cr_expect_eq(check(m), want, "case %zu, nx %d: %d", i, nx, v.state);
        }
    }
}

/* CVE-2017-15105: the signature of *.t holds for a denial at any name that one makes of it. */
Test(dnssec, a_denial_is_not_expanded, .init = known)
{
    struct msg m = begin("m.t.", TYPE_MX);
    ldns_rr_list *set = ldns_rr_list_new();
    ldns_rr *nsec = rr_of("*.t. 300 IN NSEC z.t. A RRSIG NSEC");

    ldns_rr_list_push_rr(set, nsec);
    ldns_rr *sig = sign(set, t_key);
    ldns_rdf_deep_free(ldns_rr_owner(nsec));
    ldns_rr_set_owner(nsec, ldns_dname_new_frm_str("m.t."));
    ldns_rdf_deep_free(ldns_rr_owner(sig));
    ldns_rr_set_owner(sig, ldns_dname_new_frm_str("m.t."));
    ldns_pkt_push_rr(m.pkt, LDNS_SECTION_AUTHORITY, nsec);
    ldns_pkt_push_rr(m.pkt, LDNS_SECTION_AUTHORITY, sig);
    ldns_rr_list_free(set);
    AUTHORITY(&m, t_key, SOA_T);
    cr_assert_eq(check(m), DNSSEC_BOGUS);
}

static struct msg expanded(const char *name, const char *proof)
{
    struct msg m = begin(name, TYPE_A);
    ldns_rr_list *set = ldns_rr_list_new();
    ldns_rr *a = rr_of("*.t. 300 IN A 192.0.2.1");

    ldns_rr_list_push_rr(set, a);
    ldns_rr *sig = sign(set, t_key);
    ldns_rdf_deep_free(ldns_rr_owner(a));
    ldns_rr_set_owner(a, ldns_dname_new_frm_str(name));
    ldns_rdf_deep_free(ldns_rr_owner(sig));
    ldns_rr_set_owner(sig, ldns_dname_new_frm_str(name));
    ldns_pkt_push_rr(m.pkt, LDNS_SECTION_ANSWER, a);
    ldns_pkt_push_rr(m.pkt, LDNS_SECTION_ANSWER, sig);
    ldns_rr_list_free(set);
    if (proof != NULL)
        AUTHORITY(&m, t_key, proof);
    return m;
}

Test(dnssec, a_wildcards_answer_needs_a_proof, .init = known)
{
    cr_assert_eq(check(expanded("m.t.", NULL)), DNSSEC_BOGUS);
    cr_assert_eq(v.ede, EDE_NO_NSEC);
    cr_assert_eq(check(expanded("m.t.", "a.t. 300 IN NSEC b.t. A")), DNSSEC_BOGUS);
    cr_assert_eq(check(expanded("m.t.", "m.t. 300 IN NSEC z.t. A")), DNSSEC_BOGUS); /* it is there */
    cr_assert_eq(check(expanded("m.t.", "a.t. 300 IN NSEC z.t. A")), DNSSEC_SECURE);
    cr_assert_eq(check(expanded("m.x.t.", "a.t. 300 IN NSEC z.t. A")), DNSSEC_SECURE);
    /* x.t is there, so *.t is not the closest */
    cr_assert_eq(check(expanded("m.x.t.", "a.x.t. 300 IN NSEC z.x.t. A")), DNSSEC_BOGUS);
}

Test(dnssec, delegations, .init = known)
{
    struct msg m = begin("sub.t.", TYPE_DS);
    AUTHORITY(&m, t_key, "sub.t. 300 IN NSEC z.t. NS RRSIG NSEC");
    learn(m);
    m = begin("www.sub.t.", TYPE_A);
    ANSWER(&m, NULL, "www.sub.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_INSECURE);

    m = begin("fake.t.", TYPE_DS); /* the apex's record of a zone that is signed by itself */
    AUTHORITY(&m, t_key, "fake.t. 300 IN NSEC z.t. NS SOA RRSIG NSEC");
    learn(m);
    m = begin("www.fake.t.", TYPE_A);
    ANSWER(&m, NULL, "www.fake.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_BOGUS);

    m = begin("new.t.", TYPE_DS); /* only an algorithm that nobody knows */
    ANSWER(&m, t_key,
        "new.t. 300 IN DS 1 250 2 0000000000000000000000000000000000000000000000000000000000000000");
    learn(m);
    m = begin("www.new.t.", TYPE_A);
    ANSWER(&m, NULL, "www.new.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_INSECURE);

    m = begin("dn.t.", TYPE_DS); /* nothing at all */
    AUTHORITY(&m, NULL, SOA_T);
    learn(m);
    m = begin("www.dn.t.", TYPE_A);
    ANSWER(&m, NULL, "www.dn.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_BOGUS);
}

Test(dnssec, zones_that_are_left_alone, .init = known)
{
    static const char *const names[] = {"corp.t", "u"};
    struct msg m = begin("www.corp.t.", TYPE_A);

    dnssec_leave_alone(d, names, 2);
    ANSWER(&m, NULL, "www.corp.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_INSECURE);
    m = begin("nx.u.", TYPE_A);
    ldns_pkt_set_rcode(m.pkt, LDNS_RCODE_NXDOMAIN);
    cr_assert_eq(check(m), DNSSEC_INSECURE);
    cr_assert_eq(check(www(other_key)), DNSSEC_BOGUS);
    m = begin("notcorp.t.", TYPE_A);
    ANSWER(&m, NULL, "notcorp.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_NEED);
}

/* Only a zone above a name may speak for it. */
Test(dnssec, signers_elsewhere, .init = known)
{
    ldns_key *u = new_key("u.");
    struct msg m;

    learn_ds("u.", u, root_key);
    learn_keys("u.", u);
    (void)check(www(u));
    is_need("www.t", TYPE_DS); /* as if it were not signed */
    m = begin("www.t.", TYPE_MX);
    AUTHORITY(&m, u, "u. 300 IN SOA ns.t. root.t. 1 2 3 4 300");
    AUTHORITY(&m, u, "u. 300 IN NSEC u. SOA NS");
    ldns_pkt_set_rcode(m.pkt, LDNS_RCODE_NXDOMAIN);
    cr_assert_eq(check(m), DNSSEC_NEED);
}

Test(dnssec, aliases, .init = known)
{
    struct msg m = begin("a.t.", TYPE_A);
    ANSWER(&m, t_key, "a.t. 300 IN CNAME www.t.");
    ANSWER(&m, t_key, "www.t. 60 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_SECURE);
    cr_assert_eq(v.ttl, 60);

    m = begin("a.t.", TYPE_A); /* goes on in another message */
    ANSWER(&m, t_key, "a.t. 300 IN CNAME www.u.");
    cr_assert_eq(check(m), DNSSEC_SECURE);

    m = begin("a.t.", TYPE_A);
    ANSWER(&m, t_key, "a.t. 300 IN CNAME www.t.");
    ANSWER(&m, other_key, "www.t. 60 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_BOGUS);

    m = begin("x.old.t.", TYPE_A);
    ANSWER(&m, t_key, "old.t. 300 IN DNAME new.t.");
    ANSWER(&m, NULL, "x.old.t. 300 IN CNAME x.new.t.");
    ANSWER(&m, t_key, "x.new.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_SECURE);

    m = begin("x.old.t.", TYPE_A);
    ANSWER(&m, t_key, "old.t. 300 IN DNAME new.t.");
    ANSWER(&m, NULL, "x.old.t. 300 IN CNAME evil.t.");
    ANSWER(&m, t_key, "evil.t. 300 IN A 192.0.2.1");
    cr_assert_eq(check(m), DNSSEC_BOGUS);

    m = begin("a0.t.", TYPE_A);
    for (int i = 0; i < 20; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "a%d.t. 300 IN CNAME a%d.t.", i, (i + 1) % 20);
        ANSWER(&m, t_key, text);
    }
    cr_assert_eq(check(m), DNSSEC_BOGUS);
}

/* CVE-2023-50387: many signatures that fail, and a zone with many keys. */
Test(dnssec, work_is_bounded, .init = known)
{
    struct msg m = www(NULL);
    for (int i = 0; i < 60; i++) {
        ldns_rr_list *set = ldns_rr_list_new();
        ldns_rr_list_push_rr(set, rr_of("www.t. 300 IN A 192.0.2.9"));
        ldns_pkt_push_rr(m.pkt, LDNS_SECTION_ANSWER, sign(set, t_key));
        ldns_rr_list_deep_free(set);
    }
    cr_assert_eq(check(m), DNSSEC_BOGUS);
    cr_assert_leq(d->verifications, FAILURES_MAX);

    m = begin("m.t.", TYPE_MX); /* the proof comes too late */
    AUTHORITY(&m, t_key, SOA_T);
    for (int i = 0; i < DENIALS_MAX; i++)
        AUTHORITY(&m, NULL, "x.t. 300 IN NSEC z.t. A");
    AUTHORITY(&m, t_key, "m.t. 300 IN NSEC z.t. A");
    cr_assert_eq(check(m), DNSSEC_BOGUS);

    for (int extra = 0; extra < 2; extra++) {
        m = begin("t.", TYPE_DNSKEY);
        ldns_rr_list *set = ldns_rr_list_new();
        for (int i = 0; i < KEYS_MAX + extra; i++)
            ldns_rr_list_push_rr(set, ldns_key2rr(i == 0 ? t_key : new_key("t.")));
        ldns_pkt_push_rr(m.pkt, LDNS_SECTION_ANSWER, sign(set, t_key));
        for (int i = 0; i < KEYS_MAX + extra; i++)
            ldns_pkt_push_rr(m.pkt, LDNS_SECTION_ANSWER, ldns_rr_list_rr(set, (size_t)i));
        learn_ds("t.", t_key, root_key); /* instead of what was known of t */
        learn(m);
        cr_assert_eq(check(www(t_key)), extra ? DNSSEC_BOGUS : DNSSEC_SECURE);
    }
}

Test(dnssec, memory_is_bounded, .init = known)
{
    for (int i = 0; i < 2 * ZONES_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%d.t.", i);
        struct msg m = begin(name, TYPE_DS);
        learn(m);
    }
    cr_assert_leq(dnssec_count(d), ZONES_MAX);
    (void)check(www(t_key));
    is_need("t", TYPE_DS); /* the root's keys outlast them all */
}

/* NSEC3 with iterations and a name of many labels. */
Test(dnssec, hashes_are_bounded, .init = known)
{
    char name[256] = "", nsec3[300];
    for (int i = 0; i < 120; i++)
        strcat(name, "a.");
    strcat(name, "t.");
    struct msg m = begin(name, TYPE_A);
    ldns_pkt_set_rcode(m.pkt, LDNS_RCODE_NXDOMAIN);
    (void)snprintf(nsec3, sizeof nsec3, "%s 300 IN NSEC3 1 0 50 AABB %s A",
        "00000000000000000000000000000000.t.", "VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV");
    AUTHORITY(&m, t_key, SOA_T);
    AUTHORITY(&m, t_key, nsec3);
    cr_assert_eq(check(m), DNSSEC_BOGUS);
    cr_assert_leq(d->hashes, NSEC3_HASHES_MAX);

    m = begin("m.t.", TYPE_A);
    ldns_pkt_set_rcode(m.pkt, LDNS_RCODE_NXDOMAIN);
    AUTHORITY(&m, t_key, SOA_T);
    AUTHORITY(&m, t_key,
        "00000000000000000000000000000000.t. 300 IN NSEC3 1 0 51 - VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV A");
    cr_assert_eq(check(m), DNSSEC_INSECURE);
    cr_assert_eq(v.ede, EDE_NSEC3_ITERATIONS);
    cr_assert_eq(d->hashes, 0);
}

Test(dnssec, broken_messages, .init = known)
{
    struct msg m = www(t_key);

    finish(&m);
    for (size_t n = 0; n < m.len; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, m.wire, n);
        dnssec_check(d, cut, n, &m.name, m.type, &t_now, &v);
        cr_assert_neq(v.state, DNSSEC_SECURE, "%zu", n);
        free(cut);
    }
    free(m.wire);
}

Test(dnssec, anchors_in_a_file)
{
    static const struct {
        const char *line;
        int rc;
    } cases[] = {
        {". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n", 1},
        {".\t172800 ds 20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d084 58e880409bbc683457104237c7f8ec8d ; x", 1},
        {"\n", 0},
        {"; a comment", 0},
        {"t. IN DS 1 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D", -EINVAL},
        {". IN DS 1 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC", -EINVAL},
        {". IN DS 65536 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D", -EINVAL},
        {". IN DS 1 8 9 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D", -EINVAL},
        {". IN DNSKEY 257 3 8 AwEAAaz", -EINVAL},
        {". IN DS 1", -EINVAL},
        {". IN DS 1 8 2 E06X", -EINVAL},
    };
    struct ds ds;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(anchor_parse(cases[i].line, &ds), cases[i].rc, "%s", cases[i].line);
        if (i < 2)
            cr_expect(memcmp(&ds, &anchors_public.ds[0], sizeof ds) == 0);
    }
}
