/* Theory of operation
 *
 * The memory holds a header, an array of buckets and a ring of 64-octet cells. A lease is a record of one to
 * five consecutive cells (most take one: that is what keeps ten thousand of them below a megabyte). Records
 * are taken from the ring in order and given back in order, so that the oldest go first without any list of
 * ages. A record in use hangs in the list of its address's bucket.
 *
 * Whatever changes a bucket's list, or a cell that the list reached, happens while that bucket's sequence
 * counter is odd. A reader copies what it needs, then looks whether the counter is still the same even
 * number. All shared words are read and written as relaxed atomics with the fences of a seqlock (Boehm, "Can
 * seqlocks get along with programming language memory models?"). A reader trusts no offset: a compromised
 * writer can make it find the wrong lease, not make it read elsewhere.
 */
#include "dns/lease.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base.h"

#define LEASE_MAGIC 0x6567726c65617365u
#define CELL 64u
#define CELL_WORDS (CELL / sizeof(uint64_t))
#define RECORD_CELLS_MAX 5u
#define RECORD_HEAD 43u
#define HEAD_WORDS ((RECORD_HEAD + sizeof(uint64_t) - 1) / sizeof(uint64_t))
#define NIL UINT32_MAX
/* A reader meets a writer's half microsecond rarely, twice hardly ever. */
#define READ_TRIES 1000
/* More records than this in one bucket are the work of a broken writer. */
#define CHAIN_MAX 256u
/* A writer keeps lists shorter than that: an agent that found many addresses of one bucket loses its own
 * leases. */
#define CHAIN_KEEP 128u

struct bucket {
    atomic_uint seq; /* odd while it changes */
    atomic_uint head; /* first cell of the newest record, or NIL */
};

struct lease_table {
    uint64_t magic;
    uint32_t n_buckets, n_cells;
    uint64_t seed;
    /* The writer's own. */
    pthread_mutex_t lock;
    uint32_t tail, used; /* oldest record, cells in use from there */
    struct bucket buckets[];
};

/* As it lies in the ring; the name follows, not terminated. */
struct record {
    uint8_t addr[16];
    char dns_id[LEASE_DNS_ID_LEN];
    uint32_t expires;
    uint32_t next;
    uint8_t name_len;
    uint8_t cells;
    uint8_t linked; /* 0: a filler or a dropped lease, only waiting to be given back */
    char name[RECORD_CELLS_MAX * CELL - RECORD_HEAD];
};
static_assert(offsetof(struct record, name) == RECORD_HEAD, "record head");
static_assert(sizeof(struct record) == (size_t)RECORD_CELLS_MAX * CELL, "record size");
static_assert(HOSTNAME_MAX <= sizeof((struct record){0}.name), "room for every name");

static size_t ring_offset(size_t n_buckets)
{
    size_t n = sizeof(struct lease_table) + n_buckets * sizeof(struct bucket);

    return (n + CELL - 1) / CELL * CELL;
}

/* Two cells an address: a longer name, or another name of the same address. */
static size_t cells_for(size_t n_buckets)
{
    return MAX(n_buckets * 2, (size_t)4 * RECORD_CELLS_MAX);
}

size_t lease_size(size_t buckets)
{
    return ring_offset(buckets) + cells_for(buckets) * CELL;
}

static _Atomic uint64_t *cell_at(const struct lease_table *t, uint32_t i)
{
    char *base = (char *)(uintptr_t)t + ring_offset(t->n_buckets);

    return (_Atomic uint64_t *)(void *)(base + (size_t)i * CELL);
}

struct lease_table *lease_create(void *mem, size_t buckets)
{
    struct lease_table *t = mem;
    pthread_mutexattr_t attr;

    t->n_buckets = (uint32_t)buckets;
    t->n_cells = (uint32_t)cells_for(buckets);
    t->seed = (uint64_t)(uintptr_t)mem * 0x9e3779b97f4a7c15u;
    t->tail = t->used = 0;
    for (size_t i = 0; i < buckets; i++) {
        atomic_init(&t->buckets[i].seq, 0);
        atomic_init(&t->buckets[i].head, NIL);
    }
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(&t->lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    t->magic = LEASE_MAGIC;
    return t;
}

const struct lease_table *lease_attach(const void *mem, size_t len)
{
    const struct lease_table *t = mem;

    if (len < sizeof *t || t->magic != LEASE_MAGIC || t->n_buckets == 0 || t->n_buckets > len / CELL ||
        t->n_cells != cells_for(t->n_buckets) || len < lease_size(t->n_buckets))
        return NULL;
    return t;
}

static uint32_t bucket_of(const struct lease_table *t, const uint8_t addr[static 16])
{
    uint64_t a, b;

    memcpy(&a, addr, 8);
    memcpy(&b, addr + 8, 8);
    uint64_t h = (a ^ t->seed) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32 ^ b) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)((h ^ h >> 29) % t->n_buckets);
}

/* Copies the cells of the record at `i`, as many as it says it has. False: there is no such record. */
static bool record_load(const struct lease_table *t, uint32_t i, struct record *out)
{
    uint64_t *to = (uint64_t *)(void *)out;
    uint32_t n = 1;

    for (uint32_t c = 0; c < n; c++) {
        if (i >= t->n_cells - c)
            return false;
        const _Atomic uint64_t *from = cell_at(t, i + c);
        for (size_t w = 0; w < CELL_WORDS; w++)
            to[c * CELL_WORDS + w] = atomic_load_explicit(&from[w], memory_order_relaxed);
        if (c == 0)
            n = out->cells;
        if (n == 0 || n > RECORD_CELLS_MAX)
            return false;
    }
    return out->name_len <= HOSTNAME_MAX && RECORD_HEAD + (size_t)out->name_len <= (size_t)n * CELL;
}

static void record_store(struct lease_table *t, uint32_t i, const struct record *r)
{
    const uint64_t *from = (const uint64_t *)(const void *)r;
    _Atomic uint64_t *to = cell_at(t, i);

    for (size_t w = 0; w < r->cells * CELL_WORDS; w++)
        atomic_store_explicit(&to[w], from[w], memory_order_relaxed);
}

/* Only the first words: head fields of a record whose name stays. */
static void record_store_head(struct lease_table *t, uint32_t i, const struct record *r)
{
    const uint64_t *from = (const uint64_t *)(const void *)r;
    _Atomic uint64_t *to = cell_at(t, i);

    for (size_t w = 0; w < HEAD_WORDS; w++)
        atomic_store_explicit(&to[w], from[w], memory_order_relaxed);
}

static void change_begin(struct bucket *b)
{
    unsigned seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

    atomic_store_explicit(&b->seq, seq | 1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void change_end(struct bucket *b)
{
    unsigned seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

    atomic_store_explicit(&b->seq, (seq | 1u) + 1u, memory_order_release);
}

static uint32_t head_of(const struct bucket *b)
{
    return atomic_load_explicit(&b->head, memory_order_relaxed);
}

static void set_head(struct bucket *b, uint32_t i)
{
    atomic_store_explicit(&b->head, i, memory_order_relaxed);
}

/* Takes record `i` out of its list. */
static void unlink_record(struct lease_table *t, uint32_t i, struct record *r)
{
    struct bucket *b = &t->buckets[bucket_of(t, r->addr)];
    struct record prev;
    uint32_t at = head_of(b), before = NIL;

    for (unsigned n = 0; at != i && at != NIL && n < CHAIN_MAX; n++) {
        if (!record_load(t, at, &prev))
            return;
        before = at;
        at = prev.next;
    }
    change_begin(b);
    if (at == i && before == NIL) {
        set_head(b, r->next);
    } else if (at == i) {
        prev.next = r->next;
        record_store_head(t, before, &prev);
    }
    r->linked = 0;
    record_store_head(t, i, r);
    change_end(b);
}

/* Gives back the oldest record. */
static void drop_oldest(struct lease_table *t)
{
    struct record r;

    if (!record_load(t, t->tail, &r) || r.cells > t->used) {
        t->used = 0; /* cannot be but by a stray write: start afresh, losing leases, never inventing any */
        t->tail = 0;
        for (uint32_t i = 0; i < t->n_buckets; i++) {
            change_begin(&t->buckets[i]);
            set_head(&t->buckets[i], NIL);
            change_end(&t->buckets[i]);
        }
        return;
    }
    if (r.linked)
        unlink_record(t, t->tail, &r);
    t->tail = (t->tail + r.cells) % t->n_cells;
    t->used -= r.cells;
}

/* Room for `cells` consecutive cells at the ring's end; the rest of a lap that is too short becomes fillers.
 */
static uint32_t take_cells(struct lease_table *t, uint32_t cells)
{
    for (;;) {
        while (t->n_cells - t->used < cells)
            drop_oldest(t);
        uint32_t at = (t->tail + t->used) % t->n_cells;
        if (t->n_cells - at >= cells)
            return at;
        struct record filler = {.cells = 1};
        record_store(t, at, &filler);
        t->used++;
    }
}

/* Repairs after a writer that died: every bucket whose list was changing, or reaches a cell that is not in
 * use, is built again from the ring. The counter of a bucket that was left odd becomes even. */
static bool in_use(const struct lease_table *t, uint32_t i)
{
    return i < t->n_cells && (i + t->n_cells - t->tail) % t->n_cells < t->used;
}

static bool bucket_sound(const struct lease_table *t, uint32_t b)
{
    struct record r;
    uint32_t i = head_of(&t->buckets[b]);

    if (atomic_load_explicit(&t->buckets[b].seq, memory_order_relaxed) & 1u)
        return false;
    for (unsigned n = 0; i != NIL; n++, i = r.next)
        if (n >= CHAIN_MAX || !in_use(t, i) || !record_load(t, i, &r) || !r.linked ||
            bucket_of(t, r.addr) != b)
            return false;
    return true;
}

static void rebuild_bucket(struct lease_table *t, uint32_t b)
{
    struct record r;
    uint32_t head = NIL;

    change_begin(&t->buckets[b]);
    for (uint32_t done = 0, i = t->tail; done < t->used; done += r.cells, i = (i + r.cells) % t->n_cells) {
        if (!record_load(t, i, &r))
            break;
        if (!r.linked || bucket_of(t, r.addr) != b)
            continue;
        r.next = head;
        record_store_head(t, i, &r);
        head = i;
    }
    set_head(&t->buckets[b], head);
    change_end(&t->buckets[b]);
}

static void repair(struct lease_table *t)
{
    if (t->tail >= t->n_cells || t->used > t->n_cells)
        t->tail = t->used = 0;
    for (uint32_t b = 0; b < t->n_buckets; b++)
        if (!bucket_sound(t, b))
            rebuild_bucket(t, b);
}

static void writer_lock(struct lease_table *t)
{
    if (pthread_mutex_lock(&t->lock) != EOWNERDEAD)
        return;
    repair(t);
    (void)pthread_mutex_consistent(&t->lock);
}

struct lease_table *lease_writer(void *mem, size_t len)
{
    struct lease_table *t = lease_attach(mem, len) != NULL ? mem : NULL;

    if (t != NULL) {
        writer_lock(t);
        (void)pthread_mutex_unlock(&t->lock);
    }
    return t;
}

static void put_new(struct lease_table *t, uint32_t b, struct record *r)
{
    uint32_t at = take_cells(t, r->cells);
    struct bucket *bucket = &t->buckets[b];

    /* The cells belong to the ring before a list reaches them: a repair walks whole records only. */
    r->linked = 0;
    r->next = head_of(bucket);
    record_store(t, at, r);
    t->used += r->cells;
    change_begin(bucket);
    r->next = head_of(bucket);
    r->linked = 1;
    record_store_head(t, at, r);
    set_head(bucket, at);
    change_end(bucket);
}

/* Young enough that a renewal may stay where it is: else it would be given back while it is still wanted. */
static bool is_young(const struct lease_table *t, uint32_t i)
{
    return t->used < t->n_cells / 2 || (i + t->n_cells - t->tail) % t->n_cells >= t->used / 2;
}

static void put_locked(struct lease_table *t, struct record *fresh, uint64_t now)
{
    uint32_t b = bucket_of(t, fresh->addr), oldest = NIL, last = NIL;
    unsigned names = 0, n = 0;
    struct record r;

    for (uint32_t i = head_of(&t->buckets[b]); i != NIL && n < CHAIN_MAX; i = r.next, n++) {
        if (!record_load(t, i, &r))
            break;
        bool mine = memcmp(r.addr, fresh->addr, 16) == 0;
        bool same = mine && r.name_len == fresh->name_len && memcmp(r.name, fresh->name, r.name_len) == 0;
        if (same && is_young(t, i) && r.expires >= now) {
            change_begin(&t->buckets[b]);
            r.expires = MAX(r.expires, fresh->expires);
            memcpy(r.dns_id, fresh->dns_id, sizeof r.dns_id);
            record_store_head(t, i, &r);
            change_end(&t->buckets[b]);
            return;
        }
        if (same || r.expires < now) {
            unlink_record(t, i, &r);
            continue;
        }
        last = i;
        if (mine) {
            names++;
            oldest = i;
        }
    }
    if (names >= LEASE_NAMES_MAX)
        last = oldest;
    if ((names >= LEASE_NAMES_MAX || n >= CHAIN_KEEP) && record_load(t, last, &r))
        unlink_record(t, last, &r);
    put_new(t, b, fresh);
}

void lease_put(struct lease_table *t, const struct addr *addr, const char *name, const char *dns_id,
    uint64_t expires, uint64_t now)
{
    struct record r = {.expires = expires > UINT32_MAX ? UINT32_MAX : (uint32_t)expires};
    size_t len = strlen(name);

    if (len == 0 || len > HOSTNAME_MAX)
        return;
    memcpy(r.addr, addr->b, sizeof r.addr);
    memcpy(r.dns_id, dns_id, strnlen(dns_id, sizeof r.dns_id));
    memcpy(r.name, name, len);
    r.name_len = (uint8_t)len;
    r.cells = (uint8_t)((RECORD_HEAD + len + CELL - 1) / CELL);
    writer_lock(t);
    put_locked(t, &r, now);
    (void)pthread_mutex_unlock(&t->lock);
}

static void to_lease(const struct record *r, struct lease *out)
{
    memcpy(out->name, r->name, r->name_len);
    out->name[r->name_len] = '\0';
    memcpy(out->dns_id, r->dns_id, sizeof r->dns_id);
    out->dns_id[LEASE_DNS_ID_LEN] = '\0';
    out->expires = r->expires;
}

/* One pass over a bucket, without knowing yet whether it changed meanwhile. `name` NULL: every name. */
static size_t collect(const struct lease_table *t, uint32_t head, const struct addr *addr, const char *name,
    uint64_t now, struct lease *out, size_t max)
{
    size_t len = name != NULL ? strlen(name) : 0, found = 0;
    struct record r;

    for (uint32_t i = head, n = 0; i != NIL && n < CHAIN_MAX && found < max; i = r.next, n++) {
        if (!record_load(t, i, &r))
            break;
        if (r.expires < now || memcmp(r.addr, addr->b, 16) != 0)
            continue;
        if (name != NULL && (len != r.name_len || memcmp(name, r.name, len) != 0))
            continue;
        to_lease(&r, &out[found++]);
    }
    return found;
}

static size_t read_bucket(const struct lease_table *t, const struct addr *addr, const char *name,
    uint64_t now, struct lease *out, size_t max)
{
    const struct bucket *b = &t->buckets[bucket_of(t, addr->b)];

    for (int try = 0; try < READ_TRIES; try++) {
        unsigned before = atomic_load_explicit(&b->seq, memory_order_acquire);
        if (before & 1u)
            continue;
        size_t n = collect(t, head_of(b), addr, name, now, out, max);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&b->seq, memory_order_relaxed) == before)
            return n;
    }
    return 0;
}

bool lease_find(
    const struct lease_table *t, const struct addr *addr, const char *name, uint64_t now, struct lease *out)
{
    struct lease found;

    if (read_bucket(t, addr, name, now, &found, 1) == 0)
        return false;
    if (out != NULL)
        *out = found;
    return true;
}

size_t lease_names(
    const struct lease_table *t, const struct addr *addr, uint64_t now, struct lease *out, size_t max)
{
    return read_bucket(t, addr, NULL, now, out, max);
}
