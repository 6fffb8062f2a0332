#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/netfilter.h"

static const char policy_text[] = "version: 1\n"
                                  "egress:\n"
                                  "  routes:\n"
                                  "    - host: a.test\n"
                                  "      ports: [80, 443, 8000-8010]\n"
                                  "    - {host: b.test, protocol: tcp, ports: [22]}\n";
static const char udp_text[] = "    - {host: c.test, protocol: udp, ports: [123]}\n";

static char *ruleset(enum intercept i, enum gate_mode g, bool ipv6, bool udp, int want)
{
    char text[1000], *out = NULL;
    size_t len = 0;
    struct policy_error err;
    (void)snprintf(text, sizeof text, "%s%s", policy_text, udp ? udp_text : "");
    struct policy *p = policy_load(text, strlen(text), &err);
    cr_assert_not_null(p, "%s", err.text);
    struct netfilter_config c = {.policy = p,
        .agent_if = "eth1",
        .uplink_if = "eth0",
        .caps = {.intercept = i, .gate = g, .ipv6 = ipv6},
        .n_queues = 2};
    FILE *f = open_memstream(&out, &len);
    cr_assert_eq(netfilter_write(f, &c), want);
    cr_assert_eq(fclose(f), 0);
    policy_free(p);
    return out;
}

Test(netfilter, says_what_it_does)
{
    char *s = ruleset(INTERCEPT_NFT_TPROXY, GATE_NFT_QUEUE, false, false, 0);
    cr_assert_not_null(strstr(s, "elements = { 80, 443, 8000-8010 }"));
    cr_assert_not_null(strstr(s, "queue num 7-8\n"));
    cr_assert_null(strstr(s, "bypass\n"));
    cr_assert_not_null(strstr(s, "tproxy to :15001"));
    cr_assert_not_null(strstr(s, "tproxy to :53"));
    static const char *const at_once[] = {
        "        udp dport 53 tproxy to :53 meta mark set $TPROXY notrack accept\n"
        "        udp dport 53 meta mark set $DNS notrack accept\n",
        "        tcp dport 53 tproxy to :53 meta mark set $TPROXY notrack accept\n"
        "        tcp dport 53 meta mark set $DNS notrack accept\n",
        "        tcp flags & syn == 0 tproxy to :15001 meta mark set $TPROXY notrack accept\n"
        "        tcp flags & syn == 0 meta mark set $WEB notrack accept\n"};
    for (size_t i = 0; i < sizeof at_once / sizeof *at_once; i++)
        cr_assert_not_null(strstr(s, at_once[i]), "and a mark, where nobody listens");
    cr_assert_null(strstr(s, "masquerade"), "nothing is forwarded without a udp route");
    cr_assert_not_null(strstr(s, "hook forward priority filter; policy drop;\n        meta nfproto ipv6"));
    free(s);

    s = ruleset(INTERCEPT_XT_TPROXY, GATE_XT_NFQUEUE, true, true, 0);
    cr_assert_not_null(strstr(s, "masquerade"));
    cr_assert_not_null(
        strstr(s, "#   iptables -t mangle -A PREROUTING -i eth1 -m mark --mark 0x45470010/0xffff0010 -j "
                  "NFQUEUE --queue-balance 7:8"));
    cr_assert_not_null(
        strstr(s, "#   ip6tables -t mangle -A PREROUTING -p udp -m mark --mark 0x45470020 -j TPROXY"));
    cr_assert_null(strstr(s, " queue num"));
    cr_assert_null(strstr(s, " tproxy to"));
    free(s);

    s = ruleset(INTERCEPT_REDIRECT, GATE_NONE, false, false, 0);
    cr_assert_not_null(strstr(s, "redirect to :15001"));
    cr_assert_not_null(
        strstr(s, "elements = { 22, 80, 443, 8000-8010 }"), "without a gate the engine checks the lease");
    free(s);
}

Test(netfilter, marks_tell_each_other_apart)
{
    static const uint32_t marks[] = {
        MARK_TPROXY, MARK_RELAY, MARK_FORWARD, MARK_REFUSE, MARK_DNS, MARK_WEB, MARK_LOCAL};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        cr_assert_neq(marks[i] & MARK_QUEUE_BITS, MARK_QUEUE & MARK_QUEUE_BITS);
    cr_assert_eq(MARK_QUEUE & MARK_QUEUE_BITS & 0xffffu, 0x10u);
}

Test(netfilter, names_that_could_be_rules)
{
    static const char *const names[] = {"", "a b", "eth0\"; drop", "eth0\n", "0123456789abcdef", "eth*"};
    char *out = NULL;
    size_t len = 0;
    struct policy *p = policy_empty();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct netfilter_config c = {.policy = p, .agent_if = names[i], .uplink_if = "eth0", .n_queues = 1};
        FILE *f = open_memstream(&out, &len);
        cr_expect_eq(netfilter_write(f, &c), -EINVAL, "'%s'", names[i]);
        (void)fclose(f);
        free(out);
    }
    struct netfilter_config same = {.policy = p, .agent_if = "eth0", .uplink_if = "eth0", .n_queues = 1};
    FILE *f = open_memstream(&out, &len);
    cr_expect_eq(netfilter_write(f, &same), -EINVAL);
    (void)fclose(f);
    free(out);
    policy_free(p);
}
