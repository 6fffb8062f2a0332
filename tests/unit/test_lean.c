#include <criterion/criterion.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "appliance/flow/lean.h"
#include "lib/base.h"

/* Signed by itself, made in OpenSSL's own context. Returns the length; `*der` is OpenSSL's. */
static int certificate(EVP_PKEY *key, const EVP_MD *md, uint8_t **der)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    cr_assert_gt(X509_sign(x, key, md), 0);
    *der = NULL;
    int n = i2d_X509(x, der);
    X509_free(x);
    cr_assert_gt(n, 0);
    return n;
}

static X509 *reread(EVP_PKEY *key, const EVP_MD *md)
{
    uint8_t *der;
    int n = certificate(key, md, &der);
    const uint8_t *p = der;
    X509 *x = lean_cert(&p, n);
    cr_assert(x);
    OPENSSL_free(der);
    return x;
}

static EVP_PKEY *dsa_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    EVP_PKEY *params = NULL, *key = NULL;
    cr_assert_eq(EVP_PKEY_paramgen_init(ctx), 1);
    cr_assert_eq(EVP_PKEY_paramgen(ctx, &params), 1);
    EVP_PKEY_CTX *made = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
    cr_assert_eq(EVP_PKEY_keygen_init(made), 1);
    cr_assert_eq(EVP_PKEY_keygen(made, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_CTX_free(made);
    EVP_PKEY_free(params);
    return key;
}

Test(lean, proves_the_keys_of_the_web)
{
    EVP_PKEY *const keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048),
        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_PKEY_Q_keygen(NULL, NULL, "ED448")};
    cr_assert(lean_ctx());
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        X509 *x = reread(keys[i], i < 3 ? EVP_sha256() : NULL);
        cr_assert(X509_get0_pubkey(x), "key %zu", i);
        cr_assert_eq(X509_verify(x, X509_get0_pubkey(x)), 1, "key %zu", i);
        X509_free(x);
        EVP_PKEY_free(keys[i]);
    }
}

Test(lean, knows_no_other_keys)
{
    EVP_PKEY *key = dsa_key();
    X509 *x = reread(key, EVP_sha256());
    cr_assert_not(X509_get0_pubkey(x));
    X509_free(x);
    EVP_PKEY_free(key);
    cr_assert_not(EVP_PKEY_CTX_new_from_name(lean_ctx(), "SM2", NULL));
    cr_assert_not(EVP_PKEY_CTX_new_from_name(lean_ctx(), "DH", NULL));
}

Test(lean, refuses_what_is_no_certificate)
{
    static const uint8_t not_one[] = {0x30, 3, 2, 1, 1};
    const uint8_t *p = not_one;
    cr_assert_not(lean_cert(&p, sizeof not_one));
}
