/** \file
 * What becomes of a question: a pure function of policy, name and type. Asks nobody.
 */
#ifndef EGRESS_DNS_JUDGE_H
#define EGRESS_DNS_JUDGE_H

#include "dns/query.h"
#include "lib/audit.h"
#include "lib/policy.h"

/** Names of the sidecar itself; the start-up proof asks for it. */
#define SENTINEL_HOST "sentinel.egressd.internal"
#define SENTINEL_TEXT "egressd"

enum dns_action {
    DNS_ASK, /* cache, then upstream */
    DNS_EMPTY, /* NOERROR without records */
    DNS_ANY, /* one HINFO (RFC 8482 4.2) */
    DNS_SENTINEL,
    DNS_REVERSE, /* the lease table knows, or nobody */
    DNS_REFUSE_NAME, /* as policy dns.refused says */
    DNS_REFUSE_TYPE, /* the name is allowed, the type is not */
    DNS_REFUSE_LOCAL, /* special-use names and those that are no host names: nothing to explain to a web
                         client */
    DNS_REFUSE, /* RCODE REFUSED */
};

struct dns_judgement {
    enum dns_action action;
    enum reason reason; /* REASON_NONE: allowed */
    const struct route *route; /* NULL: none */
};

/** `host` is the canonical name, NULL where the name is not a host name. `ipv6`: the uplink has it. */
struct dns_judgement dns_judge(
    const struct policy *p, const char *host, uint16_t qtype, uint16_t qclass, bool ipv6);

/** The address that a name below in-addr.arpa or ip6.arpa stands for (RFC 1035 3.5, RFC 3596 2.5). */
bool dns_reverse_addr(const char *host, struct addr *out);

#endif
