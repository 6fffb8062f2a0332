/** \file
 * Step 3b: programs trust the sidecar's CA beside those that they trusted already.
 */
#ifndef EGRESS_INIT_TRUST_H
#define EGRESS_INIT_TRUST_H

#include "init/place.h"

/** Appends the PEM certificates in `ca_file` to every system bundle and Java trust store there is, and sets
 * the variables by which runtimes are told of one. Fatal where the CA cannot be read or no place takes it. */
void trust_install(struct place *p, const char *ca_file);

#endif
