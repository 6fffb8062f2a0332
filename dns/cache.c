#include "dns/cache.h"

#include "dns/query.h"
#include "lib/base.h"

#define BUCKETS_MIN 256u
/* What malloc adds to a block. */
#define BLOCK_OVERHEAD 16u

static_assert(offsetof(struct cache_entry, data) % sizeof(uint16_t) == 0, "alignment of the TTLs' offsets");

struct cache {
    struct cache_entry **buckets;
    size_t n_buckets, count; /* n_buckets is a power of two */
    size_t bytes, limit;
    uint64_t seed;
    struct cache_entry *newest, *oldest;
};

struct cache *cache_new(size_t limit_bytes, uint64_t seed)
{
    struct cache *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->limit = limit_bytes;
    c->seed = seed;
    c->n_buckets = BUCKETS_MIN;
    c->buckets = calloc(c->n_buckets, sizeof(struct cache_entry *));
    if (c->buckets == NULL) {
        free(c);
        return NULL;
    }
    c->bytes = c->n_buckets * sizeof(struct cache_entry *);
    return c;
}

size_t cache_bytes(const struct cache *c)
{
    return c->bytes;
}

size_t cache_count(const struct cache *c)
{
    return c->count;
}

static size_t name_offset(const struct cache_entry *e)
{
    return e->n_ttl * sizeof(uint16_t) + e->len;
}

static size_t entry_bytes(const struct cache_entry *e)
{
    return sizeof *e + name_offset(e) + e->name_len + BLOCK_OVERHEAD;
}

struct body_view cache_body(const struct cache_entry *e)
{
    return (struct body_view){.b = e->data + e->n_ttl * sizeof(uint16_t),
        .ttl_at = (const uint16_t *)(const void *)e->data,
        .len = e->len,
        .an = e->an,
        .ns = e->ns,
        .n_ttl = e->n_ttl,
        .addr_at = e->addr_at,
        .n_addr = e->n_addr};
}

static struct cache_entry **bucket(struct cache *c, uint64_t hash)
{
    return &c->buckets[hash & (c->n_buckets - 1)];
}

static void unlist(struct cache *c, struct cache_entry *e)
{
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        c->newest = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
}

static void list_newest(struct cache *c, struct cache_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    if (c->newest != NULL)
        c->newest->newer = e;
    else
        c->oldest = e;
    c->newest = e;
}

static void drop(struct cache *c, struct cache_entry *e)
{
    struct cache_entry **p = bucket(c, e->hash);

    while (*p != e)
        p = &(*p)->chain;
    *p = e->chain;
    unlist(c, e);
    c->bytes -= entry_bytes(e);
    c->count--;
    free(e);
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    while (c->oldest != NULL)
        drop(c, c->oldest);
    free(c->buckets);
    free(c);
}

/* What was asked for since it came to this end of the list goes round once more, if that makes room at all.
 */
static void make_room(struct cache *c, size_t need, uint32_t now)
{
    for (int spare = 1; spare >= 0; spare--) {
        struct cache_entry *e = c->oldest, *newer;
        for (; e != NULL && c->bytes + need > c->limit; e = newer) {
            assert(e->older == NULL); /* it is the oldest: those before it went, or went round */
            newer = e->newer;
            if (spare && e->used && e->expires > now) {
                e->used = false;
                unlist(c, e);
                list_newest(c, e);
            } else {
                drop(c, e);
            }
        }
    }
}

static void grow(struct cache *c)
{
    size_t n = c->n_buckets * 2, more = c->n_buckets * sizeof(struct cache_entry *);
    struct cache_entry **bigger;

    if (c->count < c->n_buckets || c->bytes + more > c->limit / 2)
        return;
    bigger = calloc(n, sizeof(struct cache_entry *));
    if (bigger == NULL)
        return;
    for (struct cache_entry *e = c->newest; e != NULL; e = e->older) {
        e->chain = bigger[e->hash & (n - 1)];
        bigger[e->hash & (n - 1)] = e;
    }
    free(c->buckets);
    c->buckets = bigger;
    c->n_buckets = n;
    c->bytes += more;
}

struct cache_entry *cache_get(struct cache *c, const struct cache_key *k, uint32_t now)
{
    uint64_t hash = dns_name_hash(k->name, k->name_len, k->qtype, c->seed);

    for (struct cache_entry *e = *bucket(c, hash); e != NULL; e = e->chain) {
        if (e->hash != hash || e->qtype != k->qtype || e->name_len != k->name_len ||
            memcmp(e->data + name_offset(e), k->name, k->name_len) != 0)
            continue;
        if (e->stale_until <= now) {
            drop(c, e);
            return NULL;
        }
        e->used = true;
        return e;
    }
    return NULL;
}

static struct cache_entry *entry_new(const struct cache_key *k, const struct cache_value *v)
{
    const struct body_view *b = v->body;
    size_t ttls = b->n_ttl * sizeof(uint16_t);
    struct cache_entry *e = malloc(sizeof *e + ttls + b->len + k->name_len);

    if (e == NULL)
        return NULL;
    *e = (struct cache_entry){.route = v->route,
        .qtype = k->qtype,
        .len = b->len,
        .an = b->an,
        .ns = b->ns,
        .n_ttl = b->n_ttl,
        .addr_at = b->addr_at,
        .n_addr = b->n_addr,
        .rcode = v->rcode,
        .reason = v->reason,
        .dnssec = v->dnssec,
        .ede = v->ede,
        .name_len = k->name_len,
        .ad = v->ad};
    if (ttls > 0)
        memcpy(e->data, b->ttl_at, ttls);
    if (b->len > 0)
        memcpy(e->data + ttls, b->b, b->len);
    memcpy(e->data + name_offset(e), k->name, k->name_len);
    return e;
}

struct cache_entry *cache_put(
    struct cache *c, const struct cache_key *k, const struct cache_value *v, uint32_t now)
{
    struct cache_entry *old = cache_get(c, k, now), *e;

    if (old != NULL)
        drop(c, old);
    e = entry_new(k, v);
    if (e == NULL)
        return NULL;
    e->hash = dns_name_hash(k->name, k->name_len, k->qtype, c->seed);
    e->made = now;
    e->expires = now + v->ttl;
    e->stale_until = e->expires + v->stale;
    make_room(c, entry_bytes(e), now);
    if (c->bytes + entry_bytes(e) > c->limit) {
        free(e);
        return NULL;
    }
    grow(c);
    e->chain = *bucket(c, e->hash);
    *bucket(c, e->hash) = e;
    list_newest(c, e);
    c->bytes += entry_bytes(e);
    c->count++;
    return e;
}
