/** \file
 * What the signer is made of: the CA on disk, and leaves for host names. No sockets, no loop.
 */
#ifndef EGRESS_APPLIANCE_SIGNER_H
#define EGRESS_APPLIANCE_SIGNER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/types.h>

#include "appliance/ipc.h"

struct ca {
    EVP_PKEY *key;
    X509 *cert;
};

/** Reads DIR/ca.crt and DIR/ca.key (PEM, ECDSA P-256), or makes both; starts that race agree on one CA. DIR
 * itself is made if it is missing. 0, or -errno with a sentence in `err` that says what to do. */
int ca_open(const char *dir, struct ca *out, char *err, size_t errlen);
void ca_close(struct ca *ca);

/** Everything of a leaf that does not depend on its name, encoded beforehand. */
struct minter;
/** `ca` must outlive it. NULL: out of memory, or a certificate that cannot sign leaves. */
struct minter *minter_new(const struct ca *ca);
void minter_free(struct minter *m);

/** A certificate for `host` (a canonical name or the text of an address) and an ECDSA P-256 key: X.509 v3
 * (RFC 5280), empty subject and critical subjectAltName, valid from an hour before `now` (seconds since 1970)
 * for 90 days, within the CA's own validity. Returns its length; 0: not a host, not such a key, or the CA is
 * not valid at `now`. */
size_t minter_leaf(struct minter *m, const char *host, const uint8_t *spki, size_t spki_len, time_t now,
    uint8_t out[static IPC_LEAF_MAX]);

#endif
