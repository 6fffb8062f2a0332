/** \file
 * Steps 5 and 6: give every privilege up for good, and prove it.
 */
#ifndef EGRESS_INIT_PRIVILEGE_H
#define EGRESS_INIT_PRIVILEGE_H

#include "init/init.h"

/** Capability sets, securebits, groups, ids, no_new_privs, the system call filter, inherited descriptors
 * above 2. */
void privilege_drop(const struct settings *s);

/** Reads all of it back and tries to use what must be gone; fatal where anything is left. */
void privilege_prove(const struct settings *s);

#endif
