/* The upstream's side: who an upstream is, proved before anything is sent to it. */
#include "appliance/flow/tls_internal.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "appliance/flow/lean.h"
#include "appliance/flow/trust.h"
#include "lib/hostname.h"
#include "lib/base.h"
#include "lib/log.h"

#define SESSION_SECONDS 3600
/* Of TLS 1.2, what browsers offer, too: there are servers that have nothing better than CBC or RSA's key
 * exchange. An upstream that has takes that. */
#define UPSTREAM_CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!AESCCM"

/* One file each; the hashed directory is no use, since nothing can be opened once the sandbox is closed. */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt", /* Fedora, RHEL */
    "/etc/ssl/cert.pem",
};

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_state *s = SSL_get_app_data(ssl);
    if (!s || SSL_get_verify_result(ssl) != X509_V_OK || SSL_SESSION_is_resumable(session) != 1)
        return 0;
    (void)lru_put(s->tls->sessions, s->name, session);
    return 1; /* the reference is the map's, or gone already */
}

static void load_system_cas(X509_STORE *store)
{
    for (size_t i = 0; i < ARRAY_LEN(system_bundles); i++) {
        if (trust_add_bundle(store, system_bundles[i]) == 0)
            return;
    }
    ERR_clear_error();
    log_warn(
        "no system CA bundle found (tried %s and others); upstreams are verified against --upstream-ca only",
        system_bundles[0]);
}

X509_STORE *tls_trust_load(const char *const *upstream_ca, size_t n_upstream_ca, char *err, size_t errlen)
{
    X509_STORE *store = X509_STORE_new();
    if (!store) {
        tls_why(err, errlen, "TLS cannot be set up", ERR_get_error());
        return NULL;
    }
    for (size_t i = 0; i < n_upstream_ca; i++) {
        if (X509_STORE_load_file_ex(store, upstream_ca[i], lean_ctx(), NULL) == 1)
            continue;
        (void)snprintf(err, errlen, "--upstream-ca %s: not a file of PEM certificates", upstream_ca[i]);
        ERR_clear_error();
        X509_STORE_free(store);
        return NULL;
    }
    load_system_cas(store);
    ERR_clear_error();
    return store;
}

int tls_make_client(struct tls_ctx *t, X509_STORE *trust, char *err, size_t errlen)
{
    t->client = tls_common_ctx(TLS_client_method());
    if (!t->client || SSL_CTX_set_cipher_list(t->client, UPSTREAM_CIPHERS_12) != 1) {
        tls_why(err, errlen, "TLS cannot be set up", ERR_get_error());
        return -1;
    }
    SSL_CTX_set1_cert_store(t->client, trust);
    X509_VERIFY_PARAM *vp = SSL_CTX_get0_param(t->client);
    (void)X509_VERIFY_PARAM_set_flags(vp, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_hostflags(
        vp, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    SSL_CTX_set_verify(t->client, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_timeout(t->client, SESSION_SECONDS);
    (void)SSL_CTX_set_session_cache_mode(t->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->client, on_new_session);
    return 0;
}

/* OpenSSL lets a certificate's wildcard stand for letters, digits and '-' only; browsers and most clients
 * also for '_'. So such a name's first label is tried, too, as one that nothing but a wildcard can match:
 * drawn by lot. */
static bool expect_wildcard(SSL *ssl, const char *host)
{
    const char *dot = strchr(host, '.'), *underscore = strchr(host, '_');
    uint8_t lot[16];
    char name[2 * sizeof lot + HOSTNAME_MAX + 1];
    size_t n = 0;
    if (!dot || !underscore || underscore > dot)
        return true;
    if (RAND_bytes(lot, sizeof lot) != 1)
        return false;
    for (size_t i = 0; i < sizeof lot; i++)
        n += (size_t)snprintf(name + n, sizeof name - n, "%02x", lot[i]);
    (void)snprintf(name + n, sizeof name - n, "%s", dot);
    return SSL_add1_host(ssl, name) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
    struct addr ip;
    if (addr_parse(host, &ip))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && expect_wildcard(ssl, host) &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *tls_client_new(struct tls_ctx *t, const char *host, uint16_t port, bool offer_h2)
{
    static const uint8_t both[] = "\x02h2\x08http/1.1", h1[] = "\x08http/1.1";
    char key[HOSTNAME_MAX + 8];
    (void)snprintf(key, sizeof key, "%s:%u", host, port);
    SSL *ssl = SSL_new(t->client);
    struct tls_state *s = ssl ? tls_state_add(ssl, t, key) : NULL;
    int alpn = -1;
    if (s)
        alpn = offer_h2 ? SSL_set_alpn_protos(ssl, both, sizeof both - 1)
                        : SSL_set_alpn_protos(ssl, h1, sizeof h1 - 1);
    if (alpn != 0 || !expect_host(ssl, host)) {
        tls_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_SESSION *known = lru_get(t->sessions, key);
    if (known && SSL_set_session(ssl, known) != 1)
        ERR_clear_error();
    SSL_set_connect_state(ssl);
    return ssl;
}

static int refuse(SSL *ssl, char *why, size_t len)
{
    const struct tls_state *s = SSL_get_app_data(ssl);
    long verify = SSL_get_verify_result(ssl);
    if (verify != X509_V_OK)
        (void)snprintf(why, len, "certificate: %s", X509_verify_cert_error_string(verify));
    else
        tls_why(why, len, "handshake", s ? s->error : 0);
    if (s)
        lru_drop(s->tls->sessions, s->name); /* whatever it was, do not try it again */
    return -EPROTO;
}

int tls_client_verified(SSL *ssl, bool *h2, char *why, size_t len)
{
    if (!SSL_is_init_finished(ssl) || SSL_get_verify_result(ssl) != X509_V_OK)
        return refuse(ssl, why, len);
    X509 *peer = SSL_get0_peer_certificate(ssl);
    if (!peer) {
        (void)snprintf(why, len, "certificate: none");
        return -EPROTO;
    }
    const uint8_t *proto;
    unsigned n;
    SSL_get0_alpn_selected(ssl, &proto, &n);
    *h2 = n == 2 && memcmp(proto, "h2", 2) == 0;
    return 0;
}

bool tls_chose_h1(const SSL *ssl)
{
    const uint8_t *proto;
    unsigned n;
    SSL_get0_alpn_selected(ssl, &proto, &n);
    return n == 8 && memcmp(proto, "http/1.1", 8) == 0;
}
