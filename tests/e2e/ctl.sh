#!/bin/bash
# egressctl, backend netns: status, descriptors, users, what the agent sees, and that nothing is left behind.
. "$(dirname "$0")/lib.sh"

world_up
mkdir -p "$T/w"
chmod 777 "$T/w"
cd "$T/w" || exit 1
export EGRESSD_RUNTIME_DIR=$T/registry # nobody else's sandboxes
cat >"$T/p.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: tokens.test
      auth: {scheme: token, token_ref: CTL_TOKEN}
YAML
grep -v -e tokens -e auth "$T/p.yaml" >"$T/plain.yaml"
echo 'version: 2' >"$T/bad.yaml"

# run ARGS... -- CMD   without a word on stderr about the missing policy
run() { ctl run --dns-upstream $DNS "$@" 2>"$T/err"; }
status_is() {
    local want=$1 got
    shift
    "$@"
    got=$?
    [ $got = "$want" ] || { echo "status $got instead of $want: $(cat "$T/err")"; return 1; }
}

# -- status, descriptors, user
check "status of CMD" status_is 7 run -- sh -c 'exit 7'
check "status of a signal" status_is 143 run -- sh -c 'kill -TERM $$'
check "status 137 of SIGKILL" status_is 137 run -- sh -c 'kill -KILL $$'
check "127 where CMD is missing" status_is 127 run -- /nonexistent/cmd
check "126 where CMD cannot be run" status_is 126 run -- /etc/passwd
check "125 without CMD" status_is 125 run
check "125 for an unknown option" status_is 125 run --frobnicate -- true
check "125 for a bad policy" status_is 125 run --policy "$T/bad.yaml" -- true
bad_place() { run --policy "$T/bad.yaml" -- true; grep -q "bad.yaml:1:[0-9]*: " "$T/err" || { cat "$T/err"; return 1; }; }
check "a bad policy is told by FILE:LINE:COL" bad_place
says_nothing_allowed() { run -- true && grep -q 'nothing is allowed' "$T/err"; }
check "without a policy it says that nothing is allowed" says_nothing_allowed
tells() { # PATTERN ARGS...   fails with 125, and says what to do
    ctl "${@:2}" >"$T/out" 2>"$T/err"
    [ $? = 125 ] && grep -qE -- "$1" "$T/err" || { cat "$T/out" "$T/err"; return 1; }
}
check "a word too many is told" tells 'ps: what is "extra" for' ps extra
check "an unknown format is told" tells '--format xml: table or json' ps --format xml
check "a sandbox that is not there is told" tells 'no running sandbox nobody.*egressctl ps' exec nobody -- true
roots() { # an ordinary user of a host whose sandboxes are root's
    ctl ps >/dev/null
    in_host setpriv --reuid 1000 --regid 1000 --clear-groups "$BUILD/egressctl" "$@" >"$T/out" 2>"$T/err"
    [ $? = 125 ] && grep -q 'sudo egressctl' "$T/err" || { cat "$T/out" "$T/err"; return 1; }
}
check "without root: what to do" roots run -- true
check "...also for what runs already" roots ps
pipes() { head -c 3000000 /dev/urandom >"$T/in" && run -- cat <"$T/in" | cmp - "$T/in"; }
check "stdin and stdout are CMD's" pipes
err_passes() { run -- sh -c 'echo oops >&2' && grep -qx oops "$T/err"; }
check "stderr is CMD's" err_passes
descriptors() { [ "$(run -- sh -c 'ls /proc/$$/fd | sort -n | tail -1' 9</dev/null)" -le 10 ] && ! run -- sh -c 'test -e /proc/$$/fd/9' 9</dev/null; }
check "no other descriptor reaches CMD" descriptors
check "CMD is not root" status_is 1 run -- sh -c '[ "$(id -u)" = 0 ]'
who() { [ "$(run "$@" -- sh -c 'id -u; id -g' | tr '\n' ' ')" = "$WANT " ]; }
WANT="1234 4321" check "--user UID:GID" who --user 1234:4321
sudo_user() { [ "$(SUDO_UID=4711 SUDO_GID=4712 run -- sh -c 'id -u; id -g; echo "$SUDO_UID"' | tr '\n' ' ')" = "4711 4712  " ]; }
check "the invoking user under sudo" sudo_user
no_caps() { [ "$(run -- sh -c 'grep -c "^Cap.*:.0000000000000000" /proc/self/status; grep NoNewPrivs /proc/self/status | cut -f2' | tr '\n' ' ')" = "5 1 " ]; }
check "no capability and no_new_privs" no_caps
same_dir() { [ "$(run -- pwd)" = "$T/w" ] && run -- sh -c 'echo made >file' && [ "$(cat file)" = made ]; }
check "CMD runs in the caller's directory" same_dir
root_ro() { ! run --user 0 -- sh -c 'echo x >/usr/bin/egress-was-here' && ! [ -e /usr/bin/egress-was-here ]; }
check "--user 0 cannot write to the host's programs" root_ro
root_cwd() { run --user 0 -- sh -c 'echo x >by-root && echo x >"$PWD/by-root2"' && rm by-root by-root2; }
check "...but to its working directory, by any name" root_cwd
home() { run -- sh -c 'cd && echo x >f && test -s f && whoami' >/dev/null; }
check "CMD has a home and a name" home

# -- what the agent sees
check "the host's processes are hidden" status_is 0 run -- sh -c '[ "$(ls -d /proc/[0-9]* | wc -l)" -lt 8 ]'
check "the registry is hidden" status_is 0 run -- sh -c '! test -e /run/egressd && test -z "$(ls -A "$0")"' "$EGRESSD_RUNTIME_DIR"
check "the state is hidden" status_is 0 run -- sh -c '! ls /var/lib/egressd/* "$0"/* 2>/dev/null' "$EGRESSD_STATE_DIR"
proxies() { [ -z "$(HTTPS_PROXY=a http_proxy=b SSH_AUTH_SOCK=c DOCKER_HOST=d run -- env | grep -iE '^(https?_proxy|SSH_AUTH_SOCK|DOCKER_HOST)=')" ]; }
check "variables that lead round the sidecar do not pass" proxies
others_pass() { [ "$(CTL_OTHER='a b' run -- sh -c 'echo "$CTL_OTHER"')" = "a b" ]; }
check "other variables pass" others_pass
host_files() {
    local before after
    before=$(md5sum /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/passwd; find /etc -newer "$T/p.yaml" -type f)
    run -- true
    after=$(md5sum /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/passwd; find /etc -newer "$T/p.yaml" -type f)
    [ "$before" = "$after" ] || { echo "$before -- $after"; return 1; }
}
check "the host's files in /etc stay as they are" host_files

listen() { # path: a socket that answers everybody
    python3 - "$1" <<'PY' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
path = "\0" + sys.argv[1][1:] if sys.argv[1][0] == "@" else sys.argv[1]
s.bind(path)
if path[0] != "\0":
    os.chmod(path, 0o777)
s.listen()
while True:
    s.accept()[0].sendall(b"door\n")
PY
    LISTENERS="${LISTENERS:-} $!"
}
knock() { # from the agent: does it answer?
    run -- python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1].replace("@", "\0"))
    sys.exit(0 if s.recv(9) else 1)
except OSError as e:
    sys.exit(1)' "$1"
}
listen "$T/w/door"
listen /run/ctl-test-door
listen @ctl-test-door
eventually 5 test -S "$T/w/door" -a -S /run/ctl-test-door
check "a host socket in a shared folder is closed" status_is 1 knock "$T/w/door"
check "a host socket in /run is closed" status_is 1 knock /run/ctl-test-door
check "an abstract host socket is closed" status_is 1 knock @ctl-test-door
# shellcheck disable=SC2086
kill $LISTENERS
rm -f /run/ctl-test-door

# -- secrets
TOKEN=s3cr3t-$$-abcdefgh
missing() { (unset CTL_TOKEN; status_is 125 run --policy "$T/p.yaml" -- true) && grep -q CTL_TOKEN "$T/err"; }
check "a missing secret is named, and nothing starts" missing
hidden_secret() {
    local out
    out=$(CTL_TOKEN=$TOKEN CTL_ALIAS="https://u:$TOKEN@h/" run --policy "$T/p.yaml" -- sh -c \
        'env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" "\n"')
    [ -n "$out" ] && ! grep -q -F "$TOKEN" <<<"$out"
}
check "no secret in any environment or command line that the agent reads" hidden_secret
nowhere() {
    (CTL_TOKEN=$TOKEN run --name ctls$$ --policy "$T/p.yaml" -- sleep 20) &
    eventually 5 running ctls$$ || { cat "$T/err"; return 1; }
    local pid found=0
    for pid in $(pgrep -f "$BUILD/egress") $(pgrep egressd); do
        tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q -F "$TOKEN" && { echo "cmdline of $pid"; found=1; }
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -q -F "$TOKEN" && { echo "environ of $pid: $(cat "/proc/$pid/comm")"; found=1; }
    done
    grep -r -l -F "$TOKEN" "$EGRESSD_RUNTIME_DIR/ctls$$" "$EGRESSD_STATE_DIR/ctls$$" && found=1
    ctl stop ctls$$
    wait
    return $found
}
running() { ctl ps | grep -q "^$1 .* running "; }
check "no secret in a command line, an environment or a file of the host" nowhere

# -- life
lifecycle() {
    run --name ctla$$ -- sleep 20 &
    eventually 5 running ctla$$ || return 1
    status_is 125 run --name ctla$$ -- true || return 1
    grep -q 'is running' "$T/err" || return 1
    [ "$(ctl exec ctla$$ -- sh -c 'id -u; cat /etc/resolv.conf; pwd')" = "$(printf '65520\nnameserver 192.168.127.1\n%s' "$T/w")" ] || return 1
    ctl exec ctla$$ -- sh -c 'exit 9'
    [ $? = 9 ] || return 1
    ctl ca ctla$$ | openssl x509 -noout || return 1
    ctl stop ctla$$ || return 1
    wait
    ! ctl ps | grep ctla$$
}
check "ps, a taken name, exec, ca, stop" lifecycle
exec_killed() { # the command ends with the `exec` that began it, and a stopped one does not hold up the end of the sandbox
    local p
    run --name ctle$$ -- sleep 30 &
    eventually 5 running ctle$$ || return 1
    ip netns exec "$W-host" "$BUILD/egressctl" exec ctle$$ -- sleep 4321 &
    p=$!
    eventually 3 pgrep -f 'sleep 4321' || return 1
    kill -KILL $p
    wait $p 2>/dev/null
    eventually 3 not pgrep -f 'sleep 4321' || { echo "the command outlived its exec"; return 1; }
    ip netns exec "$W-host" "$BUILD/egressctl" exec ctle$$ -- sleep 4321 &
    p=$!
    eventually 3 pgrep -f 'sleep 4321' || return 1
    kill -STOP $p
    timeout 8 ip netns exec "$W-host" "$BUILD/egressctl" stop ctle$$ || { echo "stop: $?"; kill -KILL $p; return 1; }
    kill -KILL $p
    wait 2>/dev/null
    ! ctl ps | grep ctle$$
}
not() { ! "$@"; }
check "exec ends with its caller, and holds up nothing" exec_killed
kept() {
    local out
    out=$(ctl run --keep --name ctlk$$ -- sh -c 'echo done' 2>&1) || { echo "$out"; return 1; }
    ctl ps | grep -q "^ctlk$$ .* kept " || { ctl ps; return 1; }
    [ "$(ctl exec ctlk$$ -- echo in)" = in ] || return 1
    ctl stop ctlk$$ && ! ctl ps | grep ctlk$$
}
check "--keep keeps it until stop" kept
reloads() {
    run --name ctlr$$ --policy "$T/plain.yaml" -- sleep 20 &
    eventually 5 running ctlr$$ || return 1
    ctl reload ctlr$$ --policy "$T/plain.yaml" || { echo good; return 1; }
    ctl reload ctlr$$ --policy "$T/bad.yaml" 2>"$T/err2"
    [ $? = 2 ] && grep -q 'bad.yaml:1:' "$T/err2" || { cat "$T/err2"; return 1; }
    CTL_TOKEN=$TOKEN ctl reload ctlr$$ --policy "$T/p.yaml" || return 1
    (unset CTL_TOKEN; ctl reload ctlr$$ --policy "$T/p.yaml") || { echo "a known secret was asked for again"; return 1; }
    ctl stop ctlr$$
    wait
}
check "reload: a good policy, a bad one, one with secrets" reloads

healthy() { ctl ps --format json | jq -e ".[] | select(.name == \"$1\") | .ready" >/dev/null; }
honest() { # ps asks the sidecar; what a file says is not enough
    local p
    run --name ctlh$$ -- sleep 60 &
    eventually 5 running ctlh$$ || return 1
    healthy ctlh$$ || { ctl ps --format json; return 1; }
    grep -q '"ready":true' "$EGRESSD_STATE_DIR/ctlh$$/status.json" || return 1
    p=$(jq .egressd.pid "$EGRESSD_RUNTIME_DIR/ctlh$$/record.json")
    kill -STOP "$p"
    ctl ps | grep -q "^ctlh$$ .* broken .*does not answer" || { ctl ps; kill -CONT "$p"; return 1; }
    ctl doctor ctlh$$ >"$T/doctor" 2>&1 && { cat "$T/doctor"; return 1; }
    kill -CONT "$p"
    eventually 3 healthy ctlh$$ || return 1
    kill -STOP "$(pgrep -P "$p" -f 'egressd: engine 0')"
    eventually 12 not healthy ctlh$$ || { echo "a hanging engine is not seen"; return 1; }
    ctl ps | grep -q "^ctlh$$ .* broken " || { ctl ps; return 1; }
    ctl stop ctlh$$
    wait
}
check "ps shows how the sidecar is now" honest
log_bounded() { # egressd.log, at the size where a new one begins
    mkdir -p "$T/full"
    head -c 4194304 /dev/zero | tr '\0' x >"$T/full/egressd.log"
    run --state-dir "$T/full" -- true || return 1
    [ "$(stat -c %s "$T/full/egressd.log.1")" = 4194304 ] && [ "$(stat -c %s "$T/full/egressd.log")" -lt 100000 ] && grep -q ready "$T/full/egressd.log" || { ls -l "$T/full"; return 1; }
    mv "$T/full/egressd.log.1" "$T/full/egressd.log"
    run --state-dir "$T/full" --dns-upstream 127.0.0.99 --upstream-ca "$T/bad.yaml" -- true
    [ $? = 125 ] && grep -q 'upstream-ca' "$T/err" || { cat "$T/err"; return 1; }
}
check "egressd.log is bounded, and what stops a start is still shown" log_bounded
shared() { # two sandboxes, one folder: the log is rotated by either, and no line is lost
    local i pids=
    sed 's/^egress:/audit: {rotate_bytes: 65536, keep: 30}\n&/' "$T/plain.yaml" >"$T/rotating.yaml"
    for i in 1 2; do
        ip netns exec "$W-host" "$BUILD/egressctl" run --name "ctl2$i$$" --state-dir "$T/shared" --policy "$T/rotating.yaml" --dns-upstream $DNS -- \
            python3 -c 'import socket
s = socket.socket(2, 2); s.connect(("192.168.127.1", 53)); s.settimeout(5)
for i in range(700):
    n = b"n%d-" % i + b"x" * 40
    s.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + bytes([len(n)]) + n + b"\4test\0\0\1\0\1"); s.recv(512)' 2>>"$T/err" &
        pids="$pids $!"
    done
    for i in $pids; do wait "$i" || { cat "$T/err"; return 1; }; done
    [ -e "$T/shared/audit.jsonl.4" ] || { ls -l "$T/shared"; return 1; }
    ctl audit --state-dir "$T/shared" --verify || return 1
    cat "$T"/shared/audit.jsonl* | jq -s '[.[] | select(.event == "dns" and (.qname | tostring | contains("egressd") | not)) | .count // 1] | add' >"$T/total"
    [ "$(cat "$T/total")" = 1400 ] || { echo "$(cat "$T/total") of 1400 questions"; return 1; }
}
check "two sandboxes may share a state directory" shared
made_private() {
    mkdir -m 755 "$T/given" "$T/others" && touch "$T/others/thing"
    run --state-dir "$T/given" -- true && run --state-dir "$T/others" -- true || return 1
    [ "$(stat -c %a "$T/given" "$T/others" | tr '\n' ' ')" = "700 755 " ] || { ls -la "$T/given" "$T/others"; return 1; }
}
check "a state directory that was there becomes private, unless it holds other things" made_private

# -- the proof, again
inside() { # NAME COMMAND...   as root in the sandbox's network, which no agent is
    local pid
    pid=$(jq .agent.pid "$EGRESSD_RUNTIME_DIR/$1/record.json")
    shift
    nsenter -t "$pid" -n "$@"
}
proves() {
    run --name ctlp$$ --policy "$T/plain.yaml" -- sleep 20 &
    eventually 5 running ctlp$$ || return 1
    ctl doctor ctlp$$ >"$T/doctor" || { cat "$T/doctor"; return 1; }
    grep -q '^ok *no way round the sidecar' "$T/doctor" && running ctlp$$ || { cat "$T/doctor"; return 1; }
    inside ctlp$$ ip route add 10.99.0.0/16 via 192.168.127.1
    ctl doctor ctlp$$ >"$T/doctor" 2>&1
    [ $? = 1 ] && grep -q 'foreign routes' "$T/doctor" && grep -q LACKS "$T/doctor" || { cat "$T/doctor"; return 1; }
    wait
    ! running ctlp$$ && unchanged
}
reload_proves() {
    run --name ctlq$$ --policy "$T/plain.yaml" -- sleep 20 &
    eventually 5 running ctlq$$ || return 1
    inside ctlq$$ nft flush chain inet egress_init output
    ctl reload ctlq$$ --policy "$T/plain.yaml" 2>"$T/err2"
    [ $? = 125 ] && grep -q 'packet rules' "$T/err2" && grep -q 'is ended' "$T/err2" || { cat "$T/err2"; return 1; }
    wait
    ! running ctlq$$ && unchanged
}

# -- the audit log
audits() {
    run --state-dir "$T/log" --name ctlv$$ --policy "$T/plain.yaml" -- curl -s https://forbidden.test/ >"$T/body"
    grep -q no_route "$T/body" || { cat "$T/body" "$T/err"; return 1; }
    ctl audit ctlv$$ | grep -q 'deny .*http .*forbidden.test .*GET / 403 .*no_route' || { ctl audit ctlv$$; return 1; }
    [ -n "$(ctl audit ctlv$$ --denied --event dns --format json)" ] || return 1
    ctl audit ctlv$$ --denied --format json | grep -v '"verdict":"deny"' && return 1
    ctl audit ctlv$$ --verify || return 1
    sed -i '0,/forbidden.test/s//permitted.test/' "$T/log/audit.jsonl"
    ctl audit --state-dir "$T/log" --verify && return 1
    [ $? = 1 ]
}
check "audit: table, filters, verification" audits
follows() {
    local p
    run --name ctlw$$ --policy "$T/plain.yaml" -- sh -c 'sleep 1; curl -s https://forbidden.test/ >/dev/null; sleep 1' &
    eventually 5 running ctlw$$ || return 1
    timeout 10 ip netns exec "$W-host" "$BUILD/egressctl" audit ctlw$$ --follow --event http >"$T/followed" || { echo "status $?"; return 1; }
    wait
    grep -q forbidden.test "$T/followed"
}
check "audit --follow ends with the sandbox" follows

# -- nothing is left
snapshot() {
    ip -n "$W-host" -o link | sed 's/ qdisc.*//'
    ip -n "$W-host" addr
    ip -n "$W-host" route show table all
    ip -n "$W-host" -6 route show table all
    ip -n "$W-host" rule
    pgrep -a -f "sleep 77$$"
    in_host nft list ruleset
    in_host sysctl -a 2>/dev/null | grep 'ipv4.*forwarding'
    grep -E "$T|/run/(agent|egress)" /proc/mounts
    pgrep -a -f "$BUILD/egress"
    ls "$EGRESSD_RUNTIME_DIR"
}
snapshot >"$T/before"
unchanged() { eventually 3 same_snapshot || { diff "$T/before" "$T/after"; return 1; }; }
same_snapshot() { snapshot >"$T/after" && cmp -s "$T/before" "$T/after"; }
check "nothing is left after the runs so far" unchanged
check "doctor NAME tries the network, and ends a sandbox that leaks" proves
check "so does reload" reload_proves
interrupted() {
    local i p s
    set -m # else what is in the background ignores SIGINT until the program says otherwise
    for i in $(seq 24); do
        s=$([ $((i % 2)) = 0 ] && echo INT || echo TERM)
        ip netns exec "$W-host" "$BUILD/egressctl" run --dns-upstream $DNS -- sleep 5 2>/dev/null &
        p=$!
        sleep "0.$(printf %03d $((i * 9)))"
        kill -$s $p
        wait $p
        case $? in 130 | 143) ;; *) echo "run $i: status $?"; set +m; return 1 ;; esac
    done
    set +m
    unchanged
}
check "nothing is left after SIGINT and SIGTERM at any instant" interrupted
killed() {
    local i p
    for i in $(seq 12); do
        ip netns exec "$W-host" "$BUILD/egressctl" run --dns-upstream $DNS -- sleep 5 2>/dev/null &
        p=$!
        sleep "0.$(printf %03d $((i * 17)))"
        kill -KILL $p
        wait $p 2>/dev/null
    done
    sleep 0.3
    ctl gc >/dev/null
    unchanged
}
check "gc removes what SIGKILL left" killed
late_nft() { # egressctl is killed while nft works for it: nothing of that comes after gc
    local p
    mkdir -p "$T/bin"
    printf '#!/bin/sh\nsleep 0.7\nexec /usr/sbin/nft "$@"\n' >"$T/bin/nft"
    chmod +x "$T/bin/nft"
    PATH=$T/bin:$PATH ip netns exec "$W-host" "$BUILD/egressctl" run --name ctln$$ --dns-upstream $DNS -- sleep 5 2>/dev/null &
    p=$!
    eventually 5 grep -qs '"table"' "$EGRESSD_RUNTIME_DIR/ctln$$/record.json" || { echo "not so far"; return 1; }
    sleep 0.1
    kill -KILL $p
    wait $p 2>/dev/null
    ctl gc >/dev/null # too early: it must leave what the helper still works on
    sleep 1
    ctl gc >/dev/null
    unchanged
}
check "nor is there what a helper of the killed one was about to make" late_nft
below() { # PID   and every process below it
    local c
    echo "$1"
    for c in $(pgrep -P "$1"); do below "$c"; done
}
dead() { # every process of a kept sandbox
    run --keep --name ctld$$ -- true || return 1
    # shellcheck disable=SC2046
    kill -KILL $(for x in sidecar agent; do below "$(jq .$x.pid "$EGRESSD_RUNTIME_DIR/ctld$$/record.json")"; done)
    eventually 5 eval "ctl ps | grep -q '^ctld$$ .* dead'" || { ctl ps; return 1; }
    ctl gc >/dev/null
    unchanged
}
check "a kept sandbox whose processes are gone is shown as dead until gc" dead
everything() { # every process of two sandboxes at one blow, one of them kept, one with a child of CMD's in a session of its own
    local p family
    run --keep --name ctlx$$ -- sh -c "setsid sleep 77$$ & echo" || return 1
    run --name ctly$$ --policy "$T/plain.yaml" -- sh -c "setsid sleep 77$$ & sleep 77$$" &
    p=$!
    eventually 5 running ctly$$ || { cat "$T/err"; return 1; }
    family=$(below $p; for x in sidecar agent; do below "$(jq .$x.pid "$EGRESSD_RUNTIME_DIR/ctlx$$/record.json")"; done)
    # shellcheck disable=SC2086
    [ "$(echo $family | wc -w)" -ge 20 ] || { ps -fp $family; return 1; }
    # shellcheck disable=SC2086
    kill -KILL $family
    wait $p 2>/dev/null
    # A process that collects after a killed egressctl, of this case or of the one before, may have come first.
    eventually 5 eval "! ctl ps | grep -qE '^ctl[xy]$$ .* running'" || { ctl ps; return 1; }
    eventually 3 eval "ctl gc >/dev/null && ! ctl ps | grep -q ctl" || { ctl ps; return 1; }
    [ -s "$EGRESSD_STATE_DIR/ctly$$/audit.jsonl" ] || { echo "the log is gone"; return 1; }
    unchanged
}
check "gc after SIGKILL of everything leaves the host as it was" everything
sidecar_dies() {
    local pid p
    run --name ctld$$ -- sleep 20 &
    p=$!
    eventually 5 running ctld$$ || return 1
    pid=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]]["pid"])' "$EGRESSD_RUNTIME_DIR/ctld$$/record.json" "$1")
    kill -KILL "$pid"
    wait $p
    [ $? = 125 ] && grep -q . "$T/err" || { cat "$T/err"; return 1; }
    unchanged
}
check "the sandbox ends with its sidecar's holder" sidecar_dies sidecar
check "the sandbox ends with its agent's holder" sidecar_dies agent
many() {
    local i pids= bad=0 began=$SECONDS
    for i in $(seq 20); do
        ip netns exec "$W-host" "$BUILD/egressctl" run --policy "$T/plain.yaml" --upstream-ca "$T/pki/ca.pem" --state-dir "$T/many" --dns-upstream $DNS -- \
            sh -c "until [ \$(ls '$T/w/up' | wc -l) = 20 ]; do touch '$T/w/up/$i'; sleep 0.1; done; curl -sSf -o /dev/null https://origin.test/ && exit 3" \
            2>>"$T/many.err" &
        pids="$pids $!"
    done
    for i in $pids; do
        wait "$i"
        [ $? = 3 ] || bad=$((bad + 1))
    done
    [ $bad = 0 ] || { echo "$bad of 20 failed: $(tail -5 "$T/many.err")"; return 1; }
    [ $((SECONDS - began)) -le 60 ] || { echo "$((SECONDS - began)) s"; return 1; }
    unchanged
}
mkdir -m 777 "$T/w/up"
check "twenty at once, with one command line: each works" many
firewalled() { # through a forward chain that drops: does the world still answer?
    run --name ctlf$$ --policy "$T/plain.yaml" --upstream-ca "$T/pki/ca.pem" -- curl -sS https://origin.test/ >"$T/body"
    grep -q 'hello from the origin' "$T/body" || { cat "$T/body" "$T/err"; return 1; }
}
nft_drops() {
    in_host nft -f - <<'NFT'
table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }
NFT
    firewalled || return 1
    in_host nft list chain ip filter FORWARD | grep egressd && return 1
    in_host nft delete table ip filter
    unchanged
}
check "another firewall's forward policy is passed, and left as it was" nft_drops
legacy_drops() {
    in_host iptables-legacy -P FORWARD DROP
    firewalled || return 1
    [ "$(in_host iptables-legacy -S FORWARD)" = "-P FORWARD DROP" ] || { in_host iptables-legacy -S FORWARD; return 1; }
    in_host iptables-legacy -P FORWARD ACCEPT
    unchanged
}
if in_host iptables-legacy -S >/dev/null 2>&1; then
    check "so is that of iptables-legacy" legacy_drops
else
    skip "so is that of iptables-legacy" "no iptables-legacy here"
fi
island() {
    ip -n "$W-host" route del default
    run -- true
    local s=$?
    ip -n "$W-host" route add default via 10.77.0.1
    [ $s = 0 ] && grep -q 'no default route' "$T/err" && unchanged
}
check "without a default route it starts, and says so" island

# -- what it is started with
plain_path() { [ "$(PATH=/usr/bin:/bin run -- /bin/sh -c 'echo $PATH' 2>"$T/err")" = /usr/bin:/bin ] || { cat "$T/err"; return 1; }; }
check "root's programs need not be in PATH, and CMD's is as it was" plain_path
small_files() { (ulimit -f 8 && run -- true); [ $? = 125 ] && grep -q 'File too large' "$T/err" && unchanged || { cat "$T/err"; return 1; }; }
check "a limit to the size of files is told" small_files

# -- terminal
check "Ctrl-C, Ctrl-Z and a shell's job control on a terminal" in_host python3 "$HERE/ctl_tty.py" "$BUILD/egressctl"
check "nothing is left in the end" unchanged
check "nor is any state where the machine has its own" eval "! ls /var/lib/egressd 2>/dev/null | grep -E '^ctl[a-z0-9]*$$\$'"
exit $FAILED
