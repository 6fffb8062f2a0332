#include "dns/cache.h"

#include "dns/query.h"
#include "lib/base.h"

#define BUCKETS_MIN 256u
/* What malloc adds to a block. */
#define BLOCK_OVERHEAD 16u

/* More of them make the table itself larger than what it saves. */
#define ENTRIES_A_BUCKET 2u

static_assert(offsetof(struct cache_entry, data) % sizeof(uint16_t) == 0, "alignment of the TTLs' offsets");
static_assert(BODY_RECORDS_MAX + 1 <= UINT8_MAX, "an entry counts records in octets");

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

/* Each record has one. */
static size_t ttl_count(const struct cache_entry *e)
{
    return (size_t)e->an + e->ns;
}

static size_t name_offset(const struct cache_entry *e)
{
    return ttl_count(e) * sizeof(uint16_t) + e->len;
}

static size_t entry_size(size_t data)
{
    return offsetof(struct cache_entry, data) + data;
}

static size_t entry_bytes(const struct cache_entry *e)
{
    return entry_size(name_offset(e) + e->name_len) + BLOCK_OVERHEAD;
}

struct body_view cache_body(const struct cache_entry *e)
{
    return (struct body_view){.b = e->data + ttl_count(e) * sizeof(uint16_t),
        .ttl_at = (const uint16_t *)(const void *)e->data,
        .len = e->len,
        .an = e->an,
        .ns = e->ns,
        .n_ttl = (uint16_t)ttl_count(e),
        .addr_at = e->addr_at,
        .n_addr = e->n_addr};
}

static uint32_t hash_of(const struct cache *c, const struct cache_key *k)
{
    return (uint32_t)dns_name_hash(k->name, k->name_len, k->qtype, c->seed);
}

static struct cache_entry **bucket(struct cache *c, uint32_t hash)
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

    if (c->count < c->n_buckets * ENTRIES_A_BUCKET || c->bytes + more > c->limit / 2)
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
    uint32_t hash = hash_of(c, k);

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
    size_t size = entry_size(ttls + b->len + k->name_len);
    struct cache_entry *e = malloc(MAX(size, sizeof *e));

    assert(b->n_ttl == b->an + b->ns && b->n_ttl <= BODY_RECORDS_MAX + 1 && v->rcode < 16 && v->dnssec < 16);
    if (e == NULL)
        return NULL;
    *e = (struct cache_entry){.route = v->route,
        .qtype = k->qtype,
        .len = b->len,
        .an = (uint8_t)b->an,
        .ns = (uint8_t)b->ns,
        .addr_at = b->addr_at,
        .n_addr = (uint8_t)b->n_addr,
        .rcode = v->rcode & 15u,
        .reason = v->reason,
        .dnssec = v->dnssec & 15u,
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
    e->hash = hash_of(c, k);
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
