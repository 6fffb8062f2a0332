/* A provider of ours in a context of its own. It answers with the default provider's algorithms, those that
 * are wanted of them. */
#include "appliance/flow/lean.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base.h"

#define WANTED_MAX 16

struct lean {
    OSSL_PROVIDER *whole; /* the default one */
    OSSL_LIB_CTX *ctx;
    bool tried;
    OSSL_ALGORITHM keys[WANTED_MAX + 1], decoders[WANTED_MAX + 1], encoders[WANTED_MAX + 1];
};

/* OpenSSL asks a provider by a handle that has to be the default provider's own here, since its algorithms
 * get it too; so this is found another way. */
static struct lean *lean(void)
{
    static struct lean l;
    return &l;
}

static bool is_one_of(const char *names, const char *const *wanted, size_t n)
{
    size_t len = strcspn(names, ":"); /* the first of its names */
    for (size_t i = 0; i < n; i++)
        if (strlen(wanted[i]) == len && memcmp(wanted[i], names, len) == 0)
            return true;
    return false;
}

/* `property`: what else must be said of it, NULL: nothing. */
static void select_from(OSSL_ALGORITHM *out, int operation, const char *const *wanted, size_t n_wanted,
    const char *form, const char *property)
{
    int no_cache;
    size_t n = 0;
    const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(lean()->whole, operation, &no_cache);
    for (; a && a->algorithm_names && n < WANTED_MAX; a++) {
        if (!is_one_of(a->algorithm_names, wanted, n_wanted))
            continue;
        if (form && (!strstr(a->property_definition, form) || !strstr(a->property_definition, property)))
            continue;
        out[n++] = *a;
    }
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    struct lean *l = lean();
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT: return l->keys;
    case OSSL_OP_DECODER: return l->decoders;
    case OSSL_OP_ENCODER: return l->encoders;
    case OSSL_OP_STORE: return NULL;
    default: return OSSL_PROVIDER_query_operation(l->whole, operation, no_cache);
    }
}

static int capabilities(void *provctx, const char *capability, OSSL_CALLBACK *cb, void *arg)
{
    (void)provctx;
    return OSSL_PROVIDER_get_capabilities(lean()->whole, capability, cb, arg);
}

static int provider_init(
    const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH dispatch[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities}, {0, NULL}};
    (void)handle, (void)in;
    *out = dispatch;
    *provctx = OSSL_PROVIDER_get0_provider_ctx(lean()->whole);
    return 1;
}

static OSSL_LIB_CTX *make(void)
{
    /* Keys of certificates; of the key exchange (X25519, and EC again); secrets of TLS, which are keys too.
     */
    static const char *const keys[] = {
        "EC", "RSA", "RSA-PSS", "ED25519", "ED448", "X25519", "HMAC", "HKDF", "TLS1-PRF"};
    static const char *const certified[] = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448"};
    static const char form[] = "structure=SubjectPublicKeyInfo";
    struct lean *l = lean();
    l->whole = OSSL_PROVIDER_load(NULL, "default");
    OSSL_LIB_CTX *ctx = l->whole ? OSSL_LIB_CTX_new() : NULL;
    if (!ctx)
        return NULL;
    select_from(l->keys, OSSL_OP_KEYMGMT, keys, ARRAY_LEN(keys), NULL, NULL);
    select_from(l->decoders, OSSL_OP_DECODER, certified, ARRAY_LEN(certified), form, "input=der");
    select_from(l->encoders, OSSL_OP_ENCODER, certified, ARRAY_LEN(certified), form, "output=der");
    if (OSSL_PROVIDER_add_builtin(ctx, "lean", provider_init) == 1 && OSSL_PROVIDER_load(ctx, "lean"))
        return ctx;
    OSSL_LIB_CTX_free(ctx);
    return NULL;
}

OSSL_LIB_CTX *lean_ctx(void)
{
    struct lean *l = lean();
    if (!l->tried) {
        l->tried = true;
        l->ctx = make();
        ERR_clear_error();
    }
    return l->ctx;
}

X509 *lean_cert(const uint8_t **der, long len)
{
    X509 *x = X509_new_ex(lean_ctx(), NULL);
    if (x && !d2i_X509(&x, der, len))
        x = NULL; /* freed by OpenSSL */
    return x;
}
