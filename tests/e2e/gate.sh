#!/bin/bash
# The packet side by itself: every way to intercept and to queue that the kernel can be asked for, real packets, and a
# capture on the uplink that must stay empty. Prints `ok NAME`, `not ok NAME: why`, `skip NAME: why`.
#
#     gatet-PID-a  10.9.8.2/24 --- 10.9.8.1/24  gatet-PID-s  10.77.0.2/24 --- 10.77.0.1/24  gatet-PID-w
#     agent, raw packets           the harness: rules, gate, stand-ins        the world: 93.184.216.0/24, counts
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
N=gatet-$$ FAILED=0
WEB=93.184.216.10 GIT=93.184.216.20 NTP=93.184.216.30 PRIVATE=10.77.0.1
WEB6=2606:2800:220:1::10 GIT6=2606:2800:220:1::20 NTP6=2606:2800:220:1::30

[ "$(id -u)" = 0 ] || { echo "skip gate: needs root"; exit 0; }
T=$(mktemp -d)
chmod 755 "$T"
HARNESS=${HARNESS:-$T/gate_harness}
HARNESS_PID='' WORLD_PIDS=''
cleanup() {
    [ -n "$HARNESS_PID" ] && kill -9 "$HARNESS_PID" 2>/dev/null
    for p in $WORLD_PIDS; do kill "$p" 2>/dev/null; done
    for n in a s w; do ip netns del "$N-$n" 2>/dev/null; done
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

ok() { echo "ok $MODE: $1"; }
not_ok() { echo "not ok $MODE: $1: ${2:-}" | head -c 2000; echo; FAILED=1; }
# expect NAME PATTERN COMMAND...   the output must match the pattern of the shell
expect() {
    local name=$1 pattern=$2 out
    shift 2
    out=$("$@" 2>&1)
    # shellcheck disable=SC2254
    case $out in $pattern) ok "$name" ;; *) not_ok "$name" "got '$out', wanted '$pattern'" ;; esac
}
ms_of() { local s=${1% ms}; echo "${s##* }"; }
# at_once NAME PATTERN COMMAND...   the same, and in less than 300 ms
at_once() {
    local name=$1 pattern=$2 out
    shift 2
    out=$("$@" 2>&1)
    # shellcheck disable=SC2254
    case $out in $pattern) ;; *) not_ok "$name" "got '$out', wanted '$pattern'"; return ;; esac
    [ "$(ms_of "$out")" -lt 300 ] 2>/dev/null && ok "$name" || not_ok "$name" "slow: $out"
}
agent() { ip netns exec "$N-a" setpriv --reuid 1000 --clear-groups --inh-caps=-all python3 "$HERE/gate_agent.py" "$@"; }
audit_has() { grep -c -- "$1" "$T/audit.jsonl" | grep -qv '^0$'; }
# denied NAME PATTERN   the log has a line of that kind
denied() { if grep '"verdict":"deny"' "$T/audit.jsonl" | grep -q -- "$2"; then ok "$1 is in the log"; else not_ok "$1 is in the log" "no $2"; fi; }

build() {
    [ -x "$HARNESS" ] && return 0
    make -s --no-print-directory -C "$TOP" BUILD="$BUILD" "$BUILD/tests/e2e/gate_harness" &&
        HARNESS=$BUILD/tests/e2e/gate_harness
}

world() {
    for n in a s w; do
        ip netns add "$N-$n"
        ip -n "$N-$n" link set lo up
        ip netns exec "$N-$n" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
    done
    ip link add name a0 netns "$N-a" type veth peer name eth1 netns "$N-s"
    ip link add name w0 netns "$N-w" type veth peer name eth0 netns "$N-s"
    ip -n "$N-a" addr add 10.9.8.2/24 dev a0
    ip -n "$N-s" addr add 10.9.8.1/24 dev eth1
    ip -n "$N-s" addr add 10.77.0.2/24 dev eth0
    ip -n "$N-w" addr add 10.77.0.1/24 dev w0
    for x in $WEB $GIT $NTP 93.184.216.40; do ip -n "$N-w" addr add "$x/32" dev lo; done
    ip -n "$N-a" addr add fd00:9::2/64 dev a0 nodad
    ip -n "$N-s" addr add fd00:9::1/64 dev eth1 nodad
    ip -n "$N-s" addr add 2606:2800:220:2::2/64 dev eth0 nodad
    ip -n "$N-w" addr add 2606:2800:220:2::1/64 dev w0 nodad
    for x in $WEB6 $GIT6 $NTP6; do ip -n "$N-w" addr add "$x/128" dev lo nodad; done
    ip -n "$N-a" link set a0 up
    ip -n "$N-s" link set eth1 up
    ip -n "$N-s" link set eth0 up
    ip -n "$N-w" link set w0 up
    ip -n "$N-a" route add default via 10.9.8.1
    ip -n "$N-s" route add default via 10.77.0.1
    ip -n "$N-a" -6 route add default via fd00:9::1
    ip -n "$N-s" -6 route add default via 2606:2800:220:2::1
    MAC=$(ip netns exec "$N-s" cat /sys/class/net/eth1/address)
    # An echo server for UDP, and listeners that nobody may reach.
    ip netns exec "$N-w" python3 - <<'PY' &
import select, socket
socks = []
for port in (123, 9, 443):
    for f in (socket.AF_INET, socket.AF_INET6):
        s = socket.socket(f, socket.SOCK_DGRAM)
        if f == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, 8, 1)
        s.bind(("", port))
        socks.append(s)
for port in (22, 25, 2222):
    s = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    s.setblocking(True)
while True:
    for s in select.select(socks, [], [])[0]:
        data, anc, _, peer = s.recvmsg(2000, 500)
        level, kind, info = anc[0]
        s.sendmsg([("from " + peer[0]).encode()], [(level, kind, b"\0\0\0\0" + info[4:8] + b"\0" * 4 if level == 0 else info)], 0, peer)
PY
    WORLD_PIDS="$WORLD_PIDS $!"
    # Everything that our side sends on the uplink, but for address resolution.
    ip netns exec "$N-w" tcpdump -l -n --immediate-mode -i w0 -Q in \
        'not arp and not (icmp6 and not src net fd00:9::/64 and (ip6[40] >= 133 and ip6[40] <= 137)) and not (ip6 and ip6[6] == 0 and dst net ff02::/16)' >"$T/uplink" 2>/dev/null &
    WORLD_PIDS="$WORLD_PIDS $!"
    cat >"$T/policy.yaml" <<'POLICY'
version: 1
egress:
  routes:
    - host: web.test
      ports: [80, 443, 8080]
    - host: git.test
      protocol: tcp
      ports: [22, 5432]
    - host: ntp.test
      protocol: udp
      ports: [123]
    - host: private.test
      protocol: tcp
      ports: [22]
    - host: inside.test
      protocol: udp
      ports: [123]
      allow_private: true
POLICY
}

start() {
    MODE=$1
    shift
    rm -f "$T/audit.jsonl"
    : >"$T/audit.jsonl"
    ip netns exec "$N-s" "$HARNESS" eth1 eth0 "$T/policy.yaml" "$T/audit.jsonl" "$@" "web.test=$WEB" "git.test=$GIT" \
        "ntp.test=$NTP" "private.test=$PRIVATE" "inside.test=$PRIVATE" "git.test=$GIT6" "ntp.test=$NTP6" >"$T/out" 2>"$T/err" &
    HARNESS_PID=$!
    for _ in $(seq 100); do
        grep -q READY "$T/out" && return 0
        kill -0 "$HARNESS_PID" 2>/dev/null || break
        sleep 0.05
    done
    not_ok start "$(cat "$T/err")"
    return 1
}
stop() {
    kill -9 "$HARNESS_PID" 2>/dev/null
    wait "$HARNESS_PID" 2>/dev/null
    HARNESS_PID=
    sed 's/^/# /' "$T/err"
}

# mark and since: what came out on the uplink between
mark() { sleep 0.1; MARKED=$(wc -l <"$T/uplink"); }
nothing_since() {
    sleep 0.3
    local n
    n=$(wc -l <"$T/uplink")
    [ "$n" = "$MARKED" ] && ok "$1" || not_ok "$1" "$(tail -n +$((MARKED + 1)) "$T/uplink" | head -5)"
}

allowed() {
    local mode=$1
    expect "dns by udp is answered by us, from the asked address" 'answer *' agent udp 8.8.8.8 53 0123456789abcdef
    expect "dns by tcp too" 'open resolver*' agent connect 9.9.9.9 53
    expect "dns at the sidecar's own address" 'answer *' agent udp 10.9.8.1 53 0123456789abcdef
    expect "web ports go to an engine" "open engine $WEB 443*" agent connect $WEB 443
    expect "an http route's own port" "open engine $WEB 8080*" agent connect $WEB 8080
    expect "the sidecar's own web address (explain)" "open engine 10.9.8.1 443*" agent connect 10.9.8.1 443
    expect "a tcp route, by lease and port" "open engine $GIT 22*" agent connect $GIT 22
    expect "ping to the sidecar" '*1 received*' ip netns exec "$N-a" ping -c1 -W1 -q 10.9.8.1
    [ "$mode" = none ] && return
    expect "a udp route, masqueraded" 'answer from 10.77.0.2*' agent udp $NTP 123
    expect "again, on the same route" 'answer from 10.77.0.2*' agent udp $NTP 123
    expect "a private address where the route allows it" 'answer from 10.77.0.2*' agent udp $PRIVATE 123
    grep -q "10.77.0.2.*> $NTP.123: " "$T/uplink" && ok "and the capture on the uplink sees it" || not_ok "and the capture on the uplink sees it"
    if audit_has '"verdict":"allow".*"host":"ntp.test".*"mode":"udp"'; then ok "the udp flow is in the log"; else not_ok "the udp flow is in the log"; fi
}

refused() {
    local mode=$1 udp='closed E*'
    mark
    at_once "tcp, no route" 'closed ECONNREFUSED*' agent connect 93.184.216.40 25
    at_once "tcp, no lease" 'closed ECONNREFUSED*' agent connect 93.184.216.40 2222
    at_once "tcp, leased, another port" 'closed ECONNREFUSED*' agent connect $GIT 2222
    at_once "udp, no route" "$udp" agent udp $WEB 9
    at_once "udp to a tcp route's port" "$udp" agent udp $GIT 22
    at_once "udp, leased, another port" "$udp" agent udp $NTP 124
    at_once "quic" "$udp" agent udp $WEB 443 "@$T/quic"
    [ "$mode" = none ] || at_once "the sidecar's ssh" 'closed ECONNREFUSED*' agent connect 10.9.8.1 22
    at_once "the engines' port at the sidecar" 'closed ECONNREFUSED*' agent connect 10.9.8.1 15001
    at_once "the engines' port elsewhere" 'closed ECONNREFUSED*' agent connect $WEB 15001
    [ "$mode" = none ] || at_once "a neighbour on the agent's network" 'closed E*' ip netns exec "$N-a" sh -c "ip neigh replace 10.9.8.7 lladdr $MAC dev a0; setpriv --reuid 1000 --clear-groups python3 $HERE/gate_agent.py connect 10.9.8.7 22"
    at_once "dns over tls" 'closed ECONNREFUSED*' agent connect 9.9.9.9 853
    at_once "the metadata service, another port" 'closed ECONNREFUSED*' agent connect 169.254.169.254 8000
    expect "ping to the world" '* 0 received*' ip netns exec "$N-a" ping -c1 -W1 -q $WEB
    [ "$mode" = none ] || at_once "a private address, no leave for it" 'closed ECONNREFUSED*' agent connect $PRIVATE 22
    nothing_since "nothing of it on the uplink"
    [ "$mode" = none ] && return
    sleep 0.3
    denied "tcp" '"reason":"no_route".*"proto":"tcp","dst":"93.184.216.40","dport":25,.*"mode":"refused"'
    denied "udp" '"proto":"udp","dst":"93.184.216.10","dport":9,'
    denied "the one leased name" '"host":"git.test".*"dst":"93.184.216.20","dport":2222'
    denied "the name of a quic initial" '"dport":443,"sni":"quic.example'
    denied "a private address" '"reason":"private_address"'
    denied "ping" '"proto":"icmp"'
}

# What no route can mean. Sent by root with a packet socket: an agent can do no more than this.
odd() {
    local mode=$1 six=$2
    mark
    if [ "$six" = 6 ]; then
        ip netns exec "$N-a" python3 "$HERE/gate_agent.py" raw a0 "$MAC" 10.9.8.2 10.9.8.1 $WEB fd00:9::2 fd00:9::1 $WEB6 >"$T/sent"
    else
        ip netns exec "$N-a" python3 "$HERE/gate_agent.py" raw a0 "$MAC" 10.9.8.2 10.9.8.1 $WEB >"$T/sent"
    fi
    nothing_since "none of $(wc -l <"$T/sent") odd packets on the uplink"
    [ "$mode" = none ] && return
    sleep 0.5
    denied "a fragment" '"detail":"fragment"'
    denied "an IP option" '"detail":"IP options"'
    denied "a foreign source address" '"agent":"198.51.100.77".*"detail":"foreign source address"'
    for p in gre ipip ipv6 sctp dccp udplite esp ah igmp; do denied "$p" "\"proto\":\"$p\""; done
    denied "an unnamed protocol" '"proto":253'
    denied "mdns" '"dst":"224.0.0.251","dport":5353'
    denied "ssdp" '"dst":"239.255.255.250","dport":1900'
    denied "netbios" '"dst":"10.9.8.255","dport":137'
    denied "dhcp" '"dst":"255.255.255.255","dport":67'
    denied "data on a syn" '"proto":"tcp","dst":"93.184.216.10","dport":2222,'
    denied "syn and fin" '"detail":"no opening SYN"'
    [ "$six" = 6 ] || return
    denied "an IPv6 packet" '"agent":"fd00:9::2".*"dst":"2606:2800:220:1::10"'
}

six() {
    expect "v6 dns" 'answer *' agent udp 2001:4860:4860::8888 53 0123456789abcdef
    expect "v6 dns by tcp" 'open resolver*' agent connect 2001:4860:4860::8888 53
    expect "v6 web" "open engine $WEB6 443*" agent connect $WEB6 443
    expect "v6 tcp route" "open engine $GIT6 22*" agent connect $GIT6 22
    expect "v6 udp route" 'answer from 2606:2800:220:2::2*' agent udp $NTP6 123
    expect "v6 ping to the sidecar" '*1 received*' ip netns exec "$N-a" ping -c1 -W1 -q fd00:9::1
    mark
    at_once "v6 tcp, no route" 'closed E*' agent connect $WEB6 25
    at_once "v6 tcp, leased, another port" 'closed E*' agent connect $GIT6 2222
    at_once "v6 udp, no route" 'closed E*' agent udp $WEB6 9
    at_once "v6 sidecar's ssh" 'closed E*' agent connect fd00:9::1 22
    nothing_since "nothing of it on the v6 uplink"
    denied "v6 udp" '"proto":"udp","dst":"2606:2800:220:1::10","dport":9'
}

suite() {
    local mode=$1
    shift
    start "$@" || return
    allowed "$mode"
    refused "$mode"
    case " $* " in *" ipv6 "*) six; odd "$mode" 6 ;; *) odd "$mode" 6 ;; esac
    stop
}

# The packets that the log tells of: a line each, but for those with a count.
told() {
    python3 - "$T/audit.jsonl" <<'PY'
import json, sys
print(sum(d.get("count", 1) for d in map(json.loads, open(sys.argv[1])) if d["verdict"] == "deny"))
PY
}
queued() { ip netns exec "$N-s" nft list counter inet egressd queued | awk '/packets/ { print $2 }'; }
told_all() { [ "$(told)" = "$(queued)" ]; }
eventually() {
    local i
    for i in $(seq "$1"); do "${@:2}" && return 0; sleep 0.2; done
    return 1
}
engine() { pgrep -P "$HARNESS_PID" -u 65523 | head -1; }

# Whether connection tracking has a flow that the gate forwarded (mark 0x45470004).
forwarded() { ip netns exec "$N-s" cat /proc/net/nf_conntrack >"$T/flows" 2>/dev/null; grep -q 'mark=1162280964' "$T/flows"; }

failures() {
    start "failures" || return
    local rate
    mark
    rate=$(ip netns exec "$N-a" "$HARNESS" flood $WEB 100000)
    sleep 0.5 # what the queue had no room for shows with the next packet
    expect "refused after a flood" 'closed ECONNREFUSED*' agent connect 93.184.216.40 26
    eventually 60 told_all && ok "a flood of 100000 flows at $rate/s is counted to the packet" ||
        not_ok "a flood is counted to the packet" "$(queued) queued, $(told) in the log"
    [ "$(wc -l <"$T/audit.jsonl")" -lt 20000 ] && ok "and does not flood the log" || not_ok "and does not flood the log" "$(wc -l <"$T/audit.jsonl")"
    expect "another flow is refused during a flood" 'closed ECONNREFUSED*' \
        sh -c "ip netns exec $N-a $HARNESS flood $WEB 100000 >/dev/null & sleep 0.05; ip netns exec $N-a setpriv --reuid 1000 --clear-groups python3 $HERE/gate_agent.py connect 93.184.216.40 25; wait"
    # A gate that hangs: everything waits, nothing passes; what does not fit is told of later.
    kill -STOP "$(engine)"
    ip netns exec "$N-a" "$HARNESS" flood $WEB 50000 >/dev/null
    expect "a stopped gate lets nothing pass" 'silence*' agent connect $GIT 2222
    kill -CONT "$(engine)"
    sleep 0.5
    expect "it goes on" 'closed ECONNREFUSED*' agent connect 93.184.216.40 27
    eventually 60 told_all && ok "what the full queue dropped is counted to the packet" ||
        not_ok "what the full queue dropped is counted to the packet" "$(queued) queued, $(told) in the log; $(ip netns exec "$N-s" cat /proc/net/netfilter/nfnetlink_queue)"
    denied "the full queue" '"reason":"limit"'
    nothing_since "nothing of it on the uplink"
    # A policy that takes the udp route back: a flow that runs meets the gate again.
    expect "a udp flow" 'answer from*' agent udp $NTP 123
    forwarded && ok "is known to the kernel" || not_ok "is known to the kernel" "$(cat "$T/flows")"
    sed -i '/ntp.test/,/123/d' "$T/policy.yaml"
    kill -HUP "$HARNESS_PID"
    eventually 20 grep -q RELOADED "$T/out"
    forwarded && not_ok "flows under earlier rules are forgotten" "$(cat "$T/flows")" || ok "flows under earlier rules are forgotten"
    # A dead gate.
    mark
    kill -9 "$(engine)"
    expect "a dead gate lets nothing pass" 'silence*' agent connect $GIT 22
    expect "neither udp" 'silence*' agent udp $NTP 123
    nothing_since "nothing of it on the uplink"
    stop
    # Nobody at all: the rules stay.
    mark
    expect "without any process no tcp passes" 'silence*' agent connect $WEB 443
    expect "nor dns" '[sc]*' agent udp $DNS_ANY 53
    ip netns exec "$N-a" python3 "$HERE/gate_agent.py" raw a0 "$MAC" 10.9.8.2 10.9.8.1 $WEB >/dev/null
    nothing_since "nothing of it on the uplink"
}

MODE=gate
build || { not_ok "build"; exit 1; }
world
"$HARNESS" quic quic.example >"$T/quic"
suite queue "tproxy, nfqueue"
suite queue "tproxy, nfqueue, v6" ipv6
suite queue "two queues" queues=2
suite queue "xtables tproxy" intercept=1
suite queue "xtables tproxy, v6" intercept=1 ipv6
suite queue "redirect" intercept=2
suite none "no queue" gate=2
suite none "redirect, no queue" intercept=2 gate=2
DNS_ANY=8.8.8.8
failures
exit $FAILED
