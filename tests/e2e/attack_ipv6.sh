#!/usr/bin/env bash
# IPv6 as a way out, where the host has it: the same proof as for IPv4, that nothing of it is on the wire.
WORLD_V6=1
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
[ -e /proc/net/if_inet6 ] || { skip ipv6 "this kernel has no IPv6"; exit 0; }
BIG=1024 world_up
[ -e /proc/sys/net/ipv6/conf/all/force_forwarding ] || in_host sysctl -qw net.ipv6.conf.all.forwarding=1
attack_world
CANARY=cnry$$six
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: six.test
    - host: dual.test
    - {host: clock6.test, protocol: udp, ports: [124]}
YAML
cat >"$T/attack.sh" <<SH2
getent ahostsv6 clock6.test >/dev/null
exec python3 "$HERE/attack_ipv6.py" "\$(ip -6 route show default | sed -n 's/^default via \([^ ]*\) .*/\1/p')" $CANARY $NET6::1 $NET6::2 $ORIGIN6 $FORBIDDEN6
SH2
attack "$T/policy.yaml" bash "$T/attack.sh"
check "no octet of the agent's own left" no_octets $CANARY
check "nothing but web and questions left" bash -c "! tcpdump -n -r '$T/left.pcap' \
    'ip6 and not (icmp6 and (ip6[40] >= 133 or ip6[40] = 58)) and not (ip6[6] = 0 and dst net ff02::/16) and not (tcp and dst host $ORIGIN6 and (dst port 80 or dst port 443))' 2>/dev/null | grep ."
check "an allowed name works afterwards" agent "$T/policy.yaml" curl -sSf --max-time 10 -o /dev/null https://six.test/
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
