/** \file
 * Becoming CMD, found as a shell finds it.
 */
#ifndef EGRESS_INIT_EXEC_H
#define EGRESS_INIT_EXEC_H

/** Does not return where it succeeds. Otherwise ENOENT where there is no such command, or why it cannot be
 * run. */
int exec_search(char *const *command);

#endif
