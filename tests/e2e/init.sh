#!/usr/bin/env bash
# egress-init on a network of its own: what it leaves, what it closes, what it refuses to start without.
#
#     agent A .2 ---+                        all 10.88.0.0/24 on one bridge
#     neighbour N .1 +--- bridge in B        N: the "host"; every frame it gets is counted
#     sidecar S .5 --+--- veth --- world W   W: the addresses that the probe tries, when a test opens the way to them
. "$(dirname "$0")/lib.sh"
INIT=$BUILD/egress-init
P=initt$$
GW=10.88.0.5 NEIGHBOUR=10.88.0.1 AGENT=10.88.0.2
D=$(mktemp -d /tmp/egress-init.XXXXXX) && chmod 755 "$D"
here=$(mount | wc -l)

net() { local n=$1; shift; ip netns exec "$P-$n" "$@"; }
link() { # NAME ADDRESS   one port of the bridge
    ip link add eth0 netns "$P-$1" type veth peer name "to$1" netns "$P-B"
    ip -n "$P-B" link set "to$1" master br0 up
    ip -n "$P-$1" addr add "$2/24" dev eth0
    ip -n "$P-$1" link set eth0 up
}
down() {
    local n pids
    for n in A N S W B; do
        pids=$(ip netns pids "$P-$n" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -n "$pids" ] && kill -9 $pids 2>/dev/null
        ip netns del "$P-$n" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$D"
}
agent_up() { # a fresh agent namespace, wired as a container runtime would
    ip netns del "$P-A" 2>/dev/null
    ip -n "$P-B" link del toA 2>/dev/null
    ip netns add "$P-A"
    # The kernel's own first words on a new link come before the shim; they would be taken for the agent's.
    net A sysctl -qw net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.router_solicitations=0 \
        net.ipv6.conf.default.mldv2_unsolicited_report_interval=10
    link A $AGENT
    ip -n "$P-A" link set lo up
    ip -n "$P-A" route add default via $NEIGHBOUR
    ip -n "$P-A" route add 172.16.0.0/12 via $NEIGHBOUR table 77
    ip -n "$P-A" -6 addr add fd88::2/64 dev eth0 nodad
    ip -n "$P-A" -6 route add default via fd88::1
}
up() {
    local n
    for n in N S W B; do ip netns add "$P-$n" && ip -n "$P-$n" link set lo up; done
    ip -n "$P-B" link add br0 type bridge && ip -n "$P-B" link set br0 up
    link N $NEIGHBOUR
    link S $GW
    ip -n "$P-N" -6 addr add fd88::1/64 dev eth0 nodad
    ip link add w0 netns "$P-S" type veth peer name s0 netns "$P-W"
    ip -n "$P-S" addr add 10.89.0.1/24 dev w0 && ip -n "$P-S" link set w0 up
    ip -n "$P-W" addr add 10.89.0.2/24 dev s0 && ip -n "$P-W" link set s0 up
    ip -n "$P-W" route add default via 10.89.0.1
    agent_up
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=init-test \
        -keyout "$D/ca.key" -out "$D/ca.pem" 2>/dev/null
}
init() { net A "$INIT" --gateway $GW "$@"; }
# says NAME STATUS PATTERN COMMAND...   the command's status, and one line of its output
says() {
    local name=$1 want=$2 pattern=$3 out status
    shift 3
    out=$("$@" 2>&1)
    status=$?
    if [ $status -ne "$want" ]; then not_ok "$name" "status $status, not $want: $out"
    elif ! grep -qE -- "$pattern" <<<"$out"; then not_ok "$name" "no '$pattern' in: $out"
    else ok "$name"; fi
}
# refuses NAME PATTERN COMMAND...   125, one line that says why, and CMD (which would leave a mark) never ran
refuses() {
    local name=$1 pattern=$2 out status
    shift 2
    rm -f "$D/ran"
    out=$("$@" 2>&1)
    status=$?
    if [ -e "$D/ran" ]; then not_ok "$name" "the command ran: $out"
    elif [ $status -ne 125 ]; then not_ok "$name" "status $status: $out"
    elif [ "$(grep -c . <<<"$out")" -ne 1 ] || ! grep -qE -- "$pattern" <<<"$out"; then not_ok "$name" "$out"
    else ok "$name"; fi
}
MARK=(-- touch "$D/ran")
mkdir -m 1777 "$D/open"

[ "$(id -u)" = 0 ] || { skip init "needs root"; exit 0; }
trap down EXIT
up

# --- what is left of the network -------------------------------------------------------------------------------------
says "routes are the two wanted ones" 0 '^2$' init -- sh -c \
    "ip route show table all | grep -v 'table local' | grep -cE '^(default via $GW dev eth0 .*|$GW dev eth0 .*scope link.*)$'"
says "no other route in any table" 0 '^0$' init -- sh -c \
    "ip route show table all | grep -v 'table local' | grep -cvE '^(default via $GW dev eth0 |$GW dev eth0 )'; true"
says "no IPv6 route or address but loopback's" 0 '^0 0$' init -- sh -c \
    'echo $(ip -6 route show table all | grep -cv "dev lo") $(ip -6 addr | grep inet6 | grep -cv "::1/128")'
agent_up
says "a read-only /proc/sys changes nothing" 0 '^0 0$' ip netns exec "$P-A" unshare -m sh -c \
    "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && ! sh -c '>/proc/sys/net/ipv6/conf/eth0/accept_ra' 2>/dev/null &&
     exec $INIT --gateway $GW -- sh -c 'echo \$(ip -6 route show table all | grep -cv \"dev lo\") \$(ip -6 addr | grep inet6 | grep -cv \"::1/128\")'"
says "the packet rules are in place" 0 'policy drop' sh -c "ip netns exec $P-A nft list chain inet egress_init output"
says "running it again replaces them" 0 '^3$' sh -c \
    "ip netns exec $P-A $INIT --gateway $GW -- true && ip netns exec $P-A nft list table inet egress_init | grep -c 'policy drop'"
ip -n "$P-A" link add side0 type veth peer name side1
ip -n "$P-A" addr add 10.90.0.2/24 dev side0
ip -n "$P-A" link set side0 up
ip -n "$P-A" link set side1 up
says "other interfaces are set down" 0 '^eth0 lo $' sh -c \
    "ip netns exec $P-A $INIT --gateway $GW -- ip -br link show up 2>/dev/null | cut -d@ -f1 | cut -d' ' -f1 | sort | tr '\n' ' '; echo"
ip -n "$P-A" link del side0
says "waits for an interface that comes late" 0 '^late$' sh -c \
    "ip -n $P-A addr del $AGENT/24 dev eth0; (sleep 0.3; ip -n $P-A addr add $AGENT/24 dev eth0) & ip netns exec $P-A $INIT --gateway $GW -- echo late; wait"

# --- nothing reaches a neighbour ------------------------------------------------------------------------------------
agent_up
cat >"$D/past.py" <<'PY'
import socket, sys, struct
IP_PKTINFO = 8
index = socket.if_nametoindex("eth0")
def tell(what, act):
    try:
        act()
        print("sent", what)
    except OSError as e:
        print("closed", what, e.strerror)
def sock(family, kind, bind, dontroute, proto=0):
    s = socket.socket(family, kind, proto)
    s.settimeout(0.2)
    if bind: s.setsockopt(socket.SOL_SOCKET, 25, b"eth0\0")
    if dontroute: s.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return s
for bind in (0, 1):
    for dontroute in (0, 1):
        for to in ("10.88.0.1", "10.88.0.255", "255.255.255.255", "224.0.0.251"):
            w = f"udp {to} bind={bind} dontroute={dontroute}"
            tell(w, lambda: sock(2, 2, bind, dontroute).sendto(b"escape", (to, 7777)))
            tell(w + " msg", lambda: sock(2, 2, bind, 0).sendto(b"escape", 4, (to, 7777)))
            def multicast_if():
                s = sock(2, 2, bind, dontroute)
                s.setsockopt(0, socket.IP_MULTICAST_IF, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index))
                s.setsockopt(0, 50, struct.pack("!I", index))  # IP_UNICAST_IF
                s.sendto(b"escape", (to, 7777))
            tell(w + " if", multicast_if)
            def pktinfo():
                info = struct.pack("i4s4s", index, b"\0" * 4, b"\0" * 4)
                sock(2, 2, bind, dontroute).sendmsg([b"escape"], [(0, IP_PKTINFO, info)], 0, (to, 7777))
            tell(w + " pktinfo", pktinfo)
        tell(f"tcp bind={bind} dontroute={dontroute}",
             lambda: sock(2, 1, bind, dontroute).connect(("10.88.0.1", 7777)))
        tell(f"icmp bind={bind} dontroute={dontroute}",
             lambda: sock(2, 2, bind, dontroute, 1).sendto(b"\x08\0\xf7\xff\0\0\0\0", ("10.88.0.1", 0)))
        for to in ("ff02::1", "fd88::1", "fe80::1", "ff02::fb"):
            tell(f"udp6 {to} bind={bind} dontroute={dontroute}",
                 lambda: sock(10, 2, bind, dontroute).sendto(b"escape", (to, 7777, 0, index)))
            tell(f"tcp6 {to}", lambda: sock(10, 1, bind, dontroute).connect((to, 7777, 0, index)))
PY
chmod 644 "$D/past.py"
ip netns exec "$P-A" sysctl -qw net.ipv4.ping_group_range='0 2147483647'
# The reports that the kernel owes the link for the addresses of agent_up() are all out: it repeats each within a second (RFC 3810, 9.11).
reports() { net A awk '$1 == "Icmp6OutMLDv2Reports" { print $2 }' /proc/net/dev_snmp6/eth0; }
quiet() { local n; n=$(reports); sleep 1.2; [ "${n:-0}" -ge 2 ] && [ "$n" = "$(reports)" ]; }
# What N receives: IP packets of the agent's own that are not addressed to the sidecar's link address.
mac_s=$(ip -n "$P-S" -br link show eth0 | awk '{print $3}')
watch_neighbour() {
    [ ! -e /proc/net/dev_snmp6 ] || eventually 10 quiet
    ip netns exec "$P-B" tcpdump -lni toA -Q in "(ip or ip6) and not ether dst $mac_s" >"$D/frames" 2>"$D/tcpdump" &
    DUMP=$!
    eventually 5 grep -q listening "$D/tcpdump"
}
stop_watching() { sleep 0.3; kill $DUMP; wait $DUMP 2>/dev/null; sed -i "/^$/d" "$D/frames"; } # tcpdump ends with an empty line
watch_neighbour
net A setpriv --reuid 1000 --regid 1000 --clear-groups python3 "$D/past.py" >"$D/without" 2>&1
stop_watching
if [ -s "$D/frames" ]; then ok "without the shim the neighbour is reached (so this test can fail)"
else not_ok "without the shim the neighbour is reached (so this test can fail)" "$(cat "$D/without")"; fi
agent_up
mac_s=$(ip -n "$P-S" -br link show eth0 | awk '{print $3}')
ip netns exec "$P-A" sysctl -qw net.ipv4.ping_group_range='0 2147483647'
watch_neighbour
init --user 1000 -- python3 "$D/past.py" >"$D/with" 2>&1
stop_watching
if grep -q 'sent' "$D/with" && [ ! -s "$D/frames" ]; then ok "with the shim no frame leaves but to the sidecar"
else not_ok "with the shim no frame leaves but to the sidecar" "$(cat "$D/frames" "$D/with")"; fi
# Where the switches of IPv6 are read-only, its addresses are taken away one by one, and the kernel says so to the link: not
# even a shim that is slow (here: in opening its sockets) lets that out.
agent_up
mac_s=$(ip -n "$P-S" -br link show eth0 | awk '{print $3}')
watch_neighbour
ip netns exec "$P-A" unshare -m sh -c "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&
    exec strace -f -o /dev/null -e inject=socket:delay_enter=30000 $INIT --gateway $GW -- true" >"$D/slow" 2>&1
status=$?
stop_watching
if [ $status = 0 ] && [ ! -s "$D/frames" ]; then ok "nor while the shim takes IPv6 away"
else not_ok "nor while the shim takes IPv6 away" "status $status: $(cat "$D/slow" "$D/frames")"; fi
# The rules must hold without the filter too: root of the namespace, no filter, the same attempts.
watch_neighbour
net A python3 "$D/past.py" >"$D/rules" 2>&1
stop_watching
if [ ! -s "$D/frames" ]; then ok "the packet rules alone hold, even against root"
else not_ok "the packet rules alone hold, even against root" "$(cat "$D/frames" "$D/rules")"; fi
# Router advertisements and redirects from the neighbour change nothing.
cat >"$D/lure.py" <<'PY'
import socket, struct
def csum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF
me, agent, there = (socket.inet_aton(a) for a in ("10.88.0.1", "10.88.0.2", "8.8.8.8"))
inner = bytes.fromhex("4500001c000000004011") + b"\0\0" + agent + there + b"\0\1\0\1\0\x08\0\0"
body = me + inner
icmp = struct.pack("!BBH", 5, 1, csum(struct.pack("!BBH", 5, 1, 0) + body)) + body
# From the gateway's address, or the kernel would not believe it.
head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0) + socket.inet_aton("10.88.0.5") + agent
s = socket.socket(2, 3, 255)
s.sendto(head + icmp, ("10.88.0.2", 0))
s = socket.socket(10, 3, 58)
s.setsockopt(41, 18, 255)
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
PY
for round in 1 2; do net N python3 "$D/lure.py"; done
says "no default IPv6 route came" 0 '^$' ip -n "$P-A" -6 route show default
says "the gateway is still the sidecar" 0 "via $GW" ip -n "$P-A" route get 8.8.8.8

# --- who the agent is -----------------------------------------------------------------------------------------------
says "no capability in any set" 0 '^0$' init -- sh -c 'grep -E "^Cap" /proc/self/status | grep -vc "0000000000000000$"; true'
says "no_new_privs and a filter" 0 '^1 2$' init -- sh -c 'echo $(sed -n "s/^NoNewPrivs:.//p;s/^Seccomp:.//p" /proc/self/status)'
says "the default user is nobody" 0 '^65534 65534 65534$' init -- sh -c 'echo $(id -u) $(id -g) $(id -G)'
says "uid and gid as asked, no groups" 0 '^1234 4321 4321$' init --user 1234:4321 -- sh -c 'echo $(id -u) $(id -g) $(id -G)'
says "EGRESS_USER counts, the command line more" 0 '^77$' env EGRESS_USER=66 ip netns exec "$P-A" "$INIT" --gateway $GW --user 77 -- id -u
says "our variables are not the agent's" 0 '^0$' env EGRESS_GATEWAY=$GW EGRESS_USER=66 ip netns exec "$P-A" "$INIT" -- sh -c 'env | grep -c EGRESS; true'
says "descriptors above 2 are closed" 0 '^0$' bash -c "exec 7</etc/passwd 9</; ip netns exec $P-A $INIT --gateway $GW -- sh -c 'ls /proc/self/fd/7 /proc/self/fd/9 2>/dev/null | wc -l'"
printf '|/usr/libexec/helper %%p' >"$D/pattern" # as where the host collects crashes
says "no crash is told to the host" 0 '^Max core file size +1 +1 ' ip netns exec "$P-A" unshare -m sh -c \
    "ulimit -c unlimited; mount --bind $D/pattern /proc/sys/kernel/core_pattern; exec $INIT --gateway $GW -- grep core /proc/self/limits"
printf 'core' >"$D/pattern"
says "...and a file for a debugger is the agent's to ask for" 0 '^Max core file size +unlimited +unlimited ' ip netns exec "$P-A" unshare -m sh -c \
    "ulimit -c unlimited; mount --bind $D/pattern /proc/sys/kernel/core_pattern; exec $INIT --gateway $GW -- grep core /proc/self/limits"
says "the route cannot be changed" 2 'Operation not permitted' init -- ip route replace default via $NEIGHBOUR
says "an interface cannot be set down" 2 'Operation not permitted' init -- ip link set eth0 down
refuses "user 0 is refused where it owns the kernel's settings" 'core_pattern' init --user 0 "${MARK[@]}"

# --- status, signals, orphans --------------------------------------------------------------------------------------
for reap in "" --reap; do
    n=${reap:-exec}
    # shellcheck disable=SC2086
    {
        says "exit status is CMD's ($n)" 7 '' init $reap -- sh -c 'exit 7'
        says "not found is 127 ($n)" 127 'cannot run nonesuch: No such file' init $reap -- nonesuch
        says "not executable is 126 ($n)" 126 'cannot run /etc/passwd: Permission denied' init $reap -- /etc/passwd
    }
done
says "killed by a signal is 128 and its number" 137 '' init --reap -- sh -c 'kill -9 $$'
says "as PID 1 it collects orphans" 0 '^0$' ip netns exec "$P-A" unshare -fpm --mount-proc "$INIT" --gateway $GW --reap -- \
    bash -c '(sleep 0.05 & disown) ; (exec -a gone sleep 0.05 & disown); sleep 0.4; ps -eo stat= | grep -c Z; true'
says "as PID 1 it holds no privilege" 0 '^0 1 2$' ip netns exec "$P-A" unshare -fpm --mount-proc "$INIT" --gateway $GW --reap --user 1000 -- \
    sh -c 'echo $(grep -E "^Cap" /proc/1/status | grep -vc "0000000000000000$") $(sed -n "s/^NoNewPrivs:.//p;s/^Seccomp:.//p" /proc/1/status)'
says "the agent cannot kill or trace its init" 0 'Operation not permitted' ip netns exec "$P-A" unshare -fpm --mount-proc "$INIT" --gateway $GW --reap --user 1000 -- \
    sh -c 'kill -9 1; sleep 0.1; strace -p 1 2>&1; true'
for sig in TERM INT HUP QUIT USR1 USR2 WINCH CONT; do
    rm -f "$D/sig"
    # whoever runs this in the background has some ignored, and what is ignored is not forwarded
    net A env --default-signal "$INIT" --gateway $GW --reap -- bash -c "trap 'echo got $sig; exit 9' $sig; echo ready; while :; do sleep 0.02; done" >"$D/sig" 2>&1 &
    pid=$!
    eventually 5 grep -q ready "$D/sig"
    kill -$sig "$(pgrep -f -- "^$INIT --gateway $GW --reap -- bash -c trap .echo got $sig" | head -1)" 2>"$D/err"
    wait $pid
    status=$?
    if [ $status -eq 9 ] && grep -q "got $sig" "$D/sig"; then ok "SIG$sig is forwarded"; else not_ok "SIG$sig is forwarded" "status $status: $(cat "$D/sig" "$D/err")"; fi
done

# --- files ----------------------------------------------------------------------------------------------------------
says "resolv.conf names the sidecar" 0 "^nameserver $GW\$" init -- cat /etc/resolv.conf
says "resolv.conf names --dns" 0 "^nameserver 10.88.0.9\$" init --dns 10.88.0.9 -- cat /etc/resolv.conf
says "the host's own file is untouched" 1 '' grep -q 10.88.0 /etc/resolv.conf
sum=$(sha256sum /etc/ssl/certs/ca-certificates.crt)
says "the CA is in the system bundle, after what was there" 0 OK init --ca "$D/ca.pem" -- sh -c \
    "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt $D/ca.pem; grep -c BEGIN /etc/ssl/certs/ca-certificates.crt"
if [ "$sum" = "$(sha256sum /etc/ssl/certs/ca-certificates.crt)" ]; then ok "the host's bundle is untouched"; else not_ok "the host's bundle is untouched"; fi
says "a bundle of the caller's choice gets it too" 0 '^2$' sh -c "
    cp $D/ca.pem $D/mine.pem; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mine -keyout /dev/null -out $D/mine.pem 2>/dev/null
    REQUESTS_CA_BUNDLE=$D/mine.pem ip netns exec $P-A $INIT --gateway $GW --ca $D/ca.pem -- sh -c 'grep -c BEGIN.CERT \$REQUESTS_CA_BUNDLE'"
refuses "a missing CA" 'cannot read the CA' init --ca /nonexistent "${MARK[@]}"
refuses "a CA file that is none" 'no PEM certificate' init --ca /etc/passwd "${MARK[@]}"
cat "$D/ca.key" "$D/ca.pem" >"$D/both.pem"
refuses "a private key in the CA file" 'private key' init --ca "$D/both.pem" "${MARK[@]}"
says "--exec finds the variables of --setup-only" 0 '/run/egress/ca.pem' env -u NODE_EXTRA_CA_CERTS ip netns exec "$P-A" sh -c \
    "$INIT --gateway $GW --ca $D/ca.pem --setup-only && $INIT --exec --user 1000 -- sh -c 'echo \$NODE_EXTRA_CA_CERTS'"

# --- refusals -------------------------------------------------------------------------------------------------------
refuses "no gateway" 'no gateway' net A "$INIT" "${MARK[@]}"
refuses "a gateway that is no address" 'not an IPv4 address' net A "$INIT" --gateway example "${MARK[@]}"
refuses "an unknown option" 'unknown option' init --bogus "${MARK[@]}"
refuses "a user that is no number" 'not UID' init --user root "${MARK[@]}"
refuses "no command" 'no command' init
refuses "a gateway in no subnet" 'no interface' net A "$INIT" --gateway 10.99.0.1 "${MARK[@]}"
refuses "without CAP_NET_ADMIN" 'CAP_NET_ADMIN|not permitted' net A setpriv --bounding-set -net_admin --inh-caps -net_admin "$INIT" --gateway $GW "${MARK[@]}"
refuses "without CAP_SETPCAP" 'CAP_SETPCAP' net A setpriv --bounding-set -setpcap --inh-caps -setpcap "$INIT" --gateway $GW "${MARK[@]}"
refuses "without CAP_SETUID" 'CAP_SETUID' net A setpriv --bounding-set -setuid --inh-caps -setuid "$INIT" --gateway $GW "${MARK[@]}"
refuses "as an unprivileged user" 'not permitted' net A setpriv --reuid 1000 --clear-groups "$INIT" --gateway $GW "${MARK[@]}"
refuses "a resolv.conf that cannot be changed" 'resolv.conf' net A unshare -m sh -c "
    echo nameserver 9.9.9.9 >$D/resolv; mount --bind $D/resolv /etc/resolv.conf; mount -o remount,bind,ro /etc/resolv.conf
    exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin $INIT --gateway $GW ${MARK[*]}"

# --- the probe ------------------------------------------------------------------------------------------------------
refuses "--probe without a sidecar" "does not answer" init --probe "${MARK[@]}"
cat >"$D/dns.py" <<'PY'
import socket, sys, time
# answers every A query with the address given, or with NXDOMAIN, as many seconds late as said
s = socket.socket(10 if ":" in sys.argv[1] else 2, 2); s.bind((sys.argv[1], 53))
while True:
    q, a = s.recvfrom(512)
    time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0)
    if sys.argv[2] == "nx": s.sendto(q[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + q[12:], a)
    else: s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(sys.argv[2]), a)
PY
cat >"$D/serve.py" <<'PY'
import socket, sys, threading
# world.py KIND ADDR PORT: accepts TCP, or answers every datagram
kind, addr, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(10 if ":" in addr else 2, 1 if kind == "tcp" else 2); s.setsockopt(1, 2, 1); s.bind((addr, port))
if kind == "tcp":
    s.listen(64)
    while True: s.accept()
while True:
    d, a = s.recvfrom(2000); s.sendto(d, a)
PY
# serve NETNS PROGRAM ARGS...   in the background, as $SERVER; unserve ends it
serve() { local n=$1; shift; ip netns exec "$P-$n" python3 "$@" & SERVER=$!; sleep 0.3; }
unserve() { kill "$SERVER"; wait "$SERVER" 2>/dev/null; }
serve S "$D/dns.py" $GW nx
refuses "--probe where somebody else answers DNS" "not the sidecar's" init --probe "${MARK[@]}"
unserve
serve S "$D/dns.py" $GW $GW
SIDECAR=$SERVER
says "--probe passes where all is closed" 0 '^through$' init --probe -- echo through
for _ in 1 2 3 4 5; do # others use the machine, too: one that is fast enough shows it
    start=$(date +%s%N); init --probe -- true; took=$((($(date +%s%N) - start) / 1000000))
    [ $took -le 150 ] && break
done
if [ $took -le 150 ]; then ok "the probe takes under 100 ms (with start-up $took ms)"; else not_ok "the probe takes under 100 ms" "$took ms"; fi
# Now the sidecar becomes a router, and each door opens in turn.
net S sysctl -qw net.ipv4.ip_forward=1
opens() { # WHAT KIND ADDRESS PORT
    ip -n "$P-W" addr add "$3/32" dev lo 2>/dev/null
    ip -n "$P-S" route add "$3/32" via 10.89.0.2 2>/dev/null
    serve W "$D/serve.py" "$2" "$3" "$4"
    refuses "--probe finds $1" "open door: .*$3 port $4" init --probe "${MARK[@]}"
    unserve
    ip -n "$P-W" addr del "$3/32" dev lo
}
opens "a raw address" tcp 1.1.1.1 853
opens "a raw web address" tcp 8.8.8.8 443
opens "the metadata address" tcp 169.254.169.254 80
opens "UDP" udp 162.159.200.1 123
opens "QUIC" udp 1.1.1.1 443
ip -n "$P-W" addr add 9.9.9.9/32 dev lo; ip -n "$P-S" route add 9.9.9.9/32 via 10.89.0.2
serve W "$D/dns.py" 9.9.9.9 nx
refuses "--probe finds a foreign name server" 'open door: foreign DNS over UDP \(9.9.9.9' init --probe "${MARK[@]}"
unserve
SERVER=$SIDECAR; unserve
serve S "$D/dns.py" $GW $GW 0.06
SIDECAR=$SERVER
serve W "$D/dns.py" 9.9.9.9 nx 0.15
refuses "--probe waits for a late one where the sidecar is late, too" 'open door: foreign DNS over UDP \(9.9.9.9' init --probe "${MARK[@]}"
unserve
SERVER=$SIDECAR; unserve
serve S "$D/dns.py" $GW $GW
serve W -c "import socket
s = socket.create_server(('9.9.9.9', 53))
while True:
  try:
    c, a = s.accept(); q = c.recv(512); c.sendall(q[:4] + b'\\x81\\x83\\0\\1\\0\\0\\0\\0\\0\\0' + q[14:]); c.close()
  except OSError: pass"
refuses "--probe finds one over TCP" 'open door: foreign DNS over TCP \(9.9.9.9' init --probe "${MARK[@]}"
unserve
ip -n "$P-W" addr add 1.1.1.1/32 dev lo
refuses "--probe finds ping" 'open door: ping' init --probe "${MARK[@]}"
# Without the right to raw sockets: by a socket for ping alone, and where there is none either it says so.
unraw() { net A setpriv --bounding-set -net_raw --inh-caps -net_raw "$INIT" --gateway $GW "$@"; }
net A sysctl -qw net.ipv4.ping_group_range="0 0"
refuses "--probe finds ping without CAP_NET_RAW" 'open door: ping' unraw --probe "${MARK[@]}"
net A sysctl -qw net.ipv4.ping_group_range="1 0"
says "--probe says that ping was not tried" 0 '^egress-init: ping was not tried: neither CAP_NET_RAW nor' unraw --probe -- true
ip -n "$P-W" addr del 1.1.1.1/32 dev lo
says "--probe passes with a socket for ping alone, and says nothing" 0 '^through$' bash -c "
    ip netns exec $P-A sysctl -qw net.ipv4.ping_group_range='0 0'
    out=\$(ip netns exec $P-A setpriv --bounding-set -net_raw --inh-caps -net_raw $INIT --gateway $GW --probe -- echo through 2>&1); [ \"\$out\" = through ] && echo \"\$out\""
# The same over IPv6, where the sidecar gives some.
if [ -e /proc/net/if_inet6 ]; then
    net S sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n "$P-S" -6 addr add fd77::1/64 dev eth0 nodad
    ip -n "$P-S" -6 addr add fd89::1/64 dev w0 nodad
    ip -n "$P-W" -6 addr add fd89::2/64 dev s0 nodad
    ip -n "$P-W" -6 route add default via fd89::1
    says "--probe passes with IPv6, too" 0 '^through$' init --gateway6 fd77::1 --probe -- echo through
    opens6() { # WHAT KIND ADDRESS PORT
        ip -n "$P-W" -6 addr add "$3/128" dev lo nodad
        ip -n "$P-S" -6 route add "$3/128" via fd89::2
        serve W "$D/serve.py" "$2" "$3" "$4"
        refuses "--probe finds $1 over IPv6" "open door: .*$3 port $4" init --gateway6 fd77::1 --probe "${MARK[@]}"
        unserve
        ip -n "$P-W" -6 addr del "$3/128" dev lo
    }
    opens6 "DNS over TLS" tcp 2606:4700:4700::1111 853
    opens6 "a raw web address" tcp 2001:4860:4860::8888 443
    opens6 "the metadata address" tcp fd00:ec2::254 80
    opens6 "UDP" udp 2606:4700:f1::1 123
    opens6 "QUIC" udp 2606:4700:4700::1111 443
    ip -n "$P-W" -6 addr add 2606:4700:4700::1111/128 dev lo nodad
    refuses "--probe finds ping over IPv6" 'open door: ping' init --gateway6 fd77::1 --probe "${MARK[@]}"
    ip -n "$P-W" -6 addr del 2606:4700:4700::1111/128 dev lo
    # A neighbour to which the sidecar would forward.
    ip -n "$P-N" -6 addr add fd77::2/128 dev eth0 nodad
    ip -n "$P-N" -6 route add fd77::1/128 dev eth0
    ip -n "$P-N" -6 route add fd77::/64 via fd77::1
    serve N "$D/serve.py" tcp fd77::2 5900
    eventually 5 net S bash -c 'exec 3<>/dev/tcp/fd77::2/5900' 2>/dev/null # and each knows the other's link address
    refuses "--probe finds a neighbour over IPv6" 'open door: a neighbour or the host \(fd77::2 port 5900' init --gateway6 fd77::1 --probe "${MARK[@]}"
    unserve
    serve N "$D/dns.py" fd77::2 nx
    refuses "--probe finds a neighbour's name server over IPv6" 'open door: foreign DNS over UDP \(fd77::2' init --gateway6 fd77::1 --probe "${MARK[@]}"
    unserve
    says "--probe passes beside a neighbour without services" 0 '^through$' init --gateway6 fd77::1 --probe -- echo through
fi
serve N "$D/serve.py" tcp $NEIGHBOUR 22
refuses "--probe finds the host" "open door: a neighbour.*$NEIGHBOUR port 22" init --probe "${MARK[@]}"
unserve
# A sidecar that accepts web ports for every address is no leak.
net S sysctl -qw net.ipv4.ip_forward=0
serve S "$D/serve.py" tcp 0.0.0.0 443
net S nft -f - <<'NFT'
table ip t {
  chain p { type nat hook prerouting priority dstnat
    tcp dport 443 redirect to :443
  }
}
NFT
says "the transparent proxy accepts any address" 0 '^accepted$' net A bash -c "exec 3<>/dev/tcp/1.1.1.1/443 && echo accepted"
says "--probe knows a transparent proxy from a leak" 0 '^through$' init --probe -- echo through
# One that accepts and lets through is: whatever name it is asked for, it has to refuse by its own hand.
unserve
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=somebody.example -keyout "$D/tls.key" -out "$D/tls.pem" 2>/dev/null
serve S -c "import ssl, socket; c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('$D/tls.pem', '$D/tls.key')
s = socket.create_server(('', 443))
while True:
    try: c.wrap_socket(s.accept()[0], server_side=True).close()
    except OSError: pass"
refuses "--probe finds TLS to an unlisted host" 'open door: TLS to an unlisted host \(8.8.8.8 port 443\)' init --probe "${MARK[@]}"
unserve
serve S -c "import socket
s = socket.create_server(('', 443))
while True:
  try:
    c, a = s.accept(); c.recv(4000); c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 3\\r\\n\\r\\nhi\\n'); c.close()
  except OSError: pass"
net S nft add rule ip t p tcp dport 80 redirect to :443
refuses "--probe finds HTTP to an unlisted host" 'open door: plain HTTP to an unlisted host \(1.1.1.1 port 80\)' init --probe "${MARK[@]}"
unserve
serve S -c "import socket
s = socket.create_server(('', 443))
while True:
  try:
    c, a = s.accept(); c.recv(4000); c.sendall(b'HTTP/1.1 403 Forbidden\\r\\nX-Egress-'); c.sendall(b'Verdict: deny\\r\\n\\r\\n'); c.close()
  except OSError: pass"
# ...and HTTP where TLS was asked for is nobody's refusal.
refuses "--probe takes only a certificate for TLS" 'open door: TLS to an unlisted host' init --probe "${MARK[@]}"
net S nft flush chain ip t p
net S nft add rule ip t p tcp dport 80 redirect to :443
says "--probe knows the sidecar's refusal" 0 '^through$' init --probe -- echo through
says "--probe-only passes where all is as it was left" 0 '^$' net A "$INIT" --gateway $GW --probe-only
unserve
net S sysctl -qw net.ipv4.ip_forward=1
ip -n "$P-W" addr add 10.89.7.7/32 dev lo
ip -n "$P-S" route add 10.89.7.7/32 via 10.89.0.2
serve W "$D/serve.py" tcp 10.89.7.7 5900
refuses "--probe-only tries the host's addresses" 'open door: a neighbour or the host \(10.89.7.7 port 5900\)' net A "$INIT" --gateway $GW --probe-only --probe-host 10.89.7.7
says "--probe-skip leaves out what the policy opens" 0 '^$' net A "$INIT" --gateway $GW --probe-only --probe-host 10.89.7.7 --probe-skip udp/5900,tcp/5000-6000
unserve
ip -n "$P-A" route add 10.99.0.0/16 via $GW
refuses "--probe-only finds a foreign route" 'foreign routes' net A "$INIT" --gateway $GW --probe-only
ip -n "$P-A" route del 10.99.0.0/16
net A nft flush chain inet egress_init output
refuses "--probe-only finds rules that are not whole" 'packet rules' net A "$INIT" --gateway $GW --probe-only
net A nft delete table inet egress_init
refuses "--probe-only finds that there are none" 'packet rules' net A "$INIT" --gateway $GW --probe-only

if [ "$(mount | wc -l)" -eq "$here" ] || [ "$(mount | grep -c egress-init)" -eq 0 ]; then ok "no mount is left on the host"; else not_ok "no mount is left on the host" "$(mount | grep egress)"; fi
exit $FAILED
