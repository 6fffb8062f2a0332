# What the attack_*.sh scripts share. Sourced after lib.sh: a recorder beside the world's origins, a capture of all that
# reaches the world, and the proof that only what the policy allows is in it.
#
#   93.184.216.12   open.test rules.test auth.test *.auth.test other.test: attack_origin.py, which writes down every octet it is sent
RECORDER=93.184.216.12

# attack_world   after world_up
attack_world() {
    local name
    ip -n "$W-net" addr add $RECORDER/32 dev lo
    (
        cd "$T/pki" || exit 1
        leaf open.test,rules.test,auth.test,other.test,header.test,'*.auth.test' recorder
    ) >/dev/null 2>&1
    for name in open rules auth other header '*.auth'; do echo "$name A $RECORDER"; done >>"$T/test.zone"
    kill -HUP "$(cat "$T/nsd.pid")"
    mkdir -m 777 "$T/record" "$T/out"
    in_net python3 "$HERE/attack_origin.py" $RECORDER "$T/pki/recorder.pem" "$T/pki/leaf.key" "$T/record" >"$T/recorder.log" 2>&1 &
    eventually 5 in_net curl -s --resolve open.test:80:$RECORDER http://open.test/ || { echo "no recorder: $(cat "$T/recorder.log")" >&2; exit 1; }
    eventually 5 bash -c "ip netns exec $W-net dig +short +time=1 +tries=1 @$DNS open.test | grep -q $RECORDER" || { echo "the zone was not read again" >&2; exit 1; }
    rm -f "$T"/record/*
    in_net tcpdump -U -n -i dn0 -Q in -w "$T/left.pcap" >"$T/tcpdump.log" 2>&1 &
    # What is for the host itself does not reach the world.
    in_host tcpdump -U -n ${HOST_CAPTURE:--i any} -w "$T/host.pcap" >"$T/tcpdump2.log" 2>&1 &
    eventually 5 grep -q listening "$T/tcpdump.log" && eventually 5 grep -q listening "$T/tcpdump2.log" || { echo "no capture: $(cat "$T/tcpdump.log")" >&2; exit 1; }
}

# left FILTER   packets that reached the world for which a tcpdump filter holds
left() {
    sleep 0.3
    tcpdump -n -r "$T/left.pcap" "$@" 2>/dev/null
}

# nothing_left [FILTER]   no packet but ARP, questions to the world's DNS server and TCP to its origins (and FILTER)
nothing_left() {
    local bad
    local mac
    mac=${UPLINK_MAC:-$(ip -n "$W-host" -j link show up0 | sed 's/.*"address":"\([^"]*\)".*/\1/')}
    # The host's own kernel says hello in IPv6.
    bad=$(left "not arp and not (src host $HOSTIP and ((dst host $DNS and port 53) or (tcp and (dst host $ORIGIN or dst host $STRANGE or dst host $RECORDER) and (dst port 80 or dst port 443 or dst port 8443))${1:+ or ($1)}))
        and not (ether src $mac and dst net ff02::/16 and (ip6[40] = 133 or ip6[40] = 135 or ip6[48] = 143))")
    [ -z "$bad" ] || { printf '%s\n' "$bad" | head -20; return 1; }
}

# attack POLICY COMMAND...   as agent(), its lines "ok NAME" and "not ok NAME: why" become cases
attack() {
    local line n=0
    agent "$@" >"$T/attack.out" 2>"$T/attack.err"
    local status=$?
    while IFS= read -r line; do
        case $line in
        "ok "* | "skip "*) printf '%s\n' "$line"; n=$((n + 1)) ;;
        "not ok "*) printf '%s\n' "$line" | head -c 2000; FAILED=1; n=$((n + 1)) ;;
        esac
    done <"$T/attack.out"
    [ $status = 0 ] && [ $n -gt 0 ] || not_ok "the attack ran to its end" "status $status after $n cases: $(tail -5 "$T/attack.err") $(tail -3 "$T/attack.out")"
}

# no_octets STRING   those octets are in no packet that reached the world or the host
no_octets() { sleep 0.3; ! grep -aiF -- "$1" "$T/left.pcap" "$T/host.pcap"; }
