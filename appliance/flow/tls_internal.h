/** \file
 * What tls.c (contexts, the agent's side) and tls_client.c (the upstream's side) share.
 */
#ifndef EGRESS_APPLIANCE_FLOW_TLS_INTERNAL_H
#define EGRESS_APPLIANCE_FLOW_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "appliance/flow/lru.h"
#include "appliance/flow/tls.h"

/** Parsed leaves: about 6 KiB each, so only the hot ones; the engine keeps the DER of many more. */
#define TLS_LEAVES_MAX 512
/** Sessions of upstreams, with their certificate chains. */
#define TLS_SESSIONS_MAX 256

struct tls_ctx {
    SSL_CTX *server, *client;
    EVP_PKEY *leaf_key;
    uint8_t *spki;
    int spki_len;
    EVP_MD *sha256;
    struct lru *leaves; /* name -> struct leaf */
    struct lru *sessions; /* "host:port" -> SSL_SESSION */
};

/** Hangs on each SSL (app data) and goes with it. */
struct tls_state {
    struct tls_ctx *tls;
    unsigned long error; /* OpenSSL's, of a handshake that failed */
    enum tls_alpn alpn; /* server: what to choose */
    bool has_sni; /* server: `name` is what the ClientHello must ask for; else it must not ask */
    char name[]; /* server: SNI; client: key of the session cache */
};
struct tls_state *tls_state_add(SSL *ssl, struct tls_ctx *t, const char *name);

SSL_CTX *tls_common_ctx(const SSL_METHOD *method);
int tls_make_client(struct tls_ctx *t, X509_STORE *trust, char *err, size_t errlen);
void tls_why(char *err, size_t len, const char *what, unsigned long code);

#endif
