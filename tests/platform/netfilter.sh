#!/usr/bin/env bash
# What appliance/netfilter_rules.c takes for granted of the kernel, tried with rules of a few lines each.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HERE=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "skip netfilter: needs root"; exit 0; }
N=gatet-p$$ FAILED=0 LISTENER=
cleanup() { [ -n "$LISTENER" ] && kill "$LISTENER" 2>/dev/null; ip netns del "$N-a" 2>/dev/null; ip netns del "$N-s" 2>/dev/null; }
trap cleanup EXIT
trap 'exit 130' INT TERM
for n in a s; do ip netns add "$N-$n"; ip -n "$N-$n" link set lo up; done
ip link add name a0 netns "$N-a" type veth peer name s0 netns "$N-s"
ip -n "$N-a" addr add 10.9.8.2/24 dev a0
ip -n "$N-s" addr add 10.9.8.1/24 dev s0
ip -n "$N-a" link set a0 up
ip -n "$N-s" link set s0 up
ip -n "$N-a" route add default via 10.9.8.1

rules() { # the chains of a table; counters `hit` and `other`
    printf 'table inet t\ndelete table inet t\ntable inet t {\n counter hit {}\n counter other {}\n%s\n}\n' "$1" | ip netns exec "$N-s" nft -f - ||
        { echo "not ok the rules load: see above"; exit 1; }
}
hits() { ip netns exec "$N-s" nft list counter inet t "$1" | awk '/packets/ { print $2 }'; }
agent() { ip netns exec "$N-a" python3 -c "import sys; sys.path.insert(0, '$HERE/../e2e'); from gate_agent import *
$1"; }
packet='import socket as S
def send(octets):
    s = S.socket(S.AF_INET, S.SOCK_RAW, S.IPPROTO_RAW)
    s.sendto(octets, ("10.9.8.1", 0))
'
holds() { if [ "$2" "$3" "$4" ]; then echo "ok $1"; else echo "not ok $1: $2 $3 $4 does not hold"; FAILED=1; fi; }

# Fragments: defragmentation (-400) leaves untracked ones alone, so that chains behind it still see fragments.
fragments="$packet
whole = u('10.9.8.2', '10.9.8.1', 1000, 9, b'A' * 40)
send(ip4('10.9.8.2', '10.9.8.1', 17, whole[:24], frag=0x2000, ident=77))
send(ip4('10.9.8.2', '10.9.8.1', 17, whole[24:], frag=3, ident=77))"
later=' chain late { type filter hook prerouting priority -140; ct state established; ip saddr 10.9.8.2 ip frag-off & 0x3fff != 0 counter name hit
  ip saddr 10.9.8.2 udp dport 9 ip length > 60 counter name other
 }'
rules " chain early { type filter hook prerouting priority -450; notrack
 }
$later"
agent "$fragments"
holds "untracked fragments stay fragments" "$(hits hit)" = 2
rules "$later"
agent "$fragments"
holds "tracked ones do not (the test can fail)" "$(hits hit)" = 0
holds "but are put together" "$(hits other)" = 1

# Marks are the sender's own affair.
rules ' chain c { type filter hook prerouting priority -450; udp dport 9 counter name other
  udp dport 9 meta mark != 0 counter name hit
 }'
agent "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 36, 0x45470004)
s.sendto(b'x', ('10.9.8.1', 9))"
holds "a mark does not leave its namespace" "$(hits hit)" = 0
holds "the packet does (the test can fail)" "$(hits other)" = 1

# Refusals before routing.
rules ' chain c { type filter hook prerouting priority -140; iifname != "s0" accept
  meta l4proto tcp reject with tcp reset
  meta l4proto udp reject with icmpx admin-prohibited
 }'
case $(agent 'connect("93.184.216.1", 25)') in "closed ECONNREFUSED "*) echo "ok a reset from prerouting" ;; *) echo "not ok a reset from prerouting: none came"; FAILED=1 ;; esac
case $(agent 'udp("93.184.216.1", 25)') in "closed EHOSTUNREACH "*) echo "ok an ICMP error from prerouting" ;; *) echo "not ok an ICMP error from prerouting: none came"; FAILED=1 ;; esac

# TPROXY of what is no first packet: its own socket first, else the listener, which resets it.
ip -n "$N-s" rule add fwmark 1 lookup 100
ip -n "$N-s" route add local default dev lo table 100
rules ' chain c { type filter hook prerouting priority -140; iifname != "s0" accept
  tcp flags & (syn | ack) == syn tcp dport != 80 drop
  meta l4proto tcp tproxy to :15001 meta mark set 1 accept
 }
 chain o { type filter hook output priority 0; tcp flags & rst == rst tcp sport 99 counter name hit
 }'
ip netns exec "$N-s" python3 -c 'import socket
s = socket.socket()
s.setsockopt(socket.SOL_IP, 19, 1)
s.bind(("", 15001))
s.listen()
while True:
    c = s.accept()[0]
    c.sendall(("%s %d" % c.getsockname()).encode())
    c.close()' &
LISTENER=$!
sleep 0.3
case $(agent 'connect("93.184.216.1", 80)') in "open 93.184.216.1 80 "*) echo "ok TPROXY keeps the address that was asked" ;; *) echo "not ok TPROXY keeps the address that was asked: it did not"; FAILED=1 ;; esac
agent "$packet
send(ip4('10.9.8.2', '93.184.216.1', 6, t('10.9.8.2', '93.184.216.1', 1000, 99, 16, b'leak', ack=1)))"
sleep 0.2
holds "a stray segment is reset by the listener" "$(hits hit)" -ge 1
exit $FAILED
