#include "appliance/flow/tls_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Record buffers and the handshake's message buffer; and the buffers of its BIO. Nothing that lives long is
 * of these sizes. Classes of 1 KiB. */
#define BIO_BUFFER 4096u
#define POOLED_MIN 12288u
#define POOLED_MAX 24576u
#define CLASS_SHIFT 10
#define CLASSES ((POOLED_MAX >> CLASS_SHIFT) + 1)
#define KEPT_MAX 16 /* of a class */

struct spare {
    struct spare *next;
};

/* The allocator of a process is state of the process: one thread in each of ours. */
static struct {
    struct spare *first[CLASSES];
    unsigned n[CLASSES];
} pool;

static bool pooled(size_t n)
{
    return n == BIO_BUFFER || (n >= POOLED_MIN && n <= POOLED_MAX);
}

static void *pool_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (!pooled(n))
        return malloc(n);
    size_t c = (n + (1u << CLASS_SHIFT) - 1) >> CLASS_SHIFT;
    struct spare *s = pool.first[c];
    if (!s)
        return malloc(c << CLASS_SHIFT); /* the class's upper end: any of them will do */
    pool.first[c] = s->next;
    pool.n[c]--;
    return s;
}

static void pool_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    size_t n = p ? malloc_usable_size(p) : 0, c = n >> CLASS_SHIFT;
    bool small = n >= BIO_BUFFER && n < BIO_BUFFER + 64;
    if ((!small && n < POOLED_MIN) || c >= CLASSES || pool.n[c] == KEPT_MAX) {
        free(p);
        return;
    }
    struct spare *s = p;
    s->next = pool.first[c];
    pool.first[c] = s;
    pool.n[c]++;
}

static void *pool_realloc(void *p, size_t n, const char *file, int line)
{
    size_t have = p ? malloc_usable_size(p) : 0;
    if (!pooled(n) && have < BIO_BUFFER)
        return realloc(p, n);
    if (p && n <= have)
        return p;
    void *q = pool_malloc(n, file, line);
    if (q && p) {
        memcpy(q, p, have);
        pool_free(p, file, line);
    }
    return q;
}

void tls_memory_init(void)
{
    (void)CRYPTO_set_mem_functions(pool_malloc, pool_realloc, pool_free);
}
