/** \file
 * Java trust stores: JKS, and the PKCS #12 without a password that newer JDKs come with.
 *
 * JKS: magic, version 2, number of entries, entries, SHA-1 of (password as UTF-16, "Mighty Aphrodite", all
 * before). PKCS #12 (RFC 7292): PFX { 3, data { data { SafeContents { CertBag... } } } }; appending to the
 * innermost sequence changes only the lengths round it. Stores with a MAC or with encryption are not for us
 * to rewrite.
 */
#ifndef EGRESS_INIT_KEYSTORE_H
#define EGRESS_INIT_KEYSTORE_H

#include <stdbool.h>

#include "init/file.h"

#define KEYSTORE_ALIAS_MAX 31

/** Appends a certificate (DER) as a trusted entry. Pure. `out->data` is malloc'd. False where the store is of
 * another kind, damaged, or has another password than "changeit". `alias` is ASCII, at most
 * KEYSTORE_ALIAS_MAX octets; `millis` is the entry's date, since 1970. */
bool keystore_append(
    const struct blob *store, const struct blob *der, const char *alias, uint64_t millis, struct blob *out);

/** A JKS with every certificate of a PEM text. */
struct blob keystore_from_pem(const char *pem, uint64_t millis);

#endif
