/** \file
 * The few idioms every file here uses. (The shim shares no code with the other programs, lib/ included.)
 */
#ifndef EGRESS_INIT_BASE_H
#define EGRESS_INIT_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

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

/** Released at the end of the scope. */
#define cleanup_fd __attribute__((cleanup(cleanup_fdp)))
#define cleanup_free __attribute__((cleanup(cleanup_freep)))

static inline void *steal_ptr_(void *pp)
{
    void **p = pp, *v = *p;
    *p = NULL;
    return v;
}
/** Hands ownership on. */
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_(pp))

#endif
