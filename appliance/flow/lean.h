/** \file
 * An OpenSSL library context that has what TLS with the web needs, and nothing else.
 *
 * OpenSSL 3.0 looks at every key type and every decoder of a context for each certificate it parses (a tenth
 * of a millisecond); with few of them that takes a quarter of the time. What is not there cannot be reached
 * by a certificate either: no DSA, DH or SM2 keys, no other formats of keys than that of certificates.
 */
#ifndef EGRESS_APPLIANCE_FLOW_LEAN_H
#define EGRESS_APPLIANCE_FLOW_LEAN_H

#include <stdint.h>
#include <openssl/types.h>

/** Made once a process and never freed; a fork inherits it. NULL, where it cannot be made, means to OpenSSL
 * the whole context: slower, otherwise the same. */
OSSL_LIB_CTX *lean_ctx(void);
/** d2i_X509() in that context. */
X509 *lean_cert(const uint8_t **der, long len);

#endif
