#!/usr/bin/env bash
# The end of a sandbox whose connections are in full flow, on a host that is a router anyway: no packet of theirs is seen
# beyond the host with the sandbox's own address, in either direction, however the sandbox ends.
[ -e /proc/net/if_inet6 ] && WORLD_V6=1
. "$(dirname "$0")/lib.sh"
BIG=8388608 world_up
export EGRESSD_RUNTIME_DIR=$T/registry
in_host sysctl -qw net.ipv4.ip_forward=1
[ -z "$WORLD_V6" ] || in_host sysctl -qw net.ipv6.conf.all.forwarding=1
mkdir -m 777 "$T/w" && cd "$T/w" || exit 1
printf 'version: 1\negress:\n  routes:\n    - host: origin.test\n    - host: sealed.test\n      tls: splice\n    - {host: plain.test, protocol: tcp, ports: [9999]}\n    - {host: raw6.test, protocol: tcp, ports: [9999]}\n' >"$T/policy.yaml"
# It goes on to write after the other end has closed, as an origin far away does.
cat >"$T/talk.py" <<'PY'
import socket, sys, threading, time
def talk(c):
    try:
        for _ in range(60):
            c.sendall(b"on and on\n")
            time.sleep(0.05)
    except OSError:
        pass
s = socket.create_server(("", 9999), family=socket.AF_INET6, dualstack_ipv6=True) if sys.argv[1:] else socket.create_server(("", 9999))
while True:
    threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
PY
in_net python3 "$T/talk.py" $WORLD_V6 &
in_net tcpdump -l -n -i dn0 -Q in 'net 100.127.0.0/16 or ip6 net fd65::/16' >"$T/strays" 2>"$T/tcpdump" &
eventually 5 grep -q listening "$T/tcpdump" || { not_ok "capture" "$(cat "$T/tcpdump")"; exit 1; }

start() { # NAME COMMAND...   in the background, as $RUN
    local name=$1
    shift
    ip netns exec "$W-host" "$BUILD/egressctl" run --name "$name" --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
        --dns-upstream $DNS --state-dir "$T/state-$name" -- "$@" >"$T/out-$name" 2>&1 &
    RUN=$!
}
running() { ctl ps | grep -q "^$1 .* running "; }
# Connections that both ends still write to.
LOAD='for i in 1 2 3 4; do for h in plain raw6; do (exec 9<>/dev/tcp/$h.test/9999 && cat <&9) >/dev/null 2>&1 & done; for h in origin sealed; do curl -s --limit-rate 400k -o /dev/null https://$h.test/big & done; done; sleep 0.6; touch started; wait'
busy() { # NAME   a sandbox with LOAD under way
    rm -f started
    start "$1" bash -c "$LOAD"
    eventually 15 test -e started || { cat "$T/out-$1"; return 1; }
}
flows() { in_host cat /proc/net/nf_conntrack | grep -cE ' src=(100\.127\.|fd65:)'; }
no_strays() { sleep 0.3; [ ! -s "$T/strays" ] || { head -5 "$T/strays"; return 1; }; }

# Another sandbox keeps the host's address translation at work, as a container runtime's rules would.
start other sleep 300
OTHER=$RUN
eventually 10 running other || { not_ok "start" "$(cat "$T/out-other")"; exit 1; }
stopped() {
    local i
    for i in 1 2 3; do busy a$i || return 1; ctl stop a$i || return 1; wait $RUN; done
    no_strays
}
check "stop: no packet with a sandbox's address beyond the host" stopped
killed() { # NAME ROLE   of its record
    kill -KILL "$(jq ".$2.pid" "$EGRESSD_RUNTIME_DIR/$1/record.json")"
}
restarted() {
    busy b1 || return 1
    killed b1 egressd
    eventually 20 grep -q 'serves again' "$T/out-b1" || { cat "$T/out-b1"; return 1; }
    ctl stop b1
    wait $RUN
    no_strays
}
check "a killed daemon, and its successor: nor then" restarted
crashed() {
    local i
    for i in 2 3; do
        busy b$i || return 1
        killed b$i sidecar
        wait $RUN
    done
    no_strays
}
check "a killed holder: nor then" crashed
collected() {
    busy c1 || return 1
    kill -KILL "$(jq .owner.pid "$EGRESSD_RUNTIME_DIR/c1/record.json")"
    wait $RUN 2>/dev/null
    sleep 0.2 # the origin writes on to what is not there any more
    ctl gc
    no_strays
}
check "kill -9 of egressctl and gc: nor then" collected
forgotten() {
    BEFORE=$(flows)
    busy d1 || return 1
    [ "$(flows)" -gt "$BEFORE" ] || { echo "connection tracking shows nothing"; return 1; }
    [ -z "$WORLD_V6" ] || in_host grep -q ' src=fd65:' /proc/net/nf_conntrack || { echo "...no IPv6"; return 1; }
    ctl stop d1
    wait $RUN
    [ "$(flows)" -le "$BEFORE" ] || { in_host cat /proc/net/nf_conntrack; return 1; }
}
check "the host's connection tracking forgets its flows" forgotten
ctl stop other
wait $OTHER
exit $FAILED
