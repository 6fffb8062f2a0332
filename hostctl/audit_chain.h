/** \file
 * Checking the hash chains of an audit log: every writer's lines are numbered from 1, and each names the
 * SHA-256 of that writer's line before. Pure but for memory.
 */
#ifndef EGRESS_HOSTCTL_AUDIT_CHAIN_H
#define EGRESS_HOSTCTL_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

struct chains;

/** `cut`: older files were rotated away, so a writer may begin later than at 1. NULL: no memory. */
struct chains *chains_new(bool cut);
void chains_free(struct chains *c);

/** The next line in the order of the log, without its newline. 0, or -1 and what is wrong in `why`; later
 * lines of that writer are then checked against this one. -ENOMEM. */
int chains_line(struct chains *c, const char *line, size_t len, char *why, size_t whylen);

size_t chains_writers(const struct chains *c);
unsigned long long chains_lines(const struct chains *c);
/** Writers whose beginning was rotated away. */
size_t chains_cut(const struct chains *c);

#endif
