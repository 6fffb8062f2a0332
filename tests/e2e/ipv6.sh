#!/usr/bin/env bash
# IPv6 from the agent to the world, where the host has it; and none at all where it has none. What a sidecar does with
# odd packets (advertisements, extension headers, fragments, multicast, spoofed sources) is in gate.sh.
WORLD_V6=1
. "$(dirname "$0")/lib.sh"
[ -e /proc/net/if_inet6 ] || { skip ipv6 "this kernel has no IPv6"; exit 0; }
world_up
[ -e /proc/sys/net/ipv6/conf/all/force_forwarding ] || in_host sysctl -qw net.ipv6.conf.all.forwarding=1

cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - {host: six.test}
    - {host: dual.test}
    - {host: origin.test}
    - {host: halfgood.test}
    - {host: ula.test}
    - {host: mapped.test}
    - {host: nat64.test}
    - {host: sixtofour.test}
    - {host: linklocal.test}
    - {host: lo6.test}
    - {host: raw6.test, protocol: tcp, ports: [2200]}
    - {host: clock6.test, protocol: udp, ports: [123]}
YAML
chmod 644 "$T/policy.yaml"

cat >"$T/services.py" <<'PY'
import socket, sys, threading
def tcp():
    s = socket.create_server((sys.argv[1], 2200), family=socket.AF_INET6)
    while True:
        c, a = s.accept()
        c.sendall(b"greetings to " + a[0].encode() + b"\n")
        c.close()
threading.Thread(target=tcp, daemon=True).start()
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind((sys.argv[1], 123))
while True:
    d, a = u.recvfrom(2000)
    u.sendto(b"tock", a)
PY
in_net python3 "$T/services.py" $ORIGIN6 2>/dev/null &
# Everything of the host's on IPv6 that is neither neighbour discovery nor what the policy allows.
in_net tcpdump -lni dn0 -Q in "ip6 and not icmp6 and not dst host ff02::16 and not tcp port 80 and not tcp port 443 and not tcp port 2200 and not udp port 123" \
    >"$T/leaks" 2>"$T/tcpdump" &
eventually 5 grep -q listening "$T/tcpdump"

cat >"$T/agent.py" <<'PY'
import errno, socket, struct, sys, time
def attempt(what, act):
    start = time.monotonic()
    try:
        result = act()
    except OSError as e:
        result = errno.errorcode.get(e.errno, str(e))
    took = time.monotonic() - start
    print(what, result, "late" if took > 0.5 else "", flush=True)
def tcp(host, port):
    s = socket.create_connection((host, port), 3)
    return "open " + s.recv(100).decode().strip()
def udp(host, port, text=b"tick"):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect((host, port))
    s.send(text)
    return "answer " + s.recv(100).decode()
def past(to):
    """By the interface instead of the routes: what no rule but the next hop's stops."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    s.sendto(b"escape", (to, 7777, 0, socket.if_nametoindex("eth0")))
    return "sent"
def raw(proto):
    socket.socket(socket.AF_INET6, socket.SOCK_RAW, proto)
    return "opened"
world, gateway = sys.argv[1], sys.argv[2]
attempt("relay", lambda: tcp("raw6.test", 2200))
attempt("relay-other-port", lambda: tcp("raw6.test", 2201))
attempt("clock", lambda: udp("clock6.test", 123))
attempt("clock-other-port", lambda: udp("clock6.test", 124))
attempt("raw-ssh", lambda: tcp(world, 22))
attempt("raw-dot", lambda: tcp(world, 853))
attempt("raw-udp", lambda: udp(world, 9, b"escape"))
attempt("quic", lambda: udp(world, 443, b"\xc0" + b"escape" * 200))
attempt("sidecar", lambda: tcp(gateway, 22))
for name, to in (("past-all-nodes", "ff02::1"), ("past-mdns", "ff02::fb"), ("past-link-local", "fe80::2"),
                 ("past-neighbour", gateway[:-1] + "77"), ("past-world", world)):
    attempt(name, lambda: past(to))
attempt("advertise", lambda: raw(58))
def join():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.sendto(b"escape", ("ff0e::99", 7777, 0, socket.if_nametoindex("eth0")))
    return "sent"
attempt("multicast", join)
PY
chmod 644 "$T/agent.py"

say() { sed -n "s/^$1 //p" "$T/out"; }
is() { # NAME KEY PATTERN   the agent's line for KEY
    local got
    got=$(say "$2")
    # shellcheck disable=SC2254
    case $got in $3) ok "$1" ;; *) not_ok "$1" "$got (wanted $3)" ;; esac
}

cat >"$T/agent.sh" <<SH
gw=\$(ip -6 route show default | sed -n 's/^default via \([^ ]*\) .*/\1/p')
echo "addresses \$(ip -6 -o addr show dev eth0 | awk '{print \$4}' | sort | tr '\n' ' ')"
echo "routes \$(ip -6 route show table all | grep -v 'table local' | cut -d' ' -f1-5 | sort | tr '\n' ',')"
fetch() { echo "\$1 \$(curl -sS -m8 -o /tmp/body.\$\$ -w '%{http_code} %{remote_ip} ' "\${@:2}" 2>&1; cat /tmp/body.\$\$; rm -f /tmp/body.\$\$)"; }
fetch six https://six.test/
fetch plain http://six.test/
fetch dual6 -6 https://dual.test/
fetch dual4 -4 https://dual.test/
fetch origin https://origin.test/
fetch halfgood https://halfgood.test/
fetch forbidden -6 https://forbidden6.test/
fetch forbidden-plain -6 http://forbidden6.test/
fetch raw-sni --connect-to six.test:443:[$FORBIDDEN6]:443 https://six.test/
fetch raw-forbidden --connect-to forbidden6.test:443:[$FORBIDDEN6]:443 https://forbidden6.test/
fetch raw-host -k https://[$FORBIDDEN6]/
for n in ula mapped nat64 sixtofour linklocal lo6; do fetch \$n https://\$n.test/; done
echo "aaaa-origin \$(dig +short AAAA origin.test)."
echo "resolver6 \$(dig +short +time=2 +tries=1 @2001:4860:4860::8888 AAAA six.test)"
echo "resolver6-tcp \$(dig +short +tcp +time=2 +tries=1 @2001:4860:4860::8888 AAAA six.test)"
exec python3 $T/agent.py $FORBIDDEN6 "\$gw"
SH
chmod 644 "$T/agent.sh"

agent "$T/policy.yaml" bash "$T/agent.sh" >"$T/out" 2>&1
is "the agent has the address that we gave, and no other" addresses 'fd65:*/128 fe80::*/128 '
is "its routes are the gateway's two" routes 'default via fd65:* dev eth0,fd65:* dev eth0 *,'
is "a name with AAAA alone is reached" six '200 2606:2800:220:1::10 hello*'
is "also in plaintext" plain '200 2606:2800:220:1::10 hello*'
is "a name with both, over IPv6" dual6 '200 2606:2800:220:1::10 hello*'
is "a name with both, over IPv4" dual4 '200 93.184.216.10 hello*'
is "a name without AAAA is as before" origin '200 93.184.216.10 hello*'
is "of a name's addresses only the good one is used" halfgood '200 2606:2800:220:1::10 hello*'
is "an unlisted name gets our 403" forbidden '403 fd65:*no_route*'
is "also in plaintext" forbidden-plain '403 fd65:*no_route*'
is "the name counts, not the address" raw-sni '200 2606:2800:220:1::20 hello*'
is "an unlisted name at its own address gets our 403" raw-forbidden '403 *no_route*'
is "an address as the name does not" raw-host '4?? *"reason"*'
for n in ula mapped nat64 sixtofour linklocal lo6; do is "an address inside: $n" $n '403 *private_address*'; done
is "AAAA of a name that has none is empty" aaaa-origin '.'
is "any IPv6 resolver is ours" resolver6 '2606:2800:220:1::10'
is "also over TCP" resolver6-tcp '2606:2800:220:1::10'
is "a tcp route is relayed, server first" relay 'open greetings to 2606:2800:220:77::2 '
is "on its port alone" relay-other-port 'E* '
is "a udp route is forwarded" clock 'answer tock '
is "on its port alone too" clock-other-port 'E* '
for n in raw-ssh raw-dot raw-udp quic sidecar; do is "refused at once: $n" $n 'E* '; done
for n in all-nodes mdns link-local neighbour world; do is "not past the routes: $n" past-$n 'E*'; done
is "no multicast" multicast 'E*'
is "no advertisements" advertise 'EPERM*'
if [ ! -s "$T/leaks" ]; then ok "nothing else is on the wire"; else not_ok "nothing else is on the wire" "$(cat "$T/leaks")"; fi
check "the log has the agent's address and the destination's" logged \
    'e["event"]=="flow" and str(e["agent"]).startswith("fd65:") and e["dst"]=="2606:2800:220:1::10" and e["host"]=="six.test"'
check "and the refusals" logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["dport"]==853 and e["dst"]=="2606:2800:220:1::20"'

left() { in_host nft list tables | grep -q egressd || in_host ip -6 addr | grep -q fd65 || [ "$(in_host sysctl -n net.ipv6.conf.up0.force_forwarding 2>/dev/null || echo 0)" != 0 ]; }
if ! left; then ok "nothing is left on the host"; else not_ok "nothing is left on the host" "$(in_host nft list tables; in_host sysctl net.ipv6.conf.up0.force_forwarding)"; fi

# Tried again from inside while it runs, with every door of IPv6; and a door of IPv6 is found.
ctl run --backend netns --name six$$ --policy "$T/policy.yaml" --dns-upstream $DNS --state-dir "$T/tried" -- sleep 20 >"$T/out" 2>&1 &
tried=$!
eventually 5 ctl exec six$$ -- true
check "egressctl doctor finds it tight" ctl doctor six$$
nsenter -t "$(jq .agent.pid "/run/egressd/six$$/record.json")" -n ip -6 addr add fd00:9::9/64 dev eth0 nodad
ctl doctor six$$ >"$T/doctor" 2>&1
if [ $? = 1 ] && grep -q 'IPv6 addresses' "$T/doctor"; then ok "and not with an address of its own"; else not_ok "and not with an address of its own" "$(cat "$T/doctor")"; fi
wait $tried

# One of two ends: the host goes on forwarding for the other.
agent "$T/policy.yaml" bash -c "sleep 1.5; echo \"second \$(curl -sS -m8 https://six.test/)\"" >"$T/out" 2>&1 &
second=$!
ctl run --backend netns --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS --state-dir "$T/first" -- \
    curl -sS -m8 https://six.test/ >"$T/first.out" 2>&1
wait $second
check "two sandboxes at once" grep -q hello "$T/first.out"
is "one goes on when the other ends" second 'hello*'
if ! left; then ok "nothing is left after both"; else not_ok "nothing is left after both" "$(in_host nft list tables)"; fi

# A firewall of the host's that drops what is forwarded, in IPv6 as well.
in_host nft -f - <<'NFT'
table ip6 fw {
  chain forward { type filter hook forward priority 0; policy drop; }
}
NFT
agent "$T/policy.yaml" bash -c 'echo "behind $(curl -sS -m8 https://six.test/)"' >"$T/out" 2>&1
is "a firewall that drops is told" behind 'hello*'
check "and told again afterwards" sh -c "! ip netns exec $W-host nft list chain ip6 fw forward | grep -q accept"
in_host nft delete table ip6 fw

# Where the switches are read-only, as in many containers, there is no IPv6, rather than no sandbox.
in_host unshare -m sh -c "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"\$@\"" sh \
    "$BUILD/egressctl" run --backend netns --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/readonly" -- sh -c 'echo "dual $(curl -sS -m8 -o /dev/null -w "%{http_code} %{remote_ip}" https://dual.test/)"' >"$T/out" 2>&1
is "with a read-only /proc/sys IPv4 remains" dual '200 93.184.216.10'

# The host loses its IPv6: then there is none, and nobody is told of any.
in_host ip -6 route del default
cat >"$T/none.sh" <<'SH'
echo "addresses $(ip -6 -o addr show dev eth0 | wc -l)"
echo "aaaa $(dig +short AAAA six.test)."
echo "dual $(curl -sS -m8 -o /dev/null -w '%{http_code} %{remote_ip}' https://dual.test/)"
echo "six $(curl -sS -m8 -o /dev/null -w '%{http_code} %{remote_ip}' https://six.test/)"
echo "literal $(curl -sS -m3 'http://[2606:2800:220:1::10]/' 2>&1)"
SH
chmod 644 "$T/none.sh"
agent "$T/policy.yaml" bash "$T/none.sh" >"$T/out" 2>&1
is "without an uplink no address" addresses 0
is "AAAA is empty" aaaa .
is "a name with both is reached over IPv4" dual '200 93.184.216.10'
is "a name with AAAA alone is not" six '[05]0*'
is "and an address fails at once" literal 'curl: (7)*'
exit $FAILED
