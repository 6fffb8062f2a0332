#!/usr/bin/env bash
# On a kernel that has everything: what is there is what is used, the ways out that only a network of its own has are
# closed, and the host's address on the agent's network is as good as absent.
TRANSPORT=vm
. "$(dirname "$0")/../e2e/lib.sh"
BIG=4194304
world_up
export API_TOKEN="tok_$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: git.test
      git: {fetch: true}
    - host: tokens.test
      auth: {scheme: Bearer, token_ref: API_TOKEN}
YAML
# A service of the host's, as of a Mac that shares its screen, and all that comes near it.
in_host python3 -m http.server --bind $LAN.1 --directory "$T/www" 8080 >/dev/null 2>&1 &
eventually 20 in_host curl -s "http://$LAN.1:8080/" || not_ok "the host's service" "it does not answer"
in_host tcpdump -U -n -p -i lan0 -Q in -w "$T/lan.pcap" >"$T/lan.log" 2>&1 &
in_net tcpdump -U -n -i dn0 -Q in -w "$T/left.pcap" >"$T/left.log" 2>&1 &
eventually 20 grep -q listening "$T/lan.log" && eventually 20 grep -q listening "$T/left.log" || not_ok "captures" "tcpdump did not start"
mkdir -m 777 "$T/out"
cat >"$T/bound.py" <<'PY'
# Straight to a neighbour, past the routes: bound to the interface, as any user may.
import errno, socket, sys
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    for direct in (0, 1):
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(3)
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, direct)
            s.connect((sys.argv[1], 8080))
            s.send(b"canary-bound")
            s.send(b"canary-bound")
            if kind == socket.SOCK_STREAM:
                print("connected")
        except OSError as e:
            print(errno.errorcode.get(e.errno, str(e)))
PY
cat >"$T/ping.py" <<'PY'
# The ping program itself needs a capability, or to keep those that it has not.
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(5)
s.connect((sys.argv[1], 0))
s.send(b"\x08\0\0\0\0\0\0\1canary")
print(s.recv(100))
PY
cat >"$T/agent.bash" <<AGENT
cd $T/out
t() { local n=\$1; shift; timeout 30 "\$@" >\$n.out 2>&1; echo \$? >\$n.status; }
t curl curl -sS --max-time 20 https://origin.test/
t python python3 -c 'import urllib.request as u; print(u.urlopen("https://origin.test/").read().decode())'
t git git clone -q https://git.test/git/repo.git clone
t token curl -sS --max-time 20 -H 'Authorization: Bearer placeholder' https://tokens.test/whoami
t big curl -sS --max-time 60 -o big.body https://origin.test/big
t denied curl -sS --max-time 20 https://forbidden.test/
t raw curl -sS --max-time 20 http://$FORBIDDEN/
t metadata curl -sS --max-time 20 http://169.254.169.254/latest/meta-data/
t port curl -sS --max-time 20 http://$ORIGIN:8080/
t host curl -sS --max-time 20 http://$LAN.1:8080/
t bound python3 $T/bound.py $LAN.1
t dns dig +time=3 +tries=1 @8.8.8.8 forbidden.test A
t udp bash -c 'exec 3<>/dev/udp/$ORIGIN/9999; echo canary >&3; sleep 1; echo canary >&3'
t quic bash -c 'exec 3<>/dev/udp/$ORIGIN/443; echo canary >&3; sleep 1; echo canary >&3'
t ping python3 $T/ping.py $ORIGIN
t six curl -sS --max-time 10 'http://[2606:2800:220:1::10]/'
t route ip route replace default via $LAN.1
t table nft flush ruleset
t caps grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid)' /proc/self/status
AGENT
vm_start "$T/policy.yaml" || exit 1
vm_sidecar "chroot /root /usr/sbin/egressd doctor" >"$T/doctor"
vm_sidecar "chroot /root /usr/sbin/egressd ruleset --policy /run/egressd/policy.yaml" >"$T/ruleset"
vm_sidecar "chroot /root /usr/sbin/nft list ruleset" >"$T/loaded"
check "the agent came to its end" vm_agent bash "$T/agent.bash"
vm_sidecar "cat /proc/net/tls_stat" >"$T/tls_stat"
vm_stop
o=$T/out
says() { grep -qE -- "$2" "$o/$1.out" || { cat "$o/$1.out" "$o/$1.status"; return 1; }; }
fails() { [ "$(cat "$o/$1.status")" -gt 0 ] && [ "$(cat "$o/$1.status")" -ne 124 ] || { cat "$o/$1.out" "$o/$1.status"; return 1; }; }

for feature in "nf_tables: tproxy" "nf_tables: queue" "nfnetlink_queue" "transparent sockets" "kernel TLS"; do
    check "doctor finds $feature" grep -qE "^ +$feature +yes" "$T/doctor"
done
check "doctor would intercept by nft tproxy" grep -qE 'interception: nft tproxy' "$T/doctor"
check "doctor would judge by nft queue" grep -qE 'gate: +nft queue' "$T/doctor"
check "the start line says the same" logged 'e["event"]=="start" and e["intercept"]=="nft tproxy" and e["gate"]=="nft queue"'
for what in ruleset loaded; do
    check "$what: tproxy" grep -qE 'tproxy (ip )?to ' "$T/$what"
    check "$what: queue" grep -qE 'queue (flags [a-z,]* )?(num|to) ' "$T/$what"
done
check "curl" says curl 'hello from the origin'
check "python" says python 'hello from the origin'
check "git" test -f "$o/clone/file"
check "the real token, once" grep -qE "^tokens.test GET /whoami 200 .*auth=\"Bearer $API_TOKEN\"" "$T/access.log"
check "$((BIG >> 20)) MiB, byte for byte" cmp "$o/big.body" "$T/www/big"
check "a host that is not allowed" says denied '"reason":"no_route","host":"forbidden.test"'
check "a raw address" says raw '"reason":"no_route"'
check "the metadata address" says metadata '"reason":"no_route"'
check "another port" fails port
check "the host's own address" fails host
check "the host's own address, bound to the interface" bash -c "! grep -E 'connected' '$o/bound.out'"
check "a foreign resolver's question is answered here" bash -c "grep -q 'status: NOERROR' '$o/dns.out' && ! grep -q '$FORBIDDEN' '$o/dns.out'"
check "UDP is refused, not swallowed" fails udp
check "QUIC is refused, not swallowed" fails quic
check "ping" fails ping
check "IPv6" fails six
check "the route is not the agent's" says route 'Operation not permitted'
check "nor are the rules" fails table
check "no capability" bash -c "! grep -E '^Cap[A-Za-z]*:.*[1-9a-f]' '$o/caps.out' && grep -q 'NoNewPrivs:.1' '$o/caps.out' && grep -q 'Seccomp:.2' '$o/caps.out'"
check "nothing of the agent's came to the host" bash -c "! tcpdump -n -r '$T/lan.pcap' 'not arp and src host $LAN.3' 2>/dev/null | grep ."
check "nothing but the allowed left" bash -c "! tcpdump -n -r '$T/left.pcap' 'ip and not (src host 0.0.0.0 and igmp) and not (src host $HOSTIP and ((dst host $DNS and port 53) or (tcp dst port 443 and (dst host $ORIGIN or dst host $STRANGE))))' 2>/dev/null | grep ."
check "no forbidden name was asked" bash -c "! grep -q forbidden '$T/dns.log'"
check "the log has the refused name" logged 'e["event"]=="dns" and e["qname"]=="forbidden.test" and e["verdict"]=="deny"'
check "the log has the refused ports" logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["proto"]=="udp" and e["dport"]==9999'
check "the log has the ping" logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["proto"]=="icmp" and e["dst"]=="'$ORIGIN'"'
check "no token in the log" bash -c "! grep -q '$API_TOKEN' '$T/state/audit.jsonl'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
