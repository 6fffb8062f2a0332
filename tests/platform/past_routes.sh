#!/usr/bin/env bash
# What the shim relies on: routes alone do not confine, and "rt ip nexthop" judges a packet that skipped them.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
P=initp$$ FAILED=0
[ "$(id -u)" = 0 ] || { echo "skip past_routes: needs root"; exit 0; }
ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: ${2:-}"; FAILED=1; }
down() { ip netns del "$P-A" 2>/dev/null; ip netns del "$P-N" 2>/dev/null; }
trap down EXIT
ip netns add "$P-A" && ip netns add "$P-N" || exit 1
ip link add eth0 netns "$P-A" type veth peer name eth0 netns "$P-N"
for n in A N; do ip -n "$P-$n" link set lo up; ip -n "$P-$n" link set eth0 up; done
ip -n "$P-A" addr add 10.66.0.2/24 dev eth0
ip -n "$P-N" addr add 10.66.0.1/24 dev eth0
ip -n "$P-N" addr add 10.66.0.5/24 dev eth0
ip -n "$P-A" route add 10.66.0.5/32 dev eth0 scope link
ip -n "$P-A" route del 10.66.0.0/24
ip -n "$P-A" route add default via 10.66.0.5

# send TO [OPTION...]   one datagram by an unprivileged user; prints "sent" or the error
send() {
    ip netns exec "$P-A" setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set -all --inh-caps -all python3 - "$@" <<'PY'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if "bind" in sys.argv: s.setsockopt(socket.SOL_SOCKET, 25, b"eth0\0")
if "dontroute" in sys.argv: s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
try:
    s.sendto(b"x", (sys.argv[1], 9))
    print("sent")
except OSError as e:
    print(e.strerror)
PY
}
is() { local got; got=$("${@:3}"); if [ "$got" = "$2" ]; then ok "$1"; else not_ok "$1" "$got, not $2"; fi; }
# neighbours the agent's kernel tried to resolve: what left directly
direct() { ip -n "$P-A" neigh show 10.66.0.1 | grep -c .; }
is "a routed packet to a neighbour goes to the gateway" sent send 10.66.0.1
is "... and the neighbour is not looked for" 0 direct
is "asking for no routing alone fails" "Network is unreachable" send 10.66.0.1 dontroute
is "bound to the interface without routing it leaves" sent send 10.66.0.1 bind dontroute
is "... directly" 1 direct
ip netns exec "$P-A" nft -f - <<'NFT'
table inet t {
    chain output {
        type filter hook output priority 0; policy drop;
        meta nfproto ipv4 oifname "eth0" rt ip nexthop 10.66.0.5 accept
    }
}
NFT
is "the next hop rule lets a routed packet pass" sent send 10.66.0.1
is "... and stops one that skipped routing" "Operation not permitted" send 10.66.0.1 bind dontroute
is "the gateway itself may be reached so" sent send 10.66.0.5 bind dontroute
for to in 255.255.255.255 10.66.0.255 224.0.0.251; do
    got=$(send $to bind)
    if [ "$got" != sent ]; then ok "nothing to $to ($got)"; else not_ok "nothing to $to" "$got"; fi
done
is "IPv6 addresses can be kept away without /proc/sys" 0 sh -c "
    ip -n $P-A link set eth0 addrgenmode none && ip -n $P-A link set eth0 down && ip -n $P-A link set eth0 up; sleep 0.2
    ip -n $P-A -6 addr show dev eth0 | grep -c inet6"
exit $FAILED
