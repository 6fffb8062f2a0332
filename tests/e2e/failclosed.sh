#!/usr/bin/env bash
# Whatever dies, fills up or breaks: nothing leaves that the policy does not allow, and somebody is told.
. "$(dirname "$0")/lib.sh"
BIG=1048576 world_up
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
YAML
S=fc$$
start() { # STATE_DIR
    mkdir -p "$1"
    ctl run --backend netns --name $S --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
        --state-dir "$1" -- sleep 300 >"$T/run.out" 2>&1 &
    RUN=$!
    eventually 10 ctl exec $S -- true || { not_ok "start" "$(cat "$T/run.out")"; exit 1; }
}
stop() { ctl stop $S >/dev/null 2>&1; wait $RUN 2>/dev/null; }
inside() { ctl exec $S -- "$@"; }
fetches() { [ "$(inside curl -sS --max-time 5 -o /dev/null -w '%{http_code}' https://origin.test/)" = 200 ]; }
refuses() { ! inside curl -sSf --max-time 3 https://forbidden.test/ >/dev/null 2>&1; }
pid_of() { # ROLE   the daemon's process of that title, in this world only
    local p
    for p in $(pgrep -f "^egressd: $1"); do
        grep -qs . "/proc/$p/cmdline" && descends "$p" && echo "$p" && return
    done
    return 1
}
descends() { # PID   is it one of this sandbox's?
    local p=$1
    while [ "${p:-1}" -gt 1 ]; do
        [ "$p" = "$RUN" ] && return 0
        p=$(awk '/^PPid/ {print $2}' "/proc/$p/status" 2>/dev/null)
    done
    return 1
}

start "$T/state"
check "works before" fetches
for role in "engine 0" resolver; do
    victim=$(pid_of "$role") || { not_ok "kill -9 $role" "no such process: $(pgrep -af egressd)"; continue; }
    kill -9 "$victim"
    check "kill -9 $role: back within a second" eventually 2 fetches
    check "kill -9 $role: forbidden stays refused" refuses
done
# Connections made before a reload, which say only after it what for.
cat >"$T/stock.py" <<'PY'
import os, socket, ssl, sys, time
def connect(port):
    return socket.create_connection(("origin.test", port), 5)
begun = connect(80)
begun.sendall(b"GET / HT")
silent, sealed = connect(80), connect(443)
print("stocked", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
rest = b"GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n"
for s, octets in ((begun, rest[8:]), (silent, rest), (ssl.create_default_context().wrap_socket(sealed, server_hostname="origin.test"), rest)):
    s.sendall(octets)
    print(s.makefile("rb").readline().split()[1].decode(), flush=True)
PY
stock() { # FILE   whose being there says that the reload is over
    inside python3 "$T/stock.py" "$1" >"$1.out" 2>&1 &
    eventually 10 grep -q stocked "$1.out" || not_ok "connections in stock" "$(cat "$1.out")"
}
spent() { # FILE STATUS
    touch "$1"
    eventually 10 bash -c "[ \"\$(grep -cx $2 '$1.out')\" = 3 ]" || { cat "$1.out"; return 1; }
}
stock "$T/same"
kill -HUP "$(pid_of monitor)"
eventually 5 grep -q 'generation 2 serves' "$T/state/egressd.log"
check "a reload with the same policy keeps working" eventually 3 fetches
check "...for connections made before it as well" spent "$T/same" 200
echo "nonsense: [" >"$T/broken.yaml"
check "a broken policy is refused with its place" bash -c "! out=\$(ip netns exec $W-host '$BUILD/egressctl' reload $S --policy '$T/broken.yaml' 2>&1) && grep -qE ':[0-9]+:[0-9]+' <<<\"\$out\""
check "...and the old one stays" fetches
check "...and forbidden stays refused" refuses
printf 'version: 1\negress:\n  routes:\n    - host: "*.wild.test"\n' >"$T/other.yaml"
stock "$T/other"
check "a good policy is taken" ctl reload $S --policy "$T/other.yaml"
check "...and the old host is out" bash -c "! ip netns exec $W-host '$BUILD/egressctl' exec $S -- curl -sSf --max-time 3 https://origin.test/"
check "...also for connections made before" spent "$T/other" 403
check "...and the new one is in" inside curl -sSf --max-time 3 -o /dev/null https://a.wild.test/
stop
for role in monitor signer; do
    start "$T/state"
    kill -9 "$(pid_of $role)"
    check "kill -9 $role: the daemon is started again" eventually 20 grep -q 'the sidecar serves again' "$T/run.out"
    check "...and serves" eventually 5 fetches
    check "...and forbidden stays refused" refuses
    stop
done
start "$T/state"
below() { # PID   every process below it
    local c
    for c in $(pgrep -P "$1"); do echo "$c"; below "$c"; done
}
family=$(below $RUN)
kill -9 "$(pgrep -P $RUN -x egressctl || echo $RUN)"
wait $RUN 2>/dev/null
# shellcheck disable=SC2086
no_processes() { ! ps -o pid=,stat= -p "$(echo $family | tr ' ' ,)" | grep -qv Z; }
check "kill -9 egressctl: nothing of it runs on" eventually 5 no_processes
check "gc removes the rest" bash -c "ip netns exec $W-host '$BUILD/egressctl' gc && [ -z \"\$(ip netns exec $W-host nft list tables | grep egressd)\" ]"

mkdir "$T/small" && mount -t tmpfs -o size=2m tmpfs "$T/small"
start "$T/small/state"
check "works with room in the log" fetches
dd if=/dev/zero of="$T/small/filler" bs=1k 2>/dev/null
before=$(wc -l <"$T/access.log")
for _ in $(seq 1 20); do inside curl -sS --max-time 3 -o /dev/null https://origin.test/ >/dev/null 2>&1; done
denies() { ! fetches; }
check "a full disk under the log denies" denies
rm -f "$T/small/filler"
check "room again, works again" eventually 5 fetches
stop
umount "$T/small"
check "nothing forbidden ever left" bash -c "! grep -q forbidden '$T/dns.log' '$T/access.log'"

in_net pkill -f "nsd -c $T" || kill "$(cat "$T/nsd.pid")"
start "$T/state"
began=$EPOCHREALTIME
inside curl -sS --max-time 20 https://origin.test/ >"$T/nodns" 2>&1
check "no DNS upstream: an answer, not a hang" test "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {print (b - a < 10)}')" = 1
stop
exit $FAILED
