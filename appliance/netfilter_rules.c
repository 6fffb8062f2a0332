/* The ruleset as text. What it means, chain by chain, is said in the text itself: people read it, with
 * `egressd ruleset`, where they would not read this file. */
#include <net/if.h>
#include <string.h>

#include "appliance/netfilter_internal.h"
#include "appliance/roles.h"
#include "lib/base.h"

const char *intercept_name(enum intercept i)
{
    static const char *const names[] = {"nft tproxy", "xtables TPROXY", "nft redirect"};
    return names[i];
}

const char *gate_mode_name(enum gate_mode g)
{
    static const char *const names[] = {"nft queue", "xtables NFQUEUE", "none (refused by rule)"};
    return names[g];
}

bool netfilter_forwards(const struct policy *p)
{
    for (size_t i = 0; i < p->n_routes; i++)
        if (p->routes[i].protocol == ROUTE_UDP)
            return true;
    return p->implied != NULL; /* audit-only */
}

static void write_head(FILE *f, const struct netfilter_config *c)
{
    fprintf(f,
        "# egressd: what a packet of the agent's meets, in this order. Default: nothing passes.\n"
        "#   screen   -450  every packet gets a mark that says who decides, or its socket at once; before "
        "defragmentation and conntrack\n"
        "#   gate     -160  flows that the gate let through earlier; the rest to the gate's queue\n"
        "#   deliver  -140  marks become deeds: to an engine, to the resolver, out, refused; others are "
        "dropped\n"
        "#   input, forward, output: closed but for these\n"
        "# interception: %s; gate: %s; IPv6: %s\n\n",
        intercept_name(c->caps.intercept), gate_mode_name(c->caps.gate), c->caps.ipv6 ? "as IPv4" : "closed");
    fprintf(f,
        "define TPROXY = 0x%08x\n"
        "define RELAY = 0x%08x\n"
        "define FORWARD = 0x%08x\n"
        "define REFUSE = 0x%08x\n"
        "define QUEUE = 0x%08x\n"
        "define ODD = 0x%08x\n"
        "define SPOOFED = 0x%08x\n"
        "define DNS = 0x%08x\n"
        "define WEB = 0x%08x\n"
        "define LOCAL = 0x%08x\n\n",
        MARK_TPROXY, MARK_RELAY, MARK_FORWARD, MARK_REFUSE, MARK_QUEUE, MARK_ODD, MARK_SPOOFED, MARK_DNS,
        MARK_WEB, MARK_LOCAL);
}

#define PORTS 65536u

/* Adds every port of the routes of `protocol`. */
static void add_ports(bool ports[static PORTS], const struct policy *p, enum route_protocol protocol)
{
    for (size_t i = 0; i < p->n_routes; i++) {
        const struct route *r = &p->routes[i];
        for (size_t k = 0; k < r->n_ports && r->protocol == protocol; k++)
            memset(ports + r->ports[k].lo, true, (size_t)r->ports[k].hi - r->ports[k].lo + 1);
    }
}

/* As few ranges as there can be, however many routes name them. */
static void write_ports(FILE *f, const bool ports[static PORTS])
{
    const char *comma = "";
    for (unsigned lo = 0, hi; lo < PORTS; lo = hi + 1) {
        hi = lo;
        if (!ports[lo])
            continue;
        while (hi + 1 < PORTS && ports[hi + 1])
            hi++;
        fprintf(f, "%s %u", comma, lo);
        if (hi > lo)
            fprintf(f, "-%u", hi);
        comma = ",";
    }
}

static void write_sets(FILE *f, const struct netfilter_config *c)
{
    fputs("    # TCP that an engine takes at once: it reads the name first\n"
          "    set web_ports {\n"
          "        type inet_service\n"
          "        flags interval\n"
          "        elements = {",
        f);
    bool ports[PORTS] = {[80] = true, [443] = true};
    add_ports(ports, c->policy, ROUTE_HTTP);
    /* Without a gate nobody asks for the lease before the connection is accepted: the engine does afterwards.
     */
    if (c->caps.gate == GATE_NONE)
        add_ports(ports, c->policy, ROUTE_TCP);
    write_ports(f, ports);
    fputs(" }\n    }\n\n", f);
    static const char *const counters[] = {"spoofed", "odd", "icmp_errors", "neighbours", "queued", "refused",
        "unanswered", "forwarded", "input_refused", "forward_refused", "output_refused"};
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        fprintf(f, "    counter %s { }\n", counters[i]);
    fputc('\n', f);
}

/* REDIRECT is NAT and needs connection tracking; TPROXY does not, and a table that the agent cannot fill is
 * one less thing to fill. */
static const char *untracked(const struct netfilter_config *c)
{
    return c->caps.intercept == INTERCEPT_REDIRECT ? "" : " notrack";
}

/* What matches goes to a socket of ours, where nft can find it at once: that spares nearly all packets the
 * rules of the later chains. Where nobody listens, or nft cannot, it has its mark for chain deliver. */
static void write_to_socket(
    FILE *f, const struct netfilter_config *c, const char *match, const char *mark, unsigned port)
{
    if (c->caps.intercept == INTERCEPT_NFT_TPROXY)
        fprintf(f, "        %s tproxy to :%u meta mark set $TPROXY notrack accept\n", match, port);
    fprintf(f, "        %s meta mark set $%s%s accept\n", match, mark, untracked(c));
}

static void write_screen_transport(FILE *f, const struct netfilter_config *c)
{
    const char *nt = untracked(c);
    char dport[32];

    fputs("    chain screen_tcp {\n", f);
    (void)snprintf(dport, sizeof dport, "tcp dport %u", PORT_DNS);
    write_to_socket(f, c, dport, "DNS", PORT_DNS);
    if (c->policy->proxy_port)
        fprintf(f, "        tcp dport %u fib daddr . iif type local meta mark set $LOCAL%s accept\n",
            c->policy->proxy_port, nt);
    fputs("        # not the first of a connection: to its socket, which only a judged first packet can have "
          "made\n",
        f);
    write_to_socket(f, c, "tcp flags & syn == 0", "WEB", PORT_ENGINE);
    fprintf(f,
        "        tcp flags & (fin | syn | rst | ack) != syn counter name odd meta mark set $ODD notrack "
        "accept\n"
        "        tcp dport @web_ports meta mark set $WEB%s accept\n"
        "        meta mark set $QUEUE%s accept\n"
        "    }\n\n"
        "    chain screen_udp {\n",
        nt, nt);
    (void)snprintf(dport, sizeof dport, "udp dport %u", PORT_DNS);
    write_to_socket(f, c, dport, "DNS", PORT_DNS);
    fputs("        # left tracked: see chain gate\n"
          "        meta mark set $QUEUE accept\n"
          "    }\n\n",
        f);
}

static void write_screen(FILE *f, const struct netfilter_config *c)
{
    fprintf(f,
        "    chain screen_first {\n"
        "        type filter hook prerouting priority -450; policy accept;\n"
        "        iifname \"%s\" goto screen\n"
        "    }\n\n"
        "    chain screen {\n"
        "        meta mark set 0\n"
        "        meta nfproto ipv6 goto screen6\n"
        "        # sources other than the agent's network; broadcast, multicast, loopback destinations\n"
        "        fib saddr . iif oif missing counter name spoofed meta mark set $SPOOFED notrack accept\n"
        "        fib daddr type != { unicast, local } counter name odd meta mark set $ODD notrack accept\n"
        "        ip daddr 127.0.0.0/8 counter name odd meta mark set $ODD notrack accept\n"
        "        # fragments (untracked ones stay fragments) and options, source routing among them\n"
        "        ip frag-off & 0xbfff != 0 counter name odd meta mark set $ODD notrack accept\n"
        "        ip hdrlength != 5 counter name odd meta mark set $ODD notrack accept\n"
        "        ip protocol vmap { tcp : goto screen_tcp, udp : goto screen_udp, icmp : goto screen_icmp }\n"
        "        counter name odd meta mark set $ODD notrack accept\n"
        "    }\n\n"
        "    chain screen_icmp {\n"
        "        icmp type echo-request icmp code 0 ip length <= 128 fib daddr . iif type local meta mark "
        "set "
        "$LOCAL notrack accept\n"
        "        icmp type { destination-unreachable, time-exceeded, parameter-problem } counter name "
        "icmp_errors "
        "drop\n"
        "        meta mark set $QUEUE notrack accept\n"
        "    }\n\n",
        c->agent_if);
    write_screen_transport(f, c);
}

static void write_screen6(FILE *f, const struct netfilter_config *c)
{
    fputs("    chain screen6 {\n"
          "        # the noise of every IPv6 host: router solicitations, multicast listener reports\n"
          "        ip6 daddr ff02::/16 icmpv6 type { nd-router-solicit, mld-listener-report, "
          "mld-listener-done, "
          "mld2-listener-report } counter name neighbours drop\n",
        f);
    if (c->caps.ipv6) {
        fputs(
            "        ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } meta mark set "
            "$LOCAL "
            "notrack accept\n"
            "        fib saddr . iif oif missing counter name spoofed meta mark set $SPOOFED notrack accept\n"
            "        ip6 saddr fe80::/10 counter name odd meta mark set $ODD notrack accept\n"
            "        fib daddr type != { unicast, local } counter name odd meta mark set $ODD notrack "
            "accept\n"
            "        ip6 daddr { ::/96, ::ffff:0:0/96 } counter name odd meta mark set $ODD notrack accept\n"
            "        # the transport right behind the fixed header: no fragments, no extension headers\n"
            "        ip6 nexthdr vmap { tcp : goto screen_tcp, udp : goto screen_udp, icmpv6 : goto "
            "screen_icmp6 }\n"
            "        counter name odd meta mark set $ODD notrack accept\n"
            "    }\n\n"
            "    chain screen_icmp6 {\n"
            "        icmpv6 type echo-request icmpv6 code 0 ip6 length <= 108 fib daddr . iif type local "
            "meta mark "
            "set $LOCAL notrack accept\n"
            "        icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem "
            "} "
            "counter name icmp_errors drop\n"
            "        meta mark set $QUEUE notrack accept\n",
            f);
    } else {
        fputs(
            "        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } counter name neighbours drop\n"
            "        fib saddr . iif oif missing counter name spoofed meta mark set $SPOOFED notrack accept\n"
            "        counter name odd meta mark set $ODD notrack accept\n",
            f);
    }
    fputs("    }\n\n", f);
}

static void write_gate(FILE *f, const struct netfilter_config *c)
{
    fprintf(f,
        "    chain gate {\n"
        "        type filter hook prerouting priority -160; policy accept;\n"
        "        meta mark & 0x%08x != $QUEUE accept # most: nobody is asked\n"
        "        iifname != \"%s\" accept\n"
        "        meta mark $QUEUE meta l4proto udp ct mark $FORWARD meta mark set $FORWARD accept\n"
        "        meta mark { $QUEUE, $ODD, $SPOOFED } counter name queued\n",
        MARK_QUEUE_BITS, c->agent_if);
    if (c->caps.gate == GATE_NFT_QUEUE) {
        fprintf(f, "        # no bypass: nobody listens, nothing passes\n");
        fprintf(f, "        meta mark { $QUEUE, $ODD, $SPOOFED } queue num %u", (unsigned)QUEUE_NUMBER);
        if (c->n_queues > 1)
            fprintf(f, "-%u", QUEUE_NUMBER + c->n_queues - 1);
        fputc('\n', f);
    }
    fputs("    }\n\n", f);
}

static void write_deliver(FILE *f, const struct netfilter_config *c)
{
    fprintf(f,
        "    chain deliver {\n"
        "        type filter hook prerouting priority -140; policy accept;\n"
        "        meta mark $TPROXY accept # most: has its socket\n"
        "        iifname != \"%s\" accept\n"
        "        meta mark $LOCAL accept\n",
        c->agent_if);
    if (c->caps.intercept == INTERCEPT_NFT_TPROXY)
        fprintf(f,
            "        meta mark { $WEB, $RELAY } meta l4proto tcp tproxy to :%u meta mark set $TPROXY accept\n"
            "        meta mark $DNS meta l4proto { tcp, udp } tproxy to :%u meta mark set $TPROXY accept\n",
            PORT_ENGINE, PORT_DNS);
    else
        fprintf(f, "        meta mark { $WEB, $RELAY, $DNS } accept # see chain %s\n",
            c->caps.intercept == INTERCEPT_REDIRECT ? "to_local" : "egressd of table mangle, below");
    fputs("        meta mark $FORWARD meta l4proto udp ct mark set $FORWARD accept\n", f);
    if (c->caps.gate == GATE_NONE)
        fputs("        meta mark $QUEUE meta mark set $REFUSE\n", f);
    fputs("        meta mark $REFUSE counter name refused meta l4proto tcp reject with tcp reset\n"
          "        meta mark $REFUSE reject with icmpx admin-prohibited\n"
          "        counter name unanswered drop\n"
          "    }\n\n",
        f);
    if (c->caps.intercept == INTERCEPT_REDIRECT)
        fprintf(f,
            "    chain to_local {\n"
            "        type nat hook prerouting priority dstnat; policy accept;\n"
            "        iifname != \"%s\" accept\n"
            "        meta mark { $WEB, $RELAY } meta l4proto tcp redirect to :%u\n"
            "        meta mark $DNS meta l4proto { tcp, udp } redirect to :%u\n"
            "    }\n\n",
            c->agent_if, PORT_ENGINE, PORT_DNS);
}

static void write_input(FILE *f, const struct netfilter_config *c)
{
    fprintf(f,
        "    chain input {\n"
        "        type filter hook input priority filter; policy drop;\n"
        "        meta mark %s iifname \"%s\" accept\n"
        "        meta mark $LOCAL iifname \"%s\" accept\n"
        "        iifname \"lo\" accept\n"
        "        iifname \"%s\" counter name input_refused drop\n",
        c->caps.intercept == INTERCEPT_REDIRECT ? "{ $WEB, $RELAY, $DNS }" : "$TPROXY", c->agent_if,
        c->agent_if, c->agent_if);
    if (c->caps.ipv6)
        fputs("        ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, "
              "nd-router-advert } "
              "accept\n",
            f);
    else
        fputs("        meta nfproto ipv6 counter name input_refused drop\n", f);
    fputs("        ct state { established, related } accept\n"
          "        counter name input_refused\n"
          "    }\n\n",
        f);
}

static void write_forward(FILE *f, const struct netfilter_config *c)
{
    fputs("    chain forward {\n"
          "        type filter hook forward priority filter; policy drop;\n",
        f);
    if (!c->caps.ipv6)
        fputs("        meta nfproto ipv6 counter name forward_refused drop\n", f);
    if (netfilter_forwards(c->policy))
        fprintf(f,
            "        # naming octets has the kernel count them for each flow\n"
            "        ct mark $FORWARD ct bytes > 0 counter name forwarded\n"
            "        iifname \"%s\" oifname \"%s\" meta l4proto udp meta mark $FORWARD ct mark $FORWARD "
            "accept\n"
            "        iifname \"%s\" oifname \"%s\" ct mark $FORWARD ct direction reply ct state { "
            "established, "
            "related } accept\n",
            c->agent_if, c->uplink_if, c->uplink_if, c->agent_if);
    fputs("        counter name forward_refused\n"
          "    }\n\n",
        f);
    if (netfilter_forwards(c->policy))
        fprintf(f,
            "    chain postrouting {\n"
            "        type nat hook postrouting priority srcnat; policy accept;\n"
            "        oifname \"%s\" ct mark $FORWARD masquerade\n"
            "    }\n\n",
            c->uplink_if);
}

static void write_output(FILE *f, const struct netfilter_config *c)
{
    if (c->caps.intercept != INTERCEPT_REDIRECT)
        fprintf(f,
            "    chain output_first {\n"
            "        type filter hook output priority raw; policy accept;\n"
            "        oifname \"%s\" notrack\n"
            "    }\n\n",
            c->agent_if);
    fputs("    # Our own processes: answers to the agent, and upstream only as the resolver or an engine.\n"
          "    chain output {\n"
          "        type filter hook output priority filter; policy drop;\n"
          "        oifname \"lo\" accept\n",
        f);
    if (c->caps.ipv6)
        fputs(
            "        ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, "
            "nd-router-solicit } "
            "accept\n"
            "        ip6 daddr ff02::/16 icmpv6 type { mld-listener-report, mld2-listener-report } accept\n",
            f);
    else
        fputs("        meta nfproto ipv6 counter name output_refused drop\n", f);
    fprintf(f,
        "        oifname \"%s\" tcp flags & (syn | ack) != syn accept\n"
        "        oifname \"%s\" udp sport %u accept\n"
        "        oifname \"%s\" meta l4proto { icmp, icmpv6 } accept\n"
        "        oifname \"%s\" counter name output_refused drop\n"
        "        oifname \"%s\" ct state { established, related } accept\n"
        "        oifname \"%s\" meta skuid { %u, %u } meta l4proto { tcp, udp } accept # resolver, engine\n"
        "        counter name output_refused\n"
        "    }\n"
        "}\n",
        c->agent_if, c->agent_if, PORT_DNS, c->agent_if, c->agent_if, c->uplink_if, c->uplink_if,
        (unsigned)UID_RESOLVER, (unsigned)UID_ENGINE);
}

/* A name that nft could read as anything but one string. */
static bool ifname_ok(const char *s)
{
    return s && s[0] && strlen(s) < IFNAMSIZ && !strpbrk(s, "\"\\*\n\r\t ");
}

static bool config_ok(const struct netfilter_config *c)
{
    return ifname_ok(c->agent_if) && ifname_ok(c->uplink_if) && strcmp(c->agent_if, c->uplink_if) != 0;
}

int netfilter_write_fresh(FILE *out, const struct netfilter_config *c)
{
    if (!config_ok(c))
        return -EINVAL;
    write_head(out, c);
    fprintf(out, "table inet %s {\n", NETFILTER_TABLE);
    write_sets(out, c);
    write_screen(out, c);
    write_screen6(out, c);
    write_gate(out, c);
    write_deliver(out, c);
    write_input(out, c);
    write_forward(out, c);
    write_output(out, c);
    netfilter_xt_write(out, c);
    return ferror(out) ? -EIO : 0;
}

int netfilter_write(FILE *out, const struct netfilter_config *c)
{
    if (!config_ok(c))
        return -EINVAL;
    /* Declared, deleted, then defined: right whether or not there was one, and one transaction. */
    fprintf(out, "table inet %s\ndelete table inet %s\n\n", NETFILTER_TABLE, NETFILTER_TABLE);
    return netfilter_write_fresh(out, c);
}
