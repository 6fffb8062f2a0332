/** \file
 * Is it the sidecar that answers? Its resolver knows one name that nobody else has: SENTINEL_NAME, whose
 * address is the sidecar's own.
 */
#ifndef EGRESS_INIT_SENTINEL_H
#define EGRESS_INIT_SENTINEL_H

#include <stddef.h>
#include <stdint.h>

#define SENTINEL_NAME "sentinel.egressd.internal"
#define SENTINEL_QUERY_LEN 43

enum sentinel_answer {
    SENTINEL_NONE, /* no answer to that query */
    SENTINEL_SIDECAR,
    SENTINEL_STRANGER, /* somebody else's answer */
};

/** An A query for SENTINEL_NAME (RFC 1035 4.1). */
void sentinel_query(uint16_t id, uint8_t out[static SENTINEL_QUERY_LEN]);

/** Judges a datagram. Pure; `address` is the sidecar's, in network order. */
enum sentinel_answer sentinel_judge(const uint8_t *msg, size_t len, uint16_t id, uint32_t address);

#endif
