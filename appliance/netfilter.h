/** \file
 * The packet rules of the sidecar: text from the policy, chosen by what the kernel has, loaded by the `nft`
 * program.
 *
 * Every packet of the agent's gets a mark in the first chain and is dropped wherever a later chain does not
 * know the mark. Whatever is missing (a chain, a route, a process, the xtables rule of a fallback) thus
 * closes the door.
 *
 * Only the monitor calls what changes something here; it needs CAP_NET_ADMIN (and CAP_NET_BIND_SERVICE for
 * port 53) and never sees a packet. /proc/sys is not needed. Functions return 0 (or a descriptor) or -errno
 * unless stated.
 */
#ifndef EGRESS_APPLIANCE_NETFILTER_H
#define EGRESS_APPLIANCE_NETFILTER_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/policy.h"

/** Packet marks. TPROXY routes by MARK_TPROXY; the gate answers a queued packet with RELAY, FORWARD or
 * REFUSE. */
#define MARK_TPROXY 0x45470001u
#define MARK_RELAY 0x45470002u /* a tcp route: on to an engine */
#define MARK_FORWARD 0x45470004u /* a udp route: forwarded and masqueraded; also the connection's mark */
#define MARK_REFUSE 0x45470008u /* RST or ICMP admin-prohibited */

/** What the first chain made of a packet. The gate reads these with the packet (NFQA_MARK). */
#define MARK_QUEUE 0x45470010u /* the gate decides */
#define MARK_ODD 0x45470110u /* so it does, but the packet is of a kind that never passes */
#define MARK_SPOOFED 0x45470210u /* so it does; answering would reach somebody else */
#define MARK_QUEUE_BITS 0xffff0010u /* all three, and only these, have MARK_QUEUE under this mask */
#define MARK_DNS 0x45470020u
#define MARK_WEB 0x45470040u
#define MARK_LOCAL 0x45470080u /* ping and neighbour discovery: the sidecar's kernel answers */

#define PORT_ENGINE 15001u /* TPROXY and REDIRECT listeners */
#define PORT_DNS 53u

#define NETFILTER_TABLE "egressd"
/** Routing table, and priority of the rule, that deliver TPROXY'd packets locally. */
#define NETFILTER_ROUTE_TABLE 17735u
#define NETFILTER_ROUTE_PREF 100u

enum intercept { INTERCEPT_NFT_TPROXY, INTERCEPT_XT_TPROXY, INTERCEPT_REDIRECT };
enum gate_mode { GATE_NFT_QUEUE, GATE_XT_NFQUEUE, GATE_NONE /* everything else refused by rule */ };

struct netfilter_caps {
    enum intercept intercept;
    enum gate_mode gate;
    bool ipv6; /* the uplink has IPv6: the caller's to set; false = closed in every direction */
};

struct netfilter_config {
    const struct policy *policy;
    const char *agent_if, *uplink_if; /* interface names */
    struct netfilter_caps caps;
    unsigned n_queues; /* QUEUE_NUMBER and up; one an engine */
};

/** "nft tproxy", "nft queue"...: for messages and `egressd doctor`. */
const char *intercept_name(enum intercept i);
const char *gate_mode_name(enum gate_mode g);

/** What this kernel has, best first, found by trying in transactions that are never committed; well under 1
 * ms. Leaves `ipv6` as it is. -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP without nf_tables. */
int netfilter_probe(struct netfilter_caps *caps);

/** One by one, for `egressd doctor`: `results` gets 0, or -ENOENT where the kernel lacks it. Names as the
 * kernel's: "tproxy", "fib". 0 or -errno. */
int netfilter_probe_exprs(const char *const *names, int *results, size_t n);
/** An xtables target, such as "NFQUEUE", in a family (NFPROTO_IPV4...). 0, or -errno where there is none. */
int netfilter_probe_target(int family, const char *name, unsigned revision);

/** Prints the ruleset. Loads nothing, needs nothing. */
int netfilter_write(FILE *out, const struct netfilter_config *c);

/** Loads it, in place of an earlier one in one transaction, and sets the routes. Also ends forwarded flows
 * that began under earlier rules: they meet the gate again. What the `nft` program says on failure goes to
 * stderr. */
int netfilter_apply(const struct netfilter_config *c);
/** Whether what is loaded for one policy is right for another as it is: then no packet needs to be lost by
 * replacing it. False where the rules are not there (any more). */
bool netfilter_serves(const struct netfilter_config *loaded, const struct netfilter_config *wanted);
/** Ends forwarded flows that began under an earlier policy: they meet the gate again. */
void netfilter_forget_forwarded(void);

/** A listener on PORT_ENGINE, SO_REUSEPORT: one an engine. Non-blocking, close-on-exec, as all below. */
int netfilter_open_listener(int family, bool transparent);
/** The explicit proxy's, on the sidecar's own address; SO_REUSEPORT. */
int netfilter_open_proxy(const struct addr *self, uint16_t port);
/** Port 53: `type` SOCK_DGRAM (with the original destination as ancillary data) or SOCK_STREAM (listening).
 */
int netfilter_open_dns(int family, int type, bool transparent);

struct ipc_verdict;
struct ipc_count;

/** A netlink socket bound to queue `num`. Engines read it, only the monitor may answer. A full queue drops.
 */
int netfilter_open_queue(unsigned num);
/** Fills in what the kernel has counted of a forwarded flow. 0, also where it knows none, or -errno. */
int netfilter_count(struct ipc_count *c);
/** Answers the kernel. A mark that is no verdict is a drop, whoever asks for it. */
int netfilter_verdict(int queue_fd, const struct ipc_verdict *v);

#endif
