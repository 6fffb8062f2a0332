/** \file
 * The gate's decision: a packet, the leases and the policy make a verdict. Pure; the time is passed in.
 */
#ifndef EGRESS_APPLIANCE_GATE_JUDGE_H
#define EGRESS_APPLIANCE_GATE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/packet.h"
#include "dns/lease.h"
#include "lib/policy.h"
#include "lib/reason.h"

struct gate_verdict {
    uint32_t mark; /* MARK_RELAY, MARK_FORWARD, MARK_REFUSE; 0 = drop without an answer */
    enum reason reason; /* REASON_NONE: allowed */
    const struct route *route; /* that allows it; NULL if none does */
    const char *detail; /* what is odd about the packet; NULL: nothing */
    bool named; /* `lease` is set: the one name that this address has, or the one that was allowed */
    struct lease lease;
};

/** `mark` is what the rules made of the packet, `now` is of lease.h's clock. `leases` may be NULL: none. */
void gate_judge(const struct policy *policy, const struct lease_table *leases, const struct packet *p,
    uint32_t mark, uint64_t now, struct gate_verdict *out);

#endif
