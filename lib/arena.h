/** \file
 * Bump allocation for things that live and die together: one request's head, one compiled policy.
 */
#ifndef EGRESS_LIB_ARENA_H
#define EGRESS_LIB_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t used, total, limit; /* bytes; limit 0 = none */
};

/** `limit` bounds the bytes handed out; past it arena_alloc() returns NULL. */
void arena_init(struct arena *a, size_t limit);
/** Zeroed, 16-byte aligned, NULL past the limit or out of memory. */
void *arena_alloc(struct arena *a, size_t n);
/** NUL-terminated copy; NULL as arena_alloc(). */
char *arena_strndup(struct arena *a, const char *s, size_t n);
/** Everything at once; the arena may be used again. */
void arena_free(struct arena *a);

#endif
