#include "appliance/flow/der.h"
#include "appliance/flow/lean.h"
#include "appliance/flow/tls_internal.h"
#include "appliance/tls_reason.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/hostname.h"

/* For TLS 1.2: authenticated encryption with forward secrecy, nothing else. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384:P-521"
/* What the web itself demands: RSA of 2048 bits, curves of 224, no SHA-1 signatures. */
#define SECURITY_LEVEL 2

struct leaf {
    X509 *cert;
    size_t len;
    uint8_t der[]; /* to see that the engine got a newer one */
};

static void free_leaf(void *value)
{
    struct leaf *l = value;
    X509_free(l->cert);
    free(l);
}

static void free_session(void *value)
{
    SSL_SESSION_free(value);
}

void tls_why(char *err, size_t len, const char *what, unsigned long code)
{
    const char *text = tls_reason(code);
    (void)snprintf(err, len, "%s: %s", what, text ? text : "unknown error");
}

/* ---- state of one SSL ---- */

struct tls_state *tls_state_add(SSL *ssl, struct tls_ctx *t, const char *name)
{
    size_t len = name ? strlen(name) : 0;
    struct tls_state *s = calloc(1, sizeof *s + len + 1);
    if (!s)
        return NULL;
    s->tls = t;
    if (name)
        memcpy(s->name, name, len + 1);
    if (SSL_set_app_data(ssl, s) != 1) {
        free(s);
        return NULL;
    }
    return s;
}

void tls_free(SSL *ssl)
{
    if (!ssl)
        return;
    free(SSL_get_app_data(ssl));
    (void)SSL_set_app_data(ssl, NULL);
    SSL_free(ssl);
}

void tls_keep_error(SSL *ssl)
{
    struct tls_state *s = SSL_get_app_data(ssl);
    if (s)
        s->error = ERR_peek_error();
    ERR_clear_error();
}

SSL_CTX *tls_common_ctx(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(lean_ctx(), NULL, method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    (void)SSL_CTX_set_options(
        ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ctx, 0); /* conn's shared buffer reads ahead, for all connections at once */
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 && SSL_CTX_set1_groups_list(ctx, GROUPS) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* ---- the agent's side ---- */

/* OpenSSL calls this for each ClientHello, the one after a HelloRetryRequest too: the name may not change. */
static int check_sni(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    const struct tls_state *s = SSL_get_app_data(ssl);
    const char *got = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char canonical[HOSTNAME_MAX + 1];
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (!s || (got != NULL) != s->has_sni)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    if (!got)
        return SSL_TLSEXT_ERR_NOACK;
    if (host_canon(got, strlen(got), canonical, NULL) == HOST_BAD || strcmp(canonical, s->name) != 0)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static int select_alpn(
    SSL *ssl, const uint8_t **out, uint8_t *outlen, const uint8_t *in, unsigned inlen, void *arg)
{
    (void)arg;
    const struct tls_state *s = SSL_get_app_data(ssl);
    const char *want = !s || s->alpn == TLS_ALPN_NONE ? "" : s->alpn == TLS_ALPN_H2 ? "h2" : "http/1.1";
    size_t len = strlen(want);
    for (unsigned i = 0; len && i < inlen && in[i] < inlen - i; i += in[i] + 1u) {
        if (in[i] != len || memcmp(in + i + 1, want, len) != 0)
            continue;
        *out = in + i + 1;
        *outlen = in[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static int make_leaf_key(struct tls_ctx *t)
{
    t->leaf_key = EVP_PKEY_Q_keygen(lean_ctx(), NULL, "EC", "P-256");
    t->spki_len = t->leaf_key ? i2d_PUBKEY(t->leaf_key, &t->spki) : 0;
    return t->spki_len > 0 ? 0 : -1;
}

static int set_ticket_key(SSL_CTX *ctx, const uint8_t *shared)
{
    uint8_t key[TLS_TICKET_KEY_LEN] = {0};
    if (shared)
        memcpy(key, shared, sizeof key);
    uint8_t any = 0;
    for (size_t i = 0; i < sizeof key; i++)
        any |= key[i];
    int ok = any || RAND_bytes(key, sizeof key) == 1;
    ok = ok && SSL_CTX_set_tlsext_ticket_keys(ctx, key, (long)sizeof key) == 1;
    OPENSSL_cleanse(key, sizeof key);
    return ok ? 0 : -1;
}

static int make_server(struct tls_ctx *t, const uint8_t *ticket_key)
{
    t->server = tls_common_ctx(TLS_server_method());
    if (!t->server || make_leaf_key(t) != 0 || set_ticket_key(t->server, ticket_key) != 0)
        return -1;
    (void)SSL_CTX_set_options(t->server, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_session_cache_mode(t->server, SSL_SESS_CACHE_OFF); /* tickets: no state to bound */
    (void)SSL_CTX_set_num_tickets(t->server, 1);
    (void)SSL_CTX_set_max_early_data(t->server, 0);
    (void)SSL_CTX_set_tlsext_servername_callback(t->server, check_sni);
    SSL_CTX_set_alpn_select_cb(t->server, select_alpn, NULL);
    return SSL_CTX_use_PrivateKey(t->server, t->leaf_key) == 1 ? 0 : -1;
}

/* The parsed certificate, kept; NULL where it is not for our key. */
static X509 *leaf_cert(struct tls_ctx *t, const char *name, const uint8_t *der, size_t len)
{
    const struct leaf *known = lru_get(t->leaves, name);
    if (known && known->len == len && memcmp(known->der, der, len) == 0)
        return known->cert;
    struct leaf *l = malloc(sizeof *l + len);
    if (!l)
        return NULL;
    const uint8_t *p = der;
    l->cert = lean_cert(&p, (long)len);
    l->len = len;
    memcpy(l->der, der, len);
    if (!l->cert || X509_check_private_key(l->cert, t->leaf_key) != 1) {
        free_leaf(l);
        return NULL;
    }
    X509 *cert = l->cert;
    return lru_put(t->leaves, name, l) == 0 ? cert : NULL;
}

SSL *tls_server_new(
    struct tls_ctx *t, const char *name, const char *sni, const uint8_t *der, size_t len, enum tls_alpn alpn)
{
    X509 *cert = leaf_cert(t, name, der, len);
    SSL *ssl = cert ? SSL_new(t->server) : NULL;
    struct tls_state *s = ssl ? tls_state_add(ssl, t, sni) : NULL;
    uint8_t bound[EVP_MAX_MD_SIZE]; /* a ticket for one name is none for another */
    unsigned n = 0;
    if (!s || EVP_Digest(name, strlen(name), bound, &n, t->sha256, NULL) != 1 ||
        SSL_set_session_id_context(ssl, bound, n) != 1 || SSL_use_certificate(ssl, cert) != 1) {
        tls_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    s->alpn = alpn;
    s->has_sni = sni != NULL;
    SSL_set_accept_state(ssl);
    return ssl;
}

/* Only the validity is looked at: parsing a certificate whole costs as much as signing four of them, most of
 * it for its key. RFC 5280 4.1: version, serial, signature and issuer come before it. */
uint64_t tls_leaf_seconds(const uint8_t *der, size_t len)
{
    const uint8_t *p = der, *end = der + len;
    bool ok = der_enter(&p, end, 2);
    for (int i = 0; ok && i < 4; i++)
        ok = der_skip(&p, end) >= 0;
    ok = ok && der_enter(&p, end, 1) && der_skip(&p, end) >= 0;
    ASN1_TIME *not_after = ok ? d2i_ASN1_TIME(NULL, &p, end - p) : NULL;
    int days = 0, seconds = 0;
    ok = not_after && ASN1_TIME_diff(&days, &seconds, NULL, not_after) == 1 && days >= 0 && seconds >= 0;
    ASN1_TIME_free(not_after);
    ERR_clear_error();
    return ok ? (uint64_t)days * 86400 + (uint64_t)seconds : 0;
}

void tls_failure(SSL *ssl, int err, char *why, size_t len)
{
    const struct tls_state *s = ssl ? SSL_get_app_data(ssl) : NULL;
    if (err == -EPROTO && s)
        tls_why(why, len, "handshake", s->error);
    else
        (void)snprintf(why, len, "handshake: %s",
            err == -ECONNABORTED || err == -ECONNRESET ? "the agent went away" : strerror(-err));
}

/* ---- contexts ---- */

const uint8_t *tls_leaf_spki(const struct tls_ctx *t, size_t *len)
{
    *len = (size_t)t->spki_len;
    return t->spki;
}

struct tls_ctx *tls_ctx_trusting(X509_STORE *trust, const uint8_t *ticket_key, char *err, size_t errlen)
{
    struct tls_ctx *t = calloc(1, sizeof *t);
    uint64_t seed = 0;
    if (!t || RAND_bytes((uint8_t *)&seed, sizeof seed) != 1)
        goto fail;
    t->leaves = lru_new(TLS_LEAVES_MAX, seed, free_leaf);
    t->sessions = lru_new(TLS_SESSIONS_MAX, seed, free_session);
    t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!t->leaves || !t->sessions || !t->sha256 || make_server(t, ticket_key) != 0)
        goto fail;
    if (tls_make_client(t, trust, err, errlen) == 0)
        return t;
    tls_ctx_free(t);
    return NULL;
fail:
    tls_why(err, errlen, "TLS cannot be set up", ERR_get_error());
    tls_ctx_free(t);
    return NULL;
}

struct tls_ctx *tls_ctx_new(
    const char *const *upstream_ca, size_t n_upstream_ca, const uint8_t *ticket_key, char *err, size_t errlen)
{
    X509_STORE *trust = tls_trust_load(upstream_ca, n_upstream_ca, err, errlen);
    struct tls_ctx *t = trust ? tls_ctx_trusting(trust, ticket_key, err, errlen) : NULL;
    X509_STORE_free(trust);
    return t;
}

void tls_ctx_free(struct tls_ctx *t)
{
    if (!t)
        return;
    lru_free(t->leaves);
    lru_free(t->sessions);
    EVP_MD_free(t->sha256);
    SSL_CTX_free(t->server);
    SSL_CTX_free(t->client);
    EVP_PKEY_free(t->leaf_key);
    OPENSSL_free(t->spki);
    free(t);
}
