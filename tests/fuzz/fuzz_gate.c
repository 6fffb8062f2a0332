#include <stdlib.h>
#include <string.h>

#include "appliance/gate_judge.h"
#include "appliance/gate_message.h"
#include "appliance/netfilter.h"
#include "lib/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char text[] = "version: 1\negress:\n  routes:\n"
                           "    - {host: a.test, protocol: tcp, ports: [22]}\n"
                           "    - {host: b.test, protocol: udp, ports: [123]}\n";

/** A queue message's way to a verdict: only an opening packet to a leased address and a route's port ever
 * passes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct policy *policy;
    static struct lease_table *leases;
    static struct addr a, b;
    if (!policy) {
        struct policy_error err;
        policy = policy_load(text, sizeof text - 1, &err);
        leases = lease_create(calloc(1, lease_size(16)), 16);
        (void)addr_parse("93.184.216.1", &a);
        (void)addr_parse("93.184.216.2", &b);
        lease_put(leases, &a, "a.test", "0123456789abcdef", 100, 1);
        lease_put(leases, &b, "b.test", "0123456789abcdef", 100, 1);
    }
    struct gate_message m;
    struct packet p;
    struct gate_verdict v;
    cleanup_free uint8_t *copy = malloc(len + !len);
    memcpy(copy, data, len);
    if (gate_message_parse(copy, len, &m) != 1)
        return 0;
    if (m.len && (m.data < copy || m.data + m.len > copy + len))
        abort();
    packet_parse(m.data, m.len, m.total, &p);
    gate_judge(policy, leases, &p, m.mark, 1, &v);
    if (v.mark != MARK_RELAY && v.mark != MARK_FORWARD)
        return 0;
    const bool tcp = v.mark == MARK_RELAY;
    if (m.mark != MARK_QUEUE || (p.odd & ~PACKET_DATA) || !addr_eq(&p.dst, tcp ? &a : &b) ||
        p.dport != (tcp ? 22 : 123))
        abort();
    return 0;
}
