/** \file
 * The packet rules of the sidecar: text from the policy, chosen by what the kernel has.
 */
#ifndef EGRESS_APPLIANCE_NETFILTER_H
#define EGRESS_APPLIANCE_NETFILTER_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/policy.h"

/** Packet marks. TPROXY routes by MARK_TPROXY; the gate answers a queued packet with one of the others. */
#define MARK_TPROXY 0x45470001u
#define MARK_RELAY 0x45470002u /* a tcp route: on to an engine */
#define MARK_FORWARD 0x45470004u /* a udp route: forwarded and masqueraded */
#define MARK_REFUSE 0x45470008u /* RST or ICMP admin-prohibited */

#define PORT_ENGINE 15001 /* TPROXY and REDIRECT listeners */
#define PORT_DNS 53

enum intercept { INTERCEPT_NFT_TPROXY, INTERCEPT_XT_TPROXY, INTERCEPT_REDIRECT };
enum gate { GATE_NFT_QUEUE, GATE_XT_NFQUEUE, GATE_NONE /* everything else refused by rule */ };

struct netfilter_caps {
    enum intercept intercept;
    enum gate gate;
    bool ipv6;
};

struct netfilter_config {
    const struct policy *policy;
    const char *agent_if, *uplink_if;
    struct netfilter_caps caps;
    unsigned n_queues;
};

#endif
