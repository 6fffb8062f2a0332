/** \file
 * PID 1's work: forward signals, collect orphans, report CMD's status.
 */
#ifndef EGRESS_INIT_REAP_H
#define EGRESS_INIT_REAP_H

/** Forks. Returns in the child, which is to become CMD; the parent never returns: it exits as CMD did (128 +
 * signal where one killed it). Call it when all privileges are gone. */
void reap_become_parent(void);

#endif
