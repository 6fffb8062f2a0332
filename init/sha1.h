/** \file
 * SHA-1 (FIPS 180-4), which Java key stores and OpenSSL's certificate directories are built on. Nothing
 * secret rests on it here.
 */
#ifndef EGRESS_INIT_SHA1_H
#define EGRESS_INIT_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20

struct sha1 {
    uint32_t h[5];
    uint64_t len; /* octets so far */
    uint8_t block[64];
};

void sha1_init(struct sha1 *s);
void sha1_add(struct sha1 *s, const void *data, size_t len);
void sha1_end(struct sha1 *s, uint8_t out[static SHA1_LEN]);

#endif
