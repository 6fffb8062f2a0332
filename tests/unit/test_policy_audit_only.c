#include <criterion/criterion.h>
#include <string.h>

#include "appliance/gate_judge.h"
#include "appliance/netfilter.h"
#include "dns/judge.h"
#include "lib/base.h"

#define NOW 1000u

static const char text[] = "version: 1\n"
                           "egress:\n"
                           "  routes:\n"
                           "    - {host: a.example}\n"
                           "    - {host: '*.w.example', dlp: {action: block}}\n"
                           "    - {host: t.example, protocol: tcp, ports: [22]}\n";

static struct policy *load(bool audit_only)
{
    struct policy_error e;
    struct policy *p = policy_load(text, sizeof text - 1, &e);
    cr_assert(p, "%s", e.text);
    cr_assert(!audit_only || policy_audit_only(p) == 0);
    return p;
}

Test(policy_audit_only, routes_keep_their_names_and_the_rest_is_implied)
{
    struct policy *p = load(false);
    cr_assert_null(policy_route(p, "other.example"));
    cr_assert_null(policy_route_port(p, "a.example", 8443));
    cr_assert_not(policy_only_notes(p, REASON_NO_ROUTE));
    cr_assert_eq(policy_audit_only(p), 0);
    cr_assert_not(policy_route(p, "a.example")->implied);
    cr_assert(policy_route(p, "other.example")->implied);
    cr_assert(policy_route_port(p, "a.example", 8443)->implied);
    cr_assert_not(policy_route_port(p, "a.example", 443)->implied);
    for (size_t i = 0; i < p->n_routes; i++)
        cr_expect_eq(p->routes[i].dlp_action, DLP_AUDIT);
    policy_free(p);

    p = policy_empty();
    cr_assert_eq(policy_audit_only(p), 0);
    cr_assert(policy_route(p, "any.example")->implied, "also where there is no route at all");
    cr_assert_eq(policy_route(p, "any.example")->auth.scheme, AUTH_NONE);
    cr_assert_not(policy_route(p, "any.example")->allow_private);
    policy_free(p);
}

Test(policy_audit_only, what_stays_refused)
{
    static const enum reason hard[] = {REASON_HOST_MISMATCH, REASON_PRIVATE_ADDRESS, REASON_MALFORMED,
        REASON_LIMIT, REASON_UPSTREAM_TLS, REASON_UPSTREAM_UNREACHABLE, REASON_AUDIT_UNAVAILABLE,
        REASON_NONE};
    struct policy *p = load(true);
    for (size_t i = 0; i < ARRAY_LEN(hard); i++)
        cr_expect_not(policy_only_notes(p, hard[i]), "%s", reason_name(hard[i]));
    cr_expect(policy_only_notes(p, REASON_NO_MATCH));
    policy_free(p);
}

Test(policy_audit_only, questions)
{
    static const struct {
        const char *host;
        uint16_t qtype, qclass;
        enum dns_action action;
    } t[] = {
        {"a.example", TYPE_A, CLASS_IN, DNS_ASK},
        {"other.example", TYPE_A, CLASS_IN, DNS_ASK},
        {"other.example", TYPE_TXT, CLASS_IN, DNS_ASK},
        {"a.example", TYPE_MX, CLASS_IN, DNS_ASK},
        {"other.example", TYPE_HTTPS, CLASS_IN, DNS_EMPTY},
        {"other.example", TYPE_AXFR, CLASS_IN, DNS_REFUSE},
        {"other.example", TYPE_A, 3, DNS_REFUSE},
        {"single", TYPE_A, CLASS_IN, DNS_REFUSE_LOCAL},
        {"printer.local", TYPE_A, CLASS_IN, DNS_REFUSE_LOCAL},
        {NULL, TYPE_A, CLASS_IN, DNS_REFUSE_LOCAL},
        {"4.3.2.1.in-addr.arpa", TYPE_PTR, CLASS_IN, DNS_REVERSE},
    };
    struct policy *p = load(true);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        cr_expect_eq(dns_judge(p, t[i].host, t[i].qtype, t[i].qclass, false).action, t[i].action, "%zu", i);
    policy_free(p);
}

static struct addr address(const char *s)
{
    struct addr a;
    cr_assert(addr_parse(s, &a));
    return a;
}

Test(policy_audit_only, first_packets)
{
    static const struct {
        uint8_t protocol;
        const char *dst;
        uint16_t dport;
        uint32_t mark;
        bool implied;
    } t[] = {
        {PROTO_TCP, "93.184.216.10", 22, MARK_RELAY, false},
        {PROTO_TCP, "93.184.216.10", 23, MARK_RELAY, true},
        {PROTO_TCP, "93.184.216.11", 5432, MARK_RELAY, true},
        {PROTO_UDP, "93.184.216.11", 123, MARK_FORWARD, true},
        {PROTO_UDP, "93.184.216.11", 443, MARK_REFUSE, false}, /* QUIC */
        {PROTO_TCP, "93.184.216.12", 5432, MARK_REFUSE, false}, /* no name */
        {PROTO_TCP, "10.0.0.1", 5432, MARK_REFUSE, false}, /* leased, but private */
        {PROTO_ICMP, "93.184.216.11", 0, MARK_REFUSE, false},
    };
    static const struct {
        const char *name, *addr;
    } leased[] = {{"t.example", "93.184.216.10"}, {"x.example", "93.184.216.11"}, {"x.example", "10.0.0.1"}};
    struct policy *p = load(true);
    struct lease_table *leases = lease_create(calloc(1, lease_size(64)), 64);
    for (size_t i = 0; i < ARRAY_LEN(leased); i++) {
        struct addr a = address(leased[i].addr);
        lease_put(leases, &a, leased[i].name, "0123456789abcdef", NOW + 60, NOW);
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct packet k = {.src = address("10.9.8.2"),
            .dst = address(t[i].dst),
            .version = 4,
            .protocol = t[i].protocol,
            .sport = 40000,
            .dport = t[i].dport};
        struct gate_verdict v;
        gate_judge(p, leases, &k, MARK_QUEUE, NOW, &v);
        cr_expect_eq(v.mark, t[i].mark, "%zu: %x", i, v.mark);
        cr_expect_eq(v.route && v.route->implied, t[i].implied, "%zu", i);
    }
    policy_free(p);
}
