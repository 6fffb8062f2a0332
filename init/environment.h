/** \file
 * What the agent finds in its environment.
 */
#ifndef EGRESS_INIT_ENVIRONMENT_H
#define EGRESS_INIT_ENVIRONMENT_H

#include "init/init.h"
#include "init/place.h"

/** Sets a variable; fatal where memory is out. */
void environment_set(const char *name, const char *value);

/** Keeps the present values of these variables in a file for a later --exec, which starts without them. */
void environment_keep(struct place *p, const char *const *names, unsigned n);

/** Sets what an earlier run kept; nothing where there was none. */
void environment_load(void);

/** The agent's group (where none was given), HOME and USER by /etc/passwd. HOME and USER change only where
 * they are missing or root's; the agent could not use those. */
void environment_identify(struct settings *s);

/** Removes our own variables. */
void environment_clean(void);

#endif
