#include <criterion/criterion.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "appliance/flow/trust.h"
#include "lib/base.h"

struct named {
    EVP_PKEY *key;
    X509 *cert;
};

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

/* `version` counts from 0, as in the certificate itself. */
static struct named make(const char *subject, const struct named *issuer, long version)
{
    static long serial;
    struct named n = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509_NAME *name = X509_get_subject_name(n.cert);
    X509_set_version(n.cert, version);
    ASN1_INTEGER_set(X509_get_serialNumber(n.cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(n.cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(n.cert), 3600);
    X509_set_pubkey(n.cert, n.key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)subject, -1, -1, 0);
    X509_set_issuer_name(n.cert, X509_get_subject_name(issuer ? issuer->cert : n.cert));
    if (version == 2 && !issuer) {
        extend(n.cert, n.cert, NID_basic_constraints, "critical,CA:TRUE");
        extend(n.cert, n.cert, NID_subject_key_identifier, "hash"); /* what tells namesakes apart */
    } else if (issuer && X509_get_version(issuer->cert) == 2) {
        extend(n.cert, issuer->cert, NID_authority_key_identifier, "keyid:always");
    }
    cr_assert_gt(X509_sign(n.cert, issuer ? issuer->key : n.key, EVP_sha256()), 0);
    return n;
}

static void drop(struct named *n)
{
    X509_free(n->cert);
    EVP_PKEY_free(n->key);
}

static int verify(X509_STORE *store, X509 *cert)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_init(ctx, store, cert, NULL);
    int ok = X509_verify_cert(ctx);
    X509_STORE_CTX_free(ctx);
    return ok;
}

static void write_bundle(char *path, const struct named *all, size_t n)
{
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert(f);
    (void)fputs("# a comment\n-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n", f);
    for (size_t i = 0; i < n; i++)
        PEM_write_X509(f, all[i].cert);
    (void)fclose(f);
}

Test(trust, finds_by_name_also_where_two_share_one)
{
    char path[] = "/tmp/test_trust_XXXXXX";
    struct named roots[] = {
        make("one", NULL, 2), make("twin", NULL, 2), make("twin", NULL, 2), make("old", NULL, 0)};
    struct named stranger = make("stranger", NULL, 2), impostor = make("one", NULL, 2);
    write_bundle(path, roots, ARRAY_LEN(roots));
    X509_STORE *store = X509_STORE_new();
    cr_assert_eq(trust_add_bundle(store, path), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
            struct named leaf = make("leaf", &roots[i], 2);
            cr_expect_eq(verify(store, leaf.cert), 1, "root %zu, round %d", i, round);
            drop(&leaf);
        }
        struct named a = make("leaf", &stranger, 2), b = make("leaf", &impostor, 2);
        cr_expect_neq(verify(store, a.cert), 1);
        cr_expect_neq(verify(store, b.cert), 1);
        drop(&a);
        drop(&b);
    }
    X509_STORE_free(store);
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        drop(&roots[i]);
    drop(&stranger);
    drop(&impostor);
    (void)unlink(path);
}

/* One of the store's own does not hide its namesake in the bundle. */
Test(trust, stays_beside_what_is_there)
{
    char path[] = "/tmp/test_trust_XXXXXX";
    struct named in_file = make("twin", NULL, 2), given = make("twin", NULL, 2);
    write_bundle(path, &in_file, 1);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, given.cert);
    cr_assert_eq(trust_add_bundle(store, path), 0);
    struct named a = make("leaf", &in_file, 2), b = make("leaf", &given, 2);
    cr_expect_eq(verify(store, a.cert), 1);
    cr_expect_eq(verify(store, b.cert), 1);
    X509_STORE_free(store);
    drop(&a);
    drop(&b);
    drop(&in_file);
    drop(&given);
    (void)unlink(path);
}

Test(trust, says_where_there_is_nothing)
{
    char path[] = "/tmp/test_trust_XXXXXX";
    X509_STORE *store = X509_STORE_new();
    write_bundle(path, NULL, 0);
    cr_expect_eq(trust_add_bundle(store, path), -EINVAL);
    cr_expect_eq(trust_add_bundle(store, "/nonexistent/bundle"), -ENOENT);
    X509_STORE_free(store);
    (void)unlink(path);
}

/* Every root of the system's own bundle, where there is one, is found by its name. */
Test(trust, the_whole_system_bundle)
{
    static const char file[] = "/etc/ssl/certs/ca-certificates.crt";
    FILE *f = fopen(file, "r");
    if (!f)
        return;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    cr_assert_eq(trust_add_bundle(store, file), 0);
    for (X509 *x; (x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL; X509_free(x)) {
        X509_STORE_CTX_init(ctx, store, NULL, NULL);
        X509_OBJECT *o = X509_STORE_CTX_get_obj_by_subject(ctx, X509_LU_X509, X509_get_subject_name(x));
        cr_expect(o && X509_NAME_cmp(
                           X509_get_subject_name(X509_OBJECT_get0_X509(o)), X509_get_subject_name(x)) == 0);
        X509_OBJECT_free(o);
        X509_STORE_CTX_cleanup(ctx);
    }
    (void)fclose(f);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
}
