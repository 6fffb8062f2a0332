/** \file
 * The proof of a sandbox's network, repeated in the background while its program runs. Portable.
 */
#ifndef EGRESS_HOSTCTL_PROVE_H
#define EGRESS_HOSTCTL_PROVE_H

#include <sys/types.h>

#include "hostctl/record.h"

struct proof {
    pid_t pid; /* 0: none runs */
    int said; /* what it says */
    const char *why; /* why it runs */
    const char *again; /* why another one has to; NULL: none has to */
};
#define PROOF_NONE ((struct proof){.said = -1})

/** Begins one, or another one once that which runs has ended. `why`: text that stays. What is open ends the
 * sandbox, and is said. */
void proof_begin(struct proof *p, const struct record *r, const char *why);
/** Collects one that has ended. */
void proof_turn(struct proof *p, const struct record *r);
void proof_end(struct proof *p);

#endif
