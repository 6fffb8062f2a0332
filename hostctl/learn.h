/** \file
 * From an audit log to the smallest policy that allows what is in it, for a person to edit. Portable; no
 * clock.
 *
 * Lines with the verdicts allow and audit count; hosts are taken exactly, paths exactly too until so many
 * siblings have been seen in one place that they must be data (an id, a name), then what is stable before
 * them. The same log gives the same text.
 */
#ifndef EGRESS_HOSTCTL_LEARN_H
#define EGRESS_HOSTCTL_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LEARN_SIBLINGS 8 /* distinct names in one place of a path that make it a place for data */

struct learn;

/** NULL: no memory. */
struct learn *learn_new(unsigned siblings);
void learn_free(struct learn *l);
/** One line of the log. False where it is not one; such lines change nothing. */
bool learn_line(struct learn *l, const char *line, size_t len);
/** The policy as YAML. `source` is for its first comment. */
void learn_write(struct learn *l, FILE *out, const char *source);

/* learn_paths.c: the requests of one host, as rules. */

/** Bits of methods: the caller's numbering. */
typedef uint64_t method_set;
struct path_rule {
    char *path; /* NULL: every path */
    bool prefix; /* else exact */
    method_set methods;
};
struct path_tree;
struct path_tree *path_tree_new(unsigned siblings);
void path_tree_free(struct path_tree *t);
/** `path` as the log has it: canonical, without query; one that no rule could name counts as every path. */
bool path_tree_add(struct path_tree *t, const char *path, method_set methods);
/** Sorted by path; what another rule covers for the same methods is left out. Caller frees each `path` and
 * the array; NULL: no memory, or `*n` is 0. */
struct path_rule *path_tree_rules(const struct path_tree *t, size_t *n);

#endif
