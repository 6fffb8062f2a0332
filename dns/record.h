/** \file
 * One record of a message, read and decompressed. Pure.
 */
#ifndef EGRESS_DNS_RECORD_H
#define EGRESS_DNS_RECORD_H

#include "dns/wire.h"

struct record {
    struct dns_name owner;
    uint16_t type, rdlen; /* type 0: not of class IN */
    uint32_t ttl;
    size_t rdata; /* offset in the message */
};

/** Reads the record at the cursor and steps over it. */
void record_read(struct wire_in *w, struct record *r);

/** RDATA without compression into `out`. Returns out->at; sets `*bad` where it is not what its type has. */
size_t record_expand(const uint8_t *msg, size_t len, const struct record *r, struct wire_out *out, bool *bad);

#endif
