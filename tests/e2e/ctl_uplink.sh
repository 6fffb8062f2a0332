#!/usr/bin/env bash
# The host's uplink changes while a sandbox runs: a cable is pulled and another interface takes over. The sandbox goes on by
# the new way, and that there is no way round its sidecar is tried again.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
export EGRESSD_RUNTIME_DIR=$T/registry
in_host sysctl -qw net.ipv4.ip_forward=0 # so that each interface is let forward by itself, and none does afterwards
mkdir -m 777 "$T/w" && cd "$T/w" || exit 1
printf 'version: 1\negress:\n  routes:\n    - host: origin.test\n    - host: "*.wild.test"\n    - host: strange.test\n' >"$T/policy.yaml"
ip link add up1 netns "$W-host" type veth peer name dn1 netns "$W-net"
ip -n "$W-host" addr add 10.78.0.2/24 dev up1
ip -n "$W-net" addr add 10.78.0.1/24 dev dn1
for i in up1 dn1; do ip -n "$W-$([ $i = up1 ] && echo host || echo net)" link set $i addrgenmode none; done
ip -n "$W-net" link set dn1 up # up1 is not plugged in yet

snapshot() {
    ip -n "$W-host" -o link | sed 's/ qdisc.*//; s/state [A-Z]*//; s/<[^>]*>//'
    in_host nft list ruleset
    for i in up0 up1; do in_host cat /proc/sys/net/ipv4/conf/$i/forwarding; done
    ls "$EGRESSD_RUNTIME_DIR"
}
start() { # NAME
    rm -f body
    ip netns exec "$W-host" "$BUILD/egressctl" run --verbose --name "$1" --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
        --dns-upstream $DNS --state-dir "$T/state" -- sh -c 'until [ -e stop ]; do curl -sS --max-time 2 https://origin.test/ >body.new 2>errors && mv body.new body; sleep 0.1; done' >"$T/out" 2>&1 &
    RUN=$!
    eventually 10 fetched || { not_ok "start" "$(cat "$T/out" errors)"; exit 1; }
}
fetched() { grep -qs 'hello from the origin' body; }
fetches() { rm -f body; eventually "${1:-10}" fetched || { cat errors "$T/out"; return 1; }; }
proofs() { logged 'e["event"]=="dns" and "egressd" in str(e["qname"])' | grep -c .; }
proved() { [ "$(proofs)" -gt "$BEFORE" ] && grep -q 'no way round the sidecar after the change' "$T/out"; }
plug() { # INTERFACE GATEWAY
    ip -n "$W-host" link set "$1" up
    ip -n "$W-host" route replace default via "$2"
}

ctl gc # makes the registry
snapshot >"$T/before"
start a
check "the world is reached by the first uplink" fetches
BEFORE=$(proofs)
changes() {
    ip -n "$W-host" link set up0 down
    plug up1 10.78.0.1
    eventually 10 proved || { cat "$T/out"; return 1; }
}
check "another uplink is noticed, and the proof repeated" changes
check "the world is reached by it" fetches
only_ours() { # the host does not become a router for others on it
    in_host nft list table ip egressd-a | grep -q 'iifname "up1" oifname != "egh\*" drop' && [ "$(in_host cat /proc/sys/net/ipv4/conf/up1/forwarding)" = 1 ]
}
check "the host routes there for nobody else" only_ours
BEFORE=$(proofs)
check "back again" eval "plug up0 10.77.0.1 && ip -n $W-host link set up1 down && eventually 10 proved && fetches"
same_address() { # the same interface, another address
    BEFORE=$(proofs)
    ip -n "$W-host" addr add 10.77.0.9/24 dev up0
    ip -n "$W-host" route replace default via 10.77.0.1 src 10.77.0.9
    eventually 10 proved && fetches
}
check "another address is noticed" same_address
quiet() { # what does not concern the uplink starts no proof
    BEFORE=$(proofs)
    ip -n "$W-host" link add other0 type veth peer name other1
    ip -n "$W-host" addr add 10.79.0.1/24 dev other0
    ip -n "$W-host" link set other0 up
    sleep 1.5
    ip -n "$W-host" link del other0
    sleep 1.5
    [ "$(proofs)" = "$BEFORE" ] || { cat "$T/out"; return 1; }
}
check "other changes are no reason for a proof" quiet
touch stop
wait $RUN
rm -f stop
ip -n "$W-host" addr del 10.77.0.9/24 dev up0
ip -n "$W-host" route replace default via 10.77.0.1
same() { snapshot >"$T/after"; cmp -s "$T/before" "$T/after"; }
check "the host is left as it was" eval "eventually 3 same || { diff $T/before $T/after; false; }"

ended() { ! kill -0 $RUN; }
leaks() { # what the proof finds then ends the sandbox
    start b
    nsenter -t "$(jq .agent.pid "$EGRESSD_RUNTIME_DIR/b/record.json")" -n nft flush chain inet egress_init output
    ip -n "$W-host" link set up0 down
    plug up1 10.78.0.1
    eventually 10 ended || { cat "$T/out"; return 1; }
    wait $RUN
    [ $? = 125 ] && grep -q 'packet rules' "$T/out" && grep -q 'is ended' "$T/out" || { cat "$T/out"; return 1; }
    plug up0 10.77.0.1
    ip -n "$W-host" link set up1 down
    eventually 3 same || { diff "$T/before" "$T/after"; return 1; }
}
check "a leak that it finds ends the sandbox" leaks

# -- what a laptop does: other DNS servers, sleep, and connections under way
follow_world
# A stream of the agent's that goes on for longer than this test.
STREAM='curl -sSN -o stream "https://strange.test/sse?3000" 2>stream.err & while kill -0 $! 2>/dev/null && [ ! -e stop ]; do sleep 0.1; done; kill $! && touch unbroken; touch ended'
follow() {
    followed run --verbose --name f --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --state-dir "$T/state" -- sh -c "$STREAM" >"$T/out" 2>&1
}
rm -f stop
follow &
RUN=$!
eventually 20 test -s stream || { not_ok "start" "$(cat "$T/out" stream.err)"; exit 1; }
ask() { ctl exec f -- curl -sS --max-time 5 "https://$1.wild.test/" | grep -q hello; }
check "the host's DNS server is asked" ask one
other_server() {
    in_net kill "$(cat "$T/nsd.pid")"
    echo "nameserver $DNS2" >"$T/resolv.conf"
    eventually 20 grep -q 'no way round the sidecar after the change of the DNS servers' "$T/out" && eventually 5 ask two || { cat "$T/out"; return 1; }
}
check "another DNS server of the host's is asked from then on" other_server
no_server() { # a host that is offline for a moment
    : >"$T/resolv.conf"
    sleep 2.5
    echo "nameserver $DNS2" >"$T/resolv.conf"
    ask three && [ "$(grep -c 'other DNS servers' "$T/out")" = 1 ] || { cat "$T/out"; return 1; }
}
check "...and still where it has none for a moment" no_server
sleeps() {
    echo 3600 >"$T/slept"
    eventually 20 grep -q "no way round the sidecar after the host's sleep" "$T/out" && grep -q 'has slept for 36[0-9][0-9] seconds' "$T/out" && ask four || { cat "$T/out"; return 1; }
}
check "the host's sleep is noticed, and all begun anew" sleeps
goes_on() {
    local n
    n=$(stat -c %s stream)
    eventually 5 eval "[ \$(stat -c %s stream) -gt $n ]" && touch stop && eventually 5 test -e ended && [ -e unbroken ] || { cat stream.err "$T/out"; return 1; }
}
check "a connection of the agent's goes on through all that" goes_on
touch stop
wait $RUN
exit $FAILED
