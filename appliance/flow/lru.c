#include "appliance/flow/lru.h"

#include <assert.h>
#include <string.h>

#include "lib/base.h"

struct entry {
    struct entry *chain; /* same bucket */
    struct entry *newer, *older;
    void *value;
    uint64_t hash;
    char key[];
};

struct lru {
    struct entry *newest, *oldest;
    void (*free_value)(void *value);
    uint64_t seed;
    size_t n, max, n_buckets;
    struct entry *buckets[];
};

struct lru *lru_new(size_t max, uint64_t seed, void (*free_value)(void *value))
{
    size_t n = 16;
    while (n < max)
        n *= 2;
    struct lru *l = calloc(1, sizeof *l + n * sizeof(struct entry *));
    if (!l)
        return NULL;
    l->free_value = free_value;
    l->seed = seed;
    l->max = max;
    l->n_buckets = n;
    return l;
}

/* FNV-1a from a secret start, with a finish that spreads it over the low bits. */
static uint64_t hash_key(const struct lru *l, const char *key)
{
    uint64_t h = l->seed ^ 0xcbf29ce484222325u;
    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * 0x100000001b3u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

static struct entry **find(struct lru *l, const char *key, uint64_t hash)
{
    struct entry **p = &l->buckets[hash & (l->n_buckets - 1)];
    while (*p && ((*p)->hash != hash || strcmp((*p)->key, key) != 0))
        p = &(*p)->chain;
    return p;
}

static void unlink_age(struct lru *l, struct entry *e)
{
    *(e->newer ? &e->newer->older : &l->newest) = e->older;
    *(e->older ? &e->older->newer : &l->oldest) = e->newer;
}

static void push_newest(struct lru *l, struct entry *e)
{
    e->newer = NULL;
    e->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
}

static void drop(struct lru *l, struct entry **p)
{
    struct entry *e = *p;
    assert(e); /* callers found it */
    *p = e->chain;
    unlink_age(l, e);
    l->n--;
    l->free_value(e->value);
    free(e);
}

void *lru_get(struct lru *l, const char *key)
{
    struct entry *e = *find(l, key, hash_key(l, key));
    if (!e)
        return NULL;
    unlink_age(l, e);
    push_newest(l, e);
    return e->value;
}

int lru_put(struct lru *l, const char *key, void *value)
{
    uint64_t hash = hash_key(l, key);
    struct entry **p = find(l, key, hash);
    if (*p)
        drop(l, p);
    size_t len = strlen(key) + 1;
    struct entry *e = malloc(sizeof *e + len);
    if (!e) {
        l->free_value(value);
        return -ENOMEM;
    }
    if (l->n >= l->max)
        drop(l, find(l, l->oldest->key, l->oldest->hash));
    p = &l->buckets[hash & (l->n_buckets - 1)];
    *e = (struct entry){.chain = *p, .value = value, .hash = hash};
    memcpy(e->key, key, len);
    *p = e;
    push_newest(l, e);
    l->n++;
    return 0;
}

void lru_drop(struct lru *l, const char *key)
{
    struct entry **p = find(l, key, hash_key(l, key));
    if (*p)
        drop(l, p);
}

void lru_free(struct lru *l)
{
    if (!l)
        return;
    while (l->oldest)
        drop(l, find(l, l->oldest->key, l->oldest->hash));
    free(l);
}
