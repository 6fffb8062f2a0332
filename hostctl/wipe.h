/** \file
 * Overwriting that the compiler keeps (macOS has no explicit_bzero).
 */
#ifndef EGRESS_HOSTCTL_WIPE_H
#define EGRESS_HOSTCTL_WIPE_H

#include <stddef.h>

static inline void wipe(void *p, size_t n)
{
    for (volatile unsigned char *b = p; n; n--)
        *b++ = 0;
}

#endif
