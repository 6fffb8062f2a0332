/** \file
 * Unpredictable numbers from the kernel, fetched in batches.
 */
#ifndef EGRESS_DNS_RANDOM_H
#define EGRESS_DNS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_pool {
    size_t left;
    uint8_t bytes[256];
};

uint16_t random_u16(struct random_pool *p);
uint64_t random_u64(struct random_pool *p);

#endif
