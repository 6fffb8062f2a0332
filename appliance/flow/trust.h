/** \file
 * A bundle of CA certificates that are parsed only when an upstream's chain asks for one.
 *
 * Of the some hundred and forty of a system a sandbox meets a handful, and parsing one (its key, above all)
 * costs OpenSSL 3 a tenth of a millisecond: all of them would be half of a start.
 */
#ifndef EGRESS_APPLIANCE_FLOW_TRUST_H
#define EGRESS_APPLIANCE_FLOW_TRUST_H

#include <openssl/types.h>

/** Adds the certificates of a PEM file to `store`. What is already in the store stays, and gets those of its
 * own subject beside it. 0, or -errno: -EINVAL = no certificate in it. */
int trust_add_bundle(X509_STORE *store, const char *file);

#endif
