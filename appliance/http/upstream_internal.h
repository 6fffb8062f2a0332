/** \file
 * What pool and dialler share. Nobody else includes this.
 */
#ifndef EGRESS_APPLIANCE_HTTP_UPSTREAM_INTERNAL_H
#define EGRESS_APPLIANCE_HTTP_UPSTREAM_INTERNAL_H

#include "appliance/engine.h"
#include "appliance/http/upstream.h"

struct upstream_host;
struct upstream_dialing;

#define UPSTREAM_BUCKETS 1024 /* a power of two */

struct upstream_pool {
    struct engine *e;
    struct upstream_host *buckets[UPSTREAM_BUCKETS];
    size_t n_hosts, n_idle;
    struct upstream_request *probes; /* those of upstream_alpn() */
    struct upstream_dialing *dials; /* all that are under way */
    bool closing;
};

/** Ends every dial without a word. */
void upstream_dials_drop(struct upstream_pool *p);

#endif
