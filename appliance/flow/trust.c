#include "appliance/flow/der.h"
#include "appliance/flow/lean.h"
#include "appliance/flow/trust.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "lib/base.h"

struct ca {
    unsigned long subject; /* hash of its canonical form; a chance match only loads one CA more */
    uint8_t *der; /* NULL: it is in the store */
    long len;
};

/* Belongs to the lookup, and that to the store. */
struct bundle {
    X509_LOOKUP_METHOD *method;
    struct ca *cas;
    size_t n;
};

static bool hash_of(const X509_NAME *name, unsigned long *hash)
{
    int ok = 0;
    *hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);
    return ok == 1;
}

/* RFC 5280 4.1: [version], serial, signature, issuer, validity, subject. */
static bool read_subject(const uint8_t *der, long len, unsigned long *hash)
{
    const uint8_t *p = der, *end = der + len;
    if (!der_enter(&p, end, 2))
        return false;
    int first = der_skip(&p, end); /* a certificate of version 1 has no version */
    for (int i = first == V_ASN1_INTEGER ? 1 : 0; i < 4; i++)
        if (der_skip(&p, end) < 0)
            return false;
    X509_NAME *name = d2i_X509_NAME(NULL, &p, end - p);
    bool ok = name && hash_of(name, hash);
    X509_NAME_free(name);
    return ok;
}

/* Takes `der` where it can be used. */
static bool add(struct bundle *b, uint8_t *der, long len)
{
    unsigned long hash;
    if (!read_subject(der, len, &hash))
        return false;
    struct ca *grown = reallocarray(b->cas, b->n + 1, sizeof *grown);
    if (!grown)
        return false;
    b->cas = grown;
    b->cas[b->n++] = (struct ca){.subject = hash, .der = der, .len = len};
    return true;
}

static void read_all(struct bundle *b, BIO *in)
{
    char *kind, *header;
    uint8_t *der;
    long len;
    while (PEM_read_bio(in, &kind, &header, &der, &len) == 1) {
        bool taken = strcmp(kind, PEM_STRING_X509) == 0 && add(b, der, len);
        OPENSSL_free(kind);
        OPENSSL_free(header);
        if (!taken)
            OPENSSL_free(der);
    }
    ERR_clear_error();
}

/* The last of them, or NULL. The reference is the store's. */
static X509 *load(struct bundle *b, X509_STORE *store, const X509_NAME *subject)
{
    unsigned long hash;
    X509 *found = NULL;
    if (!hash_of(subject, &hash))
        return NULL;
    for (size_t i = 0; i < b->n; i++) {
        struct ca *ca = &b->cas[i];
        const uint8_t *p = ca->der;
        if (ca->subject != hash || !ca->der)
            continue;
        X509 *x = lean_cert(&p, ca->len);
        OPENSSL_free(ca->der);
        ca->der = NULL;
        if (x && X509_STORE_add_cert(store, x) == 1 && X509_NAME_cmp(X509_get_subject_name(x), subject) == 0)
            found = x;
        X509_free(x);
    }
    return found;
}

/* OpenSSL asks only where the store has none of that name; it takes its own reference of what it gets. */
static int by_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name, X509_OBJECT *out)
{
    struct bundle *b = X509_LOOKUP_get_method_data(lookup);
    X509 *x = b && type == X509_LU_X509 ? load(b, X509_LOOKUP_get_store(lookup), name) : NULL;
    if (!x || X509_OBJECT_set1_X509(out, x) != 1)
        return 0;
    X509_free(x); /* `out` is to point only: the store holds it */
    return 1;
}

static void bundle_free(struct bundle *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        OPENSSL_free(b->cas[i].der);
    free(b->cas);
    X509_LOOKUP_meth_free(b->method);
    free(b);
}

static void lookup_free(X509_LOOKUP *lookup)
{
    bundle_free(X509_LOOKUP_get_method_data(lookup));
}

static struct bundle *bundle_new(void)
{
    struct bundle *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->method = X509_LOOKUP_meth_new("bundle");
    if (b->method && X509_LOOKUP_meth_set_get_by_subject(b->method, by_subject) == 1 &&
        X509_LOOKUP_meth_set_free(b->method, lookup_free) == 1)
        return b;
    bundle_free(b);
    return NULL;
}

/* A name that the store has already would never be asked of us. */
static void load_namesakes(struct bundle *b, X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *had = sk_X509_OBJECT_dup(X509_STORE_get0_objects(store));
    for (int i = 0; i < sk_X509_OBJECT_num(had); i++) {
        const X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(had, i));
        if (x)
            (void)load(b, store, X509_get_subject_name(x));
    }
    sk_X509_OBJECT_free(had);
}

int trust_add_bundle(X509_STORE *store, const char *file)
{
    BIO *in = BIO_new_file(file, "r");
    if (!in) {
        ERR_clear_error();
        return -ENOENT;
    }
    struct bundle *b = bundle_new();
    if (b)
        read_all(b, in);
    BIO_free(in);
    X509_LOOKUP *lookup = b && b->n ? X509_STORE_add_lookup(store, b->method) : NULL;
    if (!lookup || X509_LOOKUP_set_method_data(lookup, b) != 1) {
        int err = b && b->n == 0 ? -EINVAL : -ENOMEM;
        bundle_free(b);
        return err;
    }
    load_namesakes(b, store);
    return 0;
}
