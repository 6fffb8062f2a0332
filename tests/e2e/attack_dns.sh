#!/usr/bin/env bash
# Names as a way out: what of a question reaches the upstream, which addresses an answer may bring, which ports a name opens,
# and what a flood of names that no route has costs others.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
# Addresses that are nobody's on the Internet, or somebody's who is not asked.
SPECIAL="0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.53 127.255.255.254 169.254.1.1 169.254.169.254 172.16.0.1 172.31.255.254
    192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.250 240.0.0.1 255.255.255.255 $HOSTIP 10.77.0.1"
n=0
for a in $SPECIAL; do
    echo "special$n A $a"
    n=$((n + 1))
done >>"$T/test.zone"
printf '%s\n' "website A $STRANGE" "service A $STRANGE" "clock A $ORIGIN" "page A $ORIGIN" "zero 0 A $ORIGIN" "chain CNAME forbidden" >>"$T/test.zone"
attack_world
CANARY=cnry$$dns
{
    cat <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: website.test
    - host: page.test
    - host: zero.test
    - host: chain.test
    - host: "*.wild.test"
    - {host: service.test, protocol: tcp, ports: [9022]}
    - {host: clock.test, protocol: udp, ports: [123]}
YAML
    for i in $(seq 0 $((n - 1))); do echo "    - host: special$i.test"; done
} >"$T/policy.yaml"
cat >"$T/services.py" <<PY
import socket, threading
def tcp():
    s = socket.create_server(("$STRANGE", 9022))
    while True: s.accept()[0].close()
threading.Thread(target=tcp, daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("$ORIGIN", 123))
while True:
    d, peer = u.recvfrom(65536)
    u.sendto(d[:100], peer)
PY
in_net python3 "$T/services.py" >/dev/null 2>&1 &
eventually 5 in_net nc -z $STRANGE 9022 || { echo "no service" >&2; exit 1; }
cat >"$T/attack.sh" <<SH2
exec python3 "$HERE/attack_dns.py" "\$(awk '/^nameserver/ {print \$2; exit}' /etc/resolv.conf)" $ORIGIN $STRANGE $FORBIDDEN $CANARY $n
SH2
attack "$T/policy.yaml" bash "$T/attack.sh"
check "nothing left but what the routes name" nothing_left "(udp and dst host $ORIGIN and dst port 123) or (tcp and dst host $STRANGE and dst port 9022)"
check "no fragment and no option left" bash -c "! tcpdump -n -r '$T/left.pcap' 'src host $HOSTIP and (ip[6:2] & 0xbfff != 0 or ip[0] & 15 != 5)' 2>/dev/null | grep ."
check "no octet of the agent's own left" no_octets $CANARY
check "no special address was dialled" bash -c "! tcpdump -n -r '$T/left.pcap' 'src host $HOSTIP and tcp and not (dst net 93.184.216.0/24)' 2>/dev/null | grep ."
check "what is asked upstream shows only name and type" python3 "$HERE/attack_dns.py" wire "$T/left.pcap" $DNS
check "the log has the refused addresses" logged 'e["event"]=="dns" and e["reason"]=="private_address" and "special" in str(e["qname"])'
check "the log has the limit" logged 'e["event"]=="flow" and e["reason"]=="limit" and "flood" in str(e["sni"])'
check "no leaf was asked of the upstream's name servers" bash -c "! grep -q flood '$T/dns.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
