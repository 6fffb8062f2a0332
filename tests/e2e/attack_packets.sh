#!/usr/bin/env bash
# Packets: every protocol, port, option and address an unprivileged user can put on the wire, and DNS as a tunnel.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
CANARY=cnry$$zq
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: open.test
YAML
cat >"$T/attack.sh" <<SH2
getent hosts origin.test >/dev/null
SCAN_STEP=${SCAN_STEP:-1} exec python3 "$HERE/attack_packets.py" "\$(awk '/^nameserver/ {print \$2; exit}' /etc/resolv.conf)" $HOSTIP 10.77.0.1 $ORIGIN $FORBIDDEN $DNS $CANARY
SH2
attack "$T/policy.yaml" bash "$T/attack.sh"
check "nothing left" nothing_left
check "no octet of the agent's own left" no_octets $CANARY
check "only allowed names were asked" bash -c "! tcpdump -n -r '$T/left.pcap' 'dst host $DNS and port 53' 2>/dev/null | grep -vE '(A|AAAA|HTTPS|Type65)\? (origin|open)\.test\.|Flags'"
check "the log has the refused ports" logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["reason"]=="no_route" and e["dport"]==22'
check "the log has the refused names" logged 'e["event"]=="dns" and e["verdict"]=="deny" and "forbidden" in str(e["qname"])'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
