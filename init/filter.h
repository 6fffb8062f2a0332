/** \file
 * The system call filter: denies what only an escape needs, and nothing that compilers, debuggers, browsers
 * or language runtimes use. Refusals are errors that programs handle (EPERM, or ENOSYS where a fall-back
 * exists), never a kill, but for system calls of another architecture, which would go round the list.
 */
#ifndef EGRESS_INIT_FILTER_H
#define EGRESS_INIT_FILTER_H

#include <stddef.h>
#include <linux/filter.h>

#define FILTER_MAX 512

/** Writes the program. Returns its length in instructions. */
size_t filter_build(struct sock_filter out[static FILTER_MAX]);

/** Needs no_new_privs. Fatal where the kernel has no seccomp filters. */
void filter_install(void);

#endif
