#include <criterion/criterion.h>
#include <netinet/in.h>

#include "appliance/gate_judge.h"
#include "appliance/netfilter.h"

#define NOW 1000u
#define BUCKETS 64

static const char text[] = "version: 1\n"
                           "egress:\n"
                           "  routes:\n"
                           "    - host: web.test\n"
                           "    - host: git.test\n"
                           "      protocol: tcp\n"
                           "      ports: [22, 5000-5010]\n"
                           "    - host: '*.db.test'\n"
                           "      protocol: tcp\n"
                           "      ports: [5432]\n"
                           "    - host: ntp.test\n"
                           "      protocol: udp\n"
                           "      ports: [123]\n"
                           "    - host: inside.test\n"
                           "      protocol: tcp\n"
                           "      ports: [22]\n"
                           "      allow_private: true\n";

static struct policy *policy;
static struct lease_table *leases;

static struct addr address(const char *s)
{
    struct addr a;
    cr_assert(addr_parse(s, &a));
    return a;
}

static void lease(const char *name, const char *at, uint64_t expires)
{
    struct addr a = address(at);
    lease_put(leases, &a, name, "0123456789abcdef", expires, NOW);
}

static void set_up(void)
{
    struct policy_error err;
    policy = policy_load(text, sizeof text - 1, &err);
    cr_assert_not_null(policy, "%s", err.text);
    leases = lease_create(calloc(1, lease_size(BUCKETS)), BUCKETS);
    lease("web.test", "93.184.216.10", NOW + 60);
    lease("git.test", "93.184.216.20", NOW + 60);
    lease("a.db.test", "2606:2800:220:1::5", NOW + 60);
    lease("ntp.test", "93.184.216.30", NOW + 60);
    lease("git.test", "10.1.2.3", NOW + 60);
    lease("inside.test", "10.1.2.4", NOW + 60);
    lease("inside.test", "169.254.169.254", NOW + 60);
    lease("web.test", "93.184.216.40", NOW + 60); /* shared hosting */
    lease("git.test", "93.184.216.40", NOW + 60);
    lease("git.test", "93.184.216.50", NOW - 2 * LEASE_GRACE_SECONDS); /* over */
}

static struct gate_verdict judge(
    uint8_t protocol, const char *dst, uint16_t dport, unsigned odd, uint32_t mark)
{
    struct packet p = {.src = address("10.9.8.2"),
        .dst = address(dst),
        .version = strchr(dst, ':') ? 6 : 4,
        .protocol = protocol,
        .sport = 40000,
        .dport = dport,
        .odd = odd};
    struct gate_verdict v;
    gate_judge(policy, leases, &p, mark, NOW, &v);
    return v;
}

Test(gate_judge, table, .init = set_up)
{
    static const struct {
        const char *what;
        uint8_t protocol;
        const char *dst;
        uint16_t dport;
        unsigned odd;
        uint32_t mark, verdict;
        enum reason reason;
        const char *host;
    } cases[] = {
        {"tcp route", IPPROTO_TCP, "93.184.216.20", 22, 0, MARK_QUEUE, MARK_RELAY, REASON_NONE, "git.test"},
        {"in a range", IPPROTO_TCP, "93.184.216.20", 5010, 0, MARK_QUEUE, MARK_RELAY, REASON_NONE,
            "git.test"},
        {"wildcard, v6", IPPROTO_TCP, "2606:2800:220:1::5", 5432, 0, MARK_QUEUE, MARK_RELAY, REASON_NONE,
            "a.db.test"},
        {"udp route", IPPROTO_UDP, "93.184.216.30", 123, 0, MARK_QUEUE, MARK_FORWARD, REASON_NONE,
            "ntp.test"},
        {"private, allowed", IPPROTO_TCP, "10.1.2.4", 22, 0, MARK_QUEUE, MARK_RELAY, REASON_NONE,
            "inside.test"},
        {"second name", IPPROTO_TCP, "93.184.216.40", 22, 0, MARK_QUEUE, MARK_RELAY, REASON_NONE, "git.test"},
        {"data on syn", IPPROTO_TCP, "93.184.216.20", 22, PACKET_DATA, MARK_QUEUE, MARK_RELAY, REASON_NONE,
            "git.test"},

        {"port", IPPROTO_TCP, "93.184.216.20", 23, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, "git.test"},
        {"no lease", IPPROTO_TCP, "93.184.216.21", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, NULL},
        {"over", IPPROTO_TCP, "93.184.216.50", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, NULL},
        {"two names", IPPROTO_TCP, "93.184.216.40", 23, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, NULL},
        {"udp to tcp", IPPROTO_UDP, "93.184.216.20", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE,
            "git.test"},
        {"tcp to udp", IPPROTO_TCP, "93.184.216.30", 123, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE,
            "ntp.test"},
        {"quic to http", IPPROTO_UDP, "93.184.216.10", 443, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE,
            "web.test"},
        {"http by the gate", IPPROTO_TCP, "93.184.216.10", 443, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE,
            "web.test"},
        {"private", IPPROTO_TCP, "10.1.2.3", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_PRIVATE_ADDRESS,
            "git.test"},
        {"metadata", IPPROTO_TCP, "169.254.169.254", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_PRIVATE_ADDRESS,
            "inside.test"},
        {"icmp", IPPROTO_ICMP, "93.184.216.20", 0, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, "git.test"},
        {"sctp", IPPROTO_SCTP, "93.184.216.20", 22, 0, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE, "git.test"},
        {"odd", IPPROTO_TCP, "93.184.216.20", 22, 0, MARK_ODD, MARK_REFUSE, REASON_NO_ROUTE, "git.test"},
        {"options", IPPROTO_TCP, "93.184.216.20", 22, PACKET_OPTIONS, MARK_QUEUE, MARK_REFUSE,
            REASON_NO_ROUTE, "git.test"},
        {"flags", IPPROTO_TCP, "93.184.216.20", 22, PACKET_FLAGS, MARK_QUEUE, MARK_REFUSE, REASON_NO_ROUTE,
            "git.test"},
        {"broken", IPPROTO_TCP, "93.184.216.20", 22, PACKET_BROKEN, MARK_QUEUE, MARK_REFUSE, REASON_MALFORMED,
            "git.test"},
        {"fragment", IPPROTO_UDP, "93.184.216.30", 123, PACKET_FRAGMENT, MARK_QUEUE, 0, REASON_NO_ROUTE,
            "ntp.test"},
        {"spoofed", IPPROTO_TCP, "93.184.216.20", 22, 0, MARK_SPOOFED, 0, REASON_NO_ROUTE, "git.test"},
        {"multicast", IPPROTO_UDP, "224.0.0.251", 5353, 0, MARK_ODD, 0, REASON_NO_ROUTE, NULL},
        {"broadcast", IPPROTO_UDP, "255.255.255.255", 67, 0, MARK_ODD, 0, REASON_NO_ROUTE, NULL},
        {"v6 multicast", IPPROTO_UDP, "ff02::fb", 5353, 0, MARK_ODD, 0, REASON_NO_ROUTE, NULL},
        {"unknown mark", IPPROTO_TCP, "93.184.216.20", 22, 0, 0, MARK_REFUSE, REASON_NO_ROUTE, "git.test"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gate_verdict v =
            judge(cases[i].protocol, cases[i].dst, cases[i].dport, cases[i].odd, cases[i].mark);
        cr_expect_eq(v.mark, cases[i].verdict, "%s: %08x", cases[i].what, v.mark);
        cr_expect_eq(v.reason, cases[i].reason, "%s: %s", cases[i].what, reason_name(v.reason));
        cr_expect_eq(v.named, cases[i].host != NULL, "%s", cases[i].what);
        if (v.named && cases[i].host)
            cr_expect_str_eq(v.lease.name, cases[i].host, "%s", cases[i].what);
        cr_expect_eq(v.route != NULL, v.reason == REASON_NONE, "%s", cases[i].what);
    }
}

Test(gate_judge, without_leases_nothing_passes, .init = set_up)
{
    struct packet p = {.dst = address("93.184.216.20"), .version = 4, .protocol = IPPROTO_TCP, .dport = 22};
    struct gate_verdict v;
    gate_judge(policy, NULL, &p, MARK_QUEUE, NOW, &v);
    cr_assert_eq(v.mark, MARK_REFUSE);
    memset(&p, 0, sizeof p); /* what could not be read at all */
    p.odd = PACKET_BROKEN;
    gate_judge(policy, leases, &p, MARK_QUEUE, NOW, &v);
    cr_assert_eq(v.mark, 0);
    cr_assert_eq(v.reason, REASON_MALFORMED);
}
