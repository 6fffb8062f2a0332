/** \file
 * TLS for both sides: one server context for what agents see, one client context for upstreams. Contexts are
 * made once an engine, before its sandbox closes (the client's loads the CA files); a connection gets an SSL
 * from them.
 *
 * Server: TLS 1.2 and 1.3, one ECDSA key an engine, a leaf for each name; stateless tickets under a key that
 * all engines share, bound to the name, so that no session crosses names; no renegotiation, compression or
 * early data. Client: the peer must prove the route's own name (RFC 9525), by a chain to a CA that we know,
 * under X509_V_FLAG_X509_STRICT; sessions are kept by (host, port) for resumption.
 */
#ifndef EGRESS_APPLIANCE_FLOW_TLS_H
#define EGRESS_APPLIANCE_FLOW_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/types.h>

struct tls_ctx;

/** Octets of ticket key material that the engines of one sidecar share. */
#define TLS_TICKET_KEY_LEN 80

/** The CAs that upstreams are verified against: the system's and those in these PEM files. Read once,
 * before the engines are forked. NULL and a message in `err`. */
X509_STORE *tls_trust_load(const char *const *upstream_ca, size_t n_upstream_ca, char *err, size_t errlen);

/** tls_ctx_new() with what tls_trust_load() gave; takes a reference of its own. */
struct tls_ctx *tls_ctx_trusting(X509_STORE *trust, const uint8_t *ticket_key, char *err, size_t errlen);

/** `upstream_ca`: PEM files beside the system's CAs. `ticket_key` NULL or all zero: a random one. NULL and a
 * message in `err`. */
struct tls_ctx *tls_ctx_new(const char *const *upstream_ca, size_t n_upstream_ca, const uint8_t *ticket_key,
    char *err, size_t errlen);
void tls_ctx_free(struct tls_ctx *t);

/** DER SubjectPublicKeyInfo of the engine's leaf key, for the signer. */
const uint8_t *tls_leaf_spki(const struct tls_ctx *t, size_t *len);

/** What the agent may be given by ALPN. */
enum tls_alpn { TLS_ALPN_NONE, TLS_ALPN_HTTP11, TLS_ALPN_H2 };

/** An SSL in accept state that proves `name` by the leaf `der`, and that goes on only with a ClientHello
 * whose SNI is `sni` (NULL: that has none). `alpn` is chosen if the agent offers it. NULL: the leaf is not
 * usable, or no memory. */
SSL *tls_server_new(
    struct tls_ctx *t, const char *name, const char *sni, const uint8_t *der, size_t len, enum tls_alpn alpn);

/** Seconds until a leaf expires; 0: it has, or is no certificate. */
uint64_t tls_leaf_seconds(const uint8_t *der, size_t len);

/** An SSL in connect state that will accept only `host` (canonical name or the text of an address). A session
 * kept for (host, port) is offered for resumption. NULL: no memory. */
SSL *tls_client_new(struct tls_ctx *t, const char *host, uint16_t port, bool offer_h2);
/** After the handshake ended, well or badly: 0 = verified, and `*h2` tells what ALPN chose; -EPROTO = not,
 * and `why` says so in a sentence. */
int tls_client_verified(SSL *ssl, bool *h2, char *why, size_t len);

/** After a good handshake: the upstream said by ALPN that it is HTTP/1.1. */
bool tls_chose_h1(const SSL *ssl);

/** Why an agent's handshake ended with `err` (of conn_handshake()), in a sentence. */
void tls_failure(SSL *ssl, int err, char *why, size_t len);

/** For an SSL that no conn has taken; conn_close() does it for the others. NULL is fine. */
void tls_free(SSL *ssl);
/** Moves the error queue's first entry into `ssl`, for tls_client_verified(). */
void tls_keep_error(SSL *ssl);

#endif
