/** \file
 * A bounded map from a text key to a value; the one used longest ago makes room. Pure memory.
 */
#ifndef EGRESS_APPLIANCE_FLOW_LRU_H
#define EGRESS_APPLIANCE_FLOW_LRU_H

#include <stddef.h>
#include <stdint.h>

struct lru;

/** `free_value` is called for each value that leaves. `seed` keeps an agent from choosing names of one
 * bucket. NULL: no memory. */
struct lru *lru_new(size_t max, uint64_t seed, void (*free_value)(void *value));
void lru_free(struct lru *l);

/** NULL: not there. The value stays the map's, until the next lru_put() or lru_drop(). */
void *lru_get(struct lru *l, const char *key);
/** Takes `value`, in place of what was there. -ENOMEM: it is freed. */
int lru_put(struct lru *l, const char *key, void *value);
void lru_drop(struct lru *l, const char *key);

#endif
