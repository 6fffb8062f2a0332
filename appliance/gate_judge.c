#include "appliance/gate_judge.h"

#include <string.h>

#include "appliance/netfilter.h"

static const char *detail_of(const struct packet *p, uint32_t mark)
{
    if (mark == MARK_SPOOFED)
        return "foreign source address";
    if (!p->version)
        return "not an IP packet";
    if (p->odd & PACKET_FRAGMENT)
        return "fragment";
    if (p->odd & PACKET_OPTIONS)
        return p->version == 4 ? "IP options" : "extension header";
    if (p->odd & PACKET_BROKEN)
        return "broken header";
    if (p->odd & PACKET_FLAGS)
        return "no opening SYN";
    return NULL;
}

static bool is_group(const struct addr *a)
{
    if (addr_is_v4(a))
        return a->b[12] >= 224 && (a->b[12] < 240 || (a->b[12] & a->b[13] & a->b[14] & a->b[15]) == 255);
    return a->b[0] == 0xff;
}

/* An answer goes to the source address: not to one that the agent does not have, not for one of many
 * fragments, and none is allowed for what was sent to a group (RFC 1122 3.2.2). */
static bool answerable(const struct packet *p, uint32_t mark)
{
    return mark != MARK_SPOOFED && p->version && !(p->odd & PACKET_FRAGMENT) && !is_group(&p->dst);
}

static bool route_takes(const struct route *r, const struct packet *p)
{
    const enum route_protocol wanted = p->protocol == PROTO_TCP ? ROUTE_TCP : ROUTE_UDP;
    return r && r->protocol == wanted && route_has_port(r, p->dport);
}

/* The resolver has looked at it when it made the lease; a second look costs nothing. */
static bool address_allowed(const struct route *r, const struct addr *dst)
{
    return !addr_is_never(dst) && (r->allow_private || addr_is_global(dst));
}

/* Audit-only. QUIC stays refused: clients come back over TCP, where it can be seen what they ask for. */
static bool may_note(const struct policy *policy, const struct packet *p)
{
    const bool quic = p->protocol == PROTO_UDP && (p->dport == 443 || p->dport == 80);
    return policy->implied && !quic && address_allowed(policy->implied, &p->dst);
}

static void allow(
    struct gate_verdict *out, const struct packet *p, const struct route *r, const struct lease *l)
{
    out->mark = p->protocol == PROTO_TCP ? MARK_RELAY : MARK_FORWARD;
    out->reason = REASON_NONE;
    out->route = r;
    out->named = true;
    out->lease = *l;
}

void gate_judge(const struct policy *policy, const struct lease_table *leases, const struct packet *p,
    uint32_t mark, uint64_t now, struct gate_verdict *out)
{
    memset(out, 0, sizeof *out);
    out->mark = answerable(p, mark) ? MARK_REFUSE : 0;
    out->reason = REASON_NO_ROUTE;
    out->detail = detail_of(p, mark);
    if (p->odd & PACKET_BROKEN)
        out->reason = REASON_MALFORMED;

    struct lease names[LEASE_NAMES_MAX];
    const size_t n = leases && p->version ? lease_names(leases, &p->dst, now, names, LEASE_NAMES_MAX) : 0;
    if (n == 1) {
        out->named = true;
        out->lease = names[0];
    }
    /* Octets on the SYN are no reason to refuse: the sidecar's own TCP takes them in, or waits for them to
     * come again. */
    if (mark != MARK_QUEUE || (p->odd & ~PACKET_DATA) ||
        (p->protocol != PROTO_TCP && p->protocol != PROTO_UDP))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct route *r = policy_route(policy, names[i].name);
        if (!route_takes(r, p))
            continue;
        if (!address_allowed(r, &p->dst)) {
            out->reason = REASON_PRIVATE_ADDRESS;
            continue;
        }
        allow(out, p, r, &names[i]);
        return;
    }
    if (n > 0 && may_note(policy, p))
        allow(out, p, &policy->implied[ROUTE_TCP], &names[0]);
}
