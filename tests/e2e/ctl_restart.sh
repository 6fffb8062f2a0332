#!/usr/bin/env bash
# The daemon of a netns sandbox dies: it is started again where it was, and until it serves nothing of the agent's leaves, not
# even on connections that it had let through. Too often, and the sandbox ends.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
export EGRESSD_RUNTIME_DIR=$T/registry
mkdir -m 777 "$T/w" "$T/bin" && cd "$T/w" || exit 1
printf 'version: 1\negress:\n  routes:\n    - host: origin.test\n    - {host: plain.test, protocol: udp, ports: [9999]}\n    - {host: tokens.test, protocol: tcp, ports: [9998]}\n' >"$T/policy.yaml"
# A daemon that waits at its start as long as the test likes.
cp "$BUILD/egressctl" "$BUILD/egress-init" "$T/bin"
cat >"$T/bin/egressd" <<SH
#!/bin/bash
[ -e $T/hold ] && touch $T/waits
while [ -e $T/hold ]; do sleep 0.05; done
exec $BUILD/egressd "\$@"
SH
chmod 755 "$T/bin/egressd"
ctl() { in_host "$T/bin/egressctl" "$@"; }
cat >"$T/talk.py" <<'PY'
# Everything that an agent may try, over and over, each round noted in the file "rounds"; one UDP and one TCP connection stay.
import os, socket, subprocess, sys, time
udp = socket.socket(2, 2)
udp.connect((socket.gethostbyname("plain.test"), 9999))
tcp = socket.create_connection((socket.gethostbyname("tokens.test"), 9998))
for f in udp, tcp:
    f.setblocking(False)
def quietly(act):
    try:
        return act()
    except OSError:
        pass
def to(kind, address, what=b"escape"):
    s = socket.socket(2, kind)
    s.settimeout(0.2)
    quietly(lambda: (s.connect(address), s.send(what)))
    s.close()
n = 0
while not os.path.exists("stop"):
    quietly(lambda: udp.send(b"held open"))
    quietly(lambda: tcp.send(b"held open"))
    for a in sys.argv[1:]:
        to(2, (a, 53), b"\0\1\1\0\0\1\0\0\0\0\0\0\5plain\4test\0\0\1\0\1")
        for port in 443, 80, 9998, 22:
            to(1, (a, port))
        to(2, (a, 9999))
    quietly(lambda: socket.socket(2, 2, 1).sendto(b"\x08\0\xf7\xff\0\0\0\0", (sys.argv[1], 0)))
    subprocess.run(["curl", "-sS", "--max-time", "2", "-o", "body.new", "https://origin.test/"], stderr=-3)
    if os.path.exists("body.new"):
        os.rename("body.new", "body")
    n += 1
    with open("rounds.new", "w") as f:
        f.write(str(n))
    os.rename("rounds.new", "rounds")
PY
in_net python3 -c 'import socket, threading, time
s = socket.create_server(("", 9998))
keep = []
while True:
    keep.append(s.accept())' &
ip netns exec "$W-host" "$T/bin/egressctl" run --name a --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/state" -- python3 "$T/talk.py" $ORIGIN $FORBIDDEN $DNS >"$T/out" 2>&1 &
RUN=$!
fetched() { grep -qs 'hello from the origin' body; }
rounds() { cat rounds 2>/dev/null || echo 0; }
more_rounds() { [ "$(rounds)" -ge "$1" ]; }
daemon() { jq .egressd.pid "$EGRESSD_RUNTIME_DIR/a/record.json"; }
eventually 20 fetched || { not_ok "start" "$(cat "$T/out")"; exit 1; }
CA=$(ctl ca a)
CMD=$(jq .cmd.pid "$EGRESSD_RUNTIME_DIR/a/record.json")

# What of the host's comes to the world is the sandbox's: nothing else runs there.
capture() { # FILE   begins
    in_net tcpdump -l -n -i dn0 -Q in "ip and not dst host 10.77.0.2" >"$1" 2>"$T/tcpdump" &
    CAPTURE=$!
    eventually 5 grep -q listening "$T/tcpdump"
}
capture "$T/open"
sees() { grep -q '\.9999: UDP' "$T/open" && grep -q '\.9998: ' "$T/open" && grep -q '\.443: ' "$T/open"; }
check "what it lets through is seen in the world" eventually 10 sees
kill $CAPTURE

down() {
    touch "$T/hold"
    kill -KILL "$(daemon)"
    eventually 5 test -e "$T/waits" || { cat "$T/out"; return 1; }
}
check "the daemon is killed, and its successor held up" down
capture "$T/closed"
FROM=$(rounds)
check "the agent goes on trying" eventually 60 more_rounds $((FROM + 3))
check "nothing of it leaves, neither new nor on a connection that was open" bash -c "! grep . '$T/closed'"
check "ps says that there is no sidecar that answers" bash -c "ip netns exec $W-host '$T/bin/egressctl' ps | grep -E '^a +netns +broken'"
kill $CAPTURE
rm -f body "$T/hold"
check "the successor serves" eventually 20 fetched
check "...and says so" eventually 5 grep -q 'the sidecar serves again' "$T/out"
tight() { ctl doctor a >"$T/doctor" 2>&1 || { cat "$T/doctor"; return 1; }; }
check "...as tight as before" eventually 20 tight
check "...with the same CA" test "$CA" = "$(ctl ca a)"
check "...and the agent has never ended" test "$CMD" = "$(jq .cmd.pid "$EGRESSD_RUNTIME_DIR/a/record.json")"
check "the log is one" ctl audit --state-dir "$T/state" --verify
check "nothing but what the policy allows was ever asked for" bash -c "! grep -i forbidden '$T/dns.log' '$T/access.log'"
touch stop
wait $RUN
rm -f stop

# -- kept, without anybody to tell
kept() {
    ctl run --keep --name k --policy "$T/policy.yaml" --dns-upstream $DNS --upstream-ca "$T/pki/ca.pem" --state-dir "$T/kept" -- true 2>"$T/err" || { cat "$T/err"; return 1; }
    kill -KILL "$(jq .egressd.pid "$EGRESSD_RUNTIME_DIR/k/record.json")"
    well() { ctl ps | grep -qE '^k +netns +kept' && ctl exec k -- curl -sS --max-time 5 https://origin.test/ | grep -q hello; }
    eventually 20 well || { ctl ps; return 1; }
    ctl reload k --policy "$T/policy.yaml" && ctl stop k
}
check "one that is kept comes back too, can be reloaded and stopped" kept

# -- again and again
gives_up() {
    ctl run --name b --policy "$T/policy.yaml" --dns-upstream $DNS --state-dir "$T/state" -- sleep 300 >"$T/out" 2>&1 &
    local run=$! i=0
    eventually 10 eval "ctl ps | grep -qE '^b +netns +running'" || { cat "$T/out"; return 1; }
    while kill -0 $run 2>/dev/null && [ $i -le 5 ]; do
        i=$((i + 1))
        kill -KILL "$(jq .egressd.pid "$EGRESSD_RUNTIME_DIR/b/record.json")" 2>/dev/null
        eventually 20 eval "! kill -0 $run || [ \$(grep -c 'serves again' '$T/out') -ge $i ]"
    done
    wait $run
    [ $? = 125 ] && [ $i = 4 ] && grep -q 'the sandbox with it' "$T/out" || { echo "after $i"; cat "$T/out"; return 1; }
}
check "a daemon that dies again and again ends the sandbox, with 125" gives_up
check "nothing is left" test -z "$(ls "$EGRESSD_RUNTIME_DIR"; in_host nft list tables; ip -n "$W-host" -o link | grep egh)"

# -- a state directory in a folder of the agent's
replaced() { # whoever may rename the folder that it is in does not choose what the next daemon writes to
    mkdir -m 777 "$T/w/own"
    ctl run --name c --user 1000:1000 --policy "$T/policy.yaml" --dns-upstream $DNS --upstream-ca "$T/pki/ca.pem" --state-dir "$T/w/own/state" -- sh -c \
        'sleep 300' >"$T/out" 2>&1 &
    local run=$!
    eventually 10 eval "ctl ps | grep -qE '^c +netns +running'" || { cat "$T/out"; return 1; }
    mkdir "$T/elsewhere"
    mv "$T/w/own" "$T/w/was" && mkdir "$T/w/own" && ln -s "$T/elsewhere" "$T/w/own/state"
    kill -KILL "$(jq .egressd.pid "$EGRESSD_RUNTIME_DIR/c/record.json")"
    eventually 20 grep -q 'serves again' "$T/out" || { cat "$T/out"; return 1; }
    ctl exec c -- curl -s -o /dev/null https://forbidden.test/
    ctl stop c
    wait $run
    [ -z "$(ls -A "$T/elsewhere")" ] && grep -q forbidden.test "$T/w/was/state/audit.jsonl" || { ls -lR "$T/elsewhere" "$T/w/was"; return 1; }
}
check "what was made as its state directory stays it" replaced
exit $FAILED
