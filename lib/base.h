/** \file
 * The few idioms every file uses: bounds, and one way to release things.
 *
 * cleanup_fd and cleanup_free release at end of scope; steal_fd() and steal_ptr() hand ownership on.
 */
#ifndef EGRESS_LIB_BASE_H
#define EGRESS_LIB_BASE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#ifndef MIN /* sys/param.h, which uv.h includes, has them too */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
#define KIB(n) ((size_t)(n)*1024)
#define MIB(n) ((size_t)(n)*1024 * 1024)

static inline void cleanup_fdp(const int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        (void)close(*fd);
        errno = saved;
    }
}

static inline void cleanup_freep(void *p)
{
    free(*(void **)p);
}

#define cleanup_fd __attribute__((cleanup(cleanup_fdp)))
#define cleanup_free __attribute__((cleanup(cleanup_freep)))

static inline int steal_fd(int *fd)
{
    int f = *fd;
    *fd = -1;
    return f;
}

static inline void *steal_ptr_(void *pp)
{
    void **p = pp, *v = *p;
    *p = NULL;
    return v;
}
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_(pp))

#endif
