#!/bin/bash
# The resolver against a real server upstream (nsd) and real clients (dig).
# Prints "ok NAME" or "not ok NAME: why" for each case.
. "$(dirname "$0")/dns_world.bash"

world
zones
in_u nft -f - <<'N'
table inet c {
    counter asked { }
    chain in {
        type filter hook input priority 0
        meta l4proto { tcp, udp } th dport 53 counter name asked
    }
}
N

policy explain
start --upstream 10.77.2.53

# What is allowed
is dns-a "$(short www.example)" 93.184.216.34
is dns-a-tcp "$(short +tcp www.example)" 93.184.216.34
is dns-any-server "$(in_a dig +short +time=3 +tries=1 @8.8.8.8 www.example)" 93.184.216.34
is dns-any-server-tcp "$(in_a dig +tcp +short +time=3 +tries=1 @9.9.9.9 www.example)" 93.184.216.34
is dns-case-echo "$(ask WwW.eXample | grep -c '^;WwW.eXample')" 1
is dns-cname "$(short alias.example)" "www.example.
93.184.216.34"
is dns-cname-chase "$(short far.example)" "www.other.example.net.
93.184.216.50"
is dns-cname-loop "$(rcode loop.example)" SERVFAIL
is dns-nxdomain "$(rcode nx.example)" NXDOMAIN
is dns-nxdomain-soa "$(ask nx.example | grep -c 'IN.SOA')" 1
is dns-aaaa-empty "$(ask AAAA www.example | sed -n 's/.*status: \([A-Z]*\),.*/\1/p;s/.*ANSWER: \([0-9]*\),.*/\1/p')" "NOERROR
0"
is dns-https-empty "$(rcode HTTPS www.example)" NOERROR
is dns-any-type "$(short ANY www.example)" '"RFC8482" ""'
is dns-txt-allowed "$(short TXT txt.example)" '"hello"'
is dns-mx-allowed "$(short MX mx.example)" '10 www.example.'
is dns-txt-refused "$(short TXT www.example)" ""
is dns-txt-refused-reason "$(line www.example .reason)" dns_type
is dns-truncated "$(ask +noedns +ignore many.example | grep -c 'flags:.* tc')" 1
is dns-retry-tcp "$(short +noedns many.example | wc -l)" 60
is dns-wildcard "$(short one.wild.example)" 93.184.216.40
is dns-sentinel "$(short sentinel.egressd.internal)" 10.77.1.1
is dns-sentinel-txt "$(short TXT sentinel.egressd.internal)" '"egressd"'
is dns-audit-allow "$(line alias.example '[.verdict,.route,.host,.qtype,.rcode,.agent,(.answers|join(","))]|join(" ")')" \
    "allow alias.example alias.example A NOERROR 10.77.1.2 93.184.216.34"
short www.example >/dev/null
is dns-cached "$(line www.example .cached)" true

# Leases
is dns-lease "$(drive leased 93.184.216.34 alias.example)" "leased yes"
is dns-lease-target-not "$(drive leased 93.184.216.50 www.other.example.net)" "leased no"
is dns-ptr "$(short -x 93.184.216.40)" one.wild.example.
is dns-ptr-unknown "$(rcode -x 93.184.216.99)" NXDOMAIN
has dns-lookup "$(drive resolve inside.example)" "rcode=0"
has dns-lookup-address "$(drive resolve inside.example)" "10.1.2.3"
has dns-lookup-refused "$(drive resolve evil.example)" "rcode=5"
is dns-lease-lookup "$(drive leased 10.1.2.3 inside.example)" "leased yes"

# What is not
before=$(upstream_queries)
is dns-explain "$(short evil.example)" 10.77.1.1
has dns-explain-ede "$(ask evil.example)" "EDE: 15"
is dns-explain-aaaa "$(short AAAA evil.example)" ""
is dns-refused-audit "$(line evil.example '[.verdict,.reason,.route]|map(.//"null")|join(" ")')" "deny no_route null"
is dns-single-label "$(rcode intranet)" NXDOMAIN
is dns-special "$(rcode printer.local)" NXDOMAIN
is dns-chaos "$(rcode CH TXT version.bind)" REFUSED
is dns-axfr "$(ask +noidnin +nocomments AXFR www.example | grep -c 'Transfer failed')" 1
is dns-dot-in-label "$(rcode 'www\.example')" NXDOMAIN
is dns-dot-in-label-audit "$(line 'www\\.example' .verdict)" deny
is dns-nul-in-label "$(rcode 'w\000ww.example')" NXDOMAIN
is dns-space-in-label "$(rcode 'a\032b.wild.example')" NXDOMAIN
is dns-notify "$(rcode +opcode=notify www.example)" NOTIMP
is dns-nothing-upstream "$(upstream_queries)" "$before"

# Rebinding
is dns-rebind "$(short rebind.example)" 10.77.1.1
is dns-rebind-audit "$(line rebind.example '[.verdict,.reason]|join(" ")')" "deny private_address"
is dns-rebind-no-lease "$(drive leased 10.1.2.3 rebind.example)" "leased no"
is dns-rebind-mixed "$(short mixed.example)" 93.184.216.36
is dns-metadata "$(short meta.example)" 10.77.1.1
is dns-loopback "$(short lo.example)" 10.77.1.1
is dns-allow-private "$(short inside.example)" 10.1.2.3

# Privileges, and the end
is dns-unprivileged "$(awk '/^(Uid|CapEff|NoNewPrivs|Seccomp):/ {printf "%s ", $2}' "/proc/$RESOLVER_PID/status")" \
    "65522 0000000000000000 1 2 "
drive drain >/dev/null
for _ in $(seq 50); do kill -0 "$RESOLVER_PID" 2>/dev/null || break; sleep 0.05; done
grep -q Z /proc/"$RESOLVER_PID"/stat 2>/dev/null || [ ! -d /proc/"$RESOLVER_PID" ]
is dns-drain "$?" 0
stop

# The other two ways to refuse
policy nxdomain
start --upstream 10.77.2.53
is dns-refused-nxdomain "$(rcode evil.example)" NXDOMAIN
is dns-refused-nxdomain-rebind "$(rcode rebind.example)" NXDOMAIN
stop
policy refused
start --upstream 10.77.2.53
is dns-refused-refused "$(rcode evil.example)" REFUSED
stop

# Upstreams: one that is silent, then one that answers; then none
policy explain
start --upstream 10.77.2.99 --upstream 10.77.2.53
is dns-failover "$(short www.example)" 93.184.216.34
stop
start --upstream 10.77.2.99
t0=$(date +%s%N)
is dns-unreachable "$(rcode www.example)" SERVFAIL
ms=$((($(date +%s%N) - t0) / 1000000))
[ $ms -lt 4500 ]
is dns-unreachable-in-time "$?" 0
is dns-unreachable-audit "$(line www.example '[.verdict,.reason]|join(" ")')" "deny upstream_unreachable"
stop
start --upstream 10.77.2.53:54
t0=$(date +%s%N)
is dns-port-closed "$(rcode www.example)" SERVFAIL
ms=$((($(date +%s%N) - t0) / 1000000))
[ $ms -lt 500 ]
is dns-port-closed-at-once "$?" 0
stop

# The same over IPv6 transport, with AAAA
start --upstream 10.77.2.53 --self6 fd77:1::1
is dns-v6 "$(in_a dig +short +time=3 +tries=1 @2001:db8::53 www.example)" 93.184.216.34
is dns-v6-tcp "$(in_a dig +tcp +short +time=3 +tries=1 @2001:db8::53 www.example)" 93.184.216.34
is dns-aaaa "$(short AAAA www.example)" 2606:2800:220:1:248:1893:25c8:1946
is dns-aaaa-explain "$(short AAAA evil.example)" fd77:1::1
has dns-lookup-both "$(drive resolve www.example)" "93.184.216.34 2606:2800:220:1:248:1893:25c8:1946"
stop

exit $FAILED
