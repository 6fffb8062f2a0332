/** \file
 * The lease table: which names our resolver gave an address for, and until when.
 *
 * Shared memory (a memfd of the monitor's): the resolver is the one writer, engines map it read-only and read
 * without locks (a sequence counter a bucket). Bounded; the oldest go first. Times are CLOCK_MONOTONIC
 * seconds, passed in.
 *
 * Two generations of the resolver may hold the table while a reload lasts: writers take a robust mutex inside
 * it. A writer that was killed in mid-update leaves a bucket marked as changing; the next writer repairs it.
 * Readers try a bounded number of times and then find nothing, which is a deny, never a hang.
 */
#ifndef EGRESS_DNS_LEASE_H
#define EGRESS_DNS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/hostname.h"

/** Beyond an answer's TTL, so that a connection begun at the last moment still finds its lease. */
#define LEASE_GRACE_SECONDS 60
/** Names one address may be leased to at a time (shared hosting); the oldest goes first. */
#define LEASE_NAMES_MAX 16

#define LEASE_DNS_ID_LEN 16

struct lease_table;

struct lease {
    char name[HOSTNAME_MAX + 1];
    char dns_id[LEASE_DNS_ID_LEN + 1]; /* audit id of the query that made it */
    uint64_t expires;
};

/** Bytes of shared memory for `buckets` addresses. Pages are touched only as leases come. */
size_t lease_size(size_t buckets);
/** Initialises writable memory of lease_size(buckets) bytes. */
struct lease_table *lease_create(void *mem, size_t buckets);
/** Uses memory that lease_create() initialised; read-only mappings will do. NULL: not a table. */
const struct lease_table *lease_attach(const void *mem, size_t len);
/** The same for a writer, after repairing what a killed one left half done. NULL: not a table. */
struct lease_table *lease_writer(void *mem, size_t len);

/** Writer: `name` may be dialled at `addr` until `expires`. */
void lease_put(struct lease_table *t, const struct addr *addr, const char *name, const char *dns_id,
    uint64_t expires, uint64_t now);

/** Reader: does `name` hold a lease on `addr`? `out` may be NULL. */
bool lease_find(
    const struct lease_table *t, const struct addr *addr, const char *name, uint64_t now, struct lease *out);
/** Reader: every name leased at `addr`, newest first. Returns how many (at most `max`). */
size_t lease_names(
    const struct lease_table *t, const struct addr *addr, uint64_t now, struct lease *out, size_t max);

#endif
