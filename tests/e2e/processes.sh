#!/usr/bin/env bash
# egressd's processes: what each may do, who comes back, what a death or a signal leads to. A sidecar in a namespace of
# its own, without agent and world: those are in the other scripts.
. "$(dirname "$0")/lib.sh"
N=egp$$
T=$(mktemp -d /tmp/egress-processes.XXXXXX)
D=
cleanup() {
    local n pids
    for n in side agent up; do
        pids=$(ip netns pids $N-$n 2>/dev/null)
        # shellcheck disable=SC2086
        [ -n "$pids" ] && kill -9 $pids 2>/dev/null
        ip netns del $N-$n 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" = 0 ] || { echo "these tests need root: they make network namespaces" >&2; exit 1; }

for n in side agent up; do ip netns add $N-$n && ip -n $N-$n link set lo up || exit 1; done
link() { # NS IF ADDR PEER-NS PEER-IF PEER-ADDR
    ip link add "$2" netns $N-"$1" type veth peer name "$5" netns $N-"$4"
    ip -n $N-"$1" addr add "$3" dev "$2"
    ip -n $N-"$4" addr add "$6" dev "$5"
    ip -n $N-"$1" link set "$2" up
    ip -n $N-"$4" link set "$5" up
}
link side eth0 10.90.0.2/24 up p0 10.90.0.1/24
link side eth1 10.91.0.1/24 agent eth0 10.91.0.2/24
ip -n $N-side route add default via 10.90.0.1
ip -n $N-agent route add default via 10.91.0.1

side() { ip netns exec $N-side "$@"; }
in_agent() { ip netns exec $N-agent "$@"; }

cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: first.example
      auth: {scheme: Bearer, token_ref: TOKEN}
audit: {rotate_bytes: 65536, keep: 2}
YAML
SECRET=sekrit-0123456789abcdef
echo "TOKEN=$SECRET" >"$T/secrets"
chmod 600 "$T/secrets"
cp "$T/policy.yaml" "$T/good.yaml"

# start [ARGS...]   egressd in the background; waits for READY; D is the monitor's pid
start() {
    rm -f "$T/ready" && mkfifo "$T/ready"
    ip netns exec $N-side "$BUILD/egressd" run --policy "$T/policy.yaml" --secrets "$T/secrets" --state-dir "$T/state" --engines 2 \
        --dns-upstream 10.90.0.1 --status-socket "$T/status" --ready-fd 9 "$@" 9>"$T/ready" 2>"$T/err" &
    D=$!
    [ "$(timeout 10 cat "$T/ready")" = READY ]
}
must_start() { start "$@" || { not_ok "start" "$(cat "$T/err")"; exit 1; }; }
daemons() { ip netns pids $N-side; }
pid_of() { # ROLE
    local p
    for p in $(daemons); do
        [ "$(tr -d '\0' <"/proc/$p/cmdline" 2>/dev/null)" = "egressd: $1" ] && echo "$p" && return
    done
    return 1
}
none_left() { [ -z "$(daemons)" ]; }
# Sets STATUS to the monitor's. In this shell, as only the parent can wait.
wait_end() { wait $D 2>/dev/null; STATUS=$?; }
ended() { # STATUS   that it was this one, and no process is left
    [ $STATUS = "$1" ] || { echo "status $STATUS: $(cat "$T/err")"; return 1; }
    none_left || { echo "left: $(daemons)"; return 1; }
}
field() { awk -v k="$2:" '$1 == k {$1 = ""; sub(/^ +/, ""); print}' "/proc/$1/status"; }
event() { # EVENT ROLE   how many such lines the log has
    grep -c "\"event\":\"$1\".*\"role\":\"$2\"" "$T/state/audit.jsonl"
}
status_has() { grep -q "$1" "$T/state/status.json"; }
is() { [ "$1" = "$2" ] || { echo "expected '$2', is '$1'"; return 1; }; }

# unprivileged ROLE UID
unprivileged() {
    local p set
    p=$(pid_of "$1") || { echo "no such process"; return 1; }
    is "$(field "$p" Uid)" "$2 $2 $2 $2" && is "$(field "$p" Gid)" "$2 $2 $2 $2" && is "$(field "$p" Groups)" "" || return 1
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do is "$(field "$p" $set)" 0000000000000000 || return 1; done
    is "$(field "$p" NoNewPrivs)" 1 && is "$(field "$p" Seccomp)" 2 && is "$(stat -c %u "/proc/$p/environ")" 0 || return 1
    for set in 'core file size' processes; do is "$(awk -v l="Max $set " 'index($0, l) == 1 { print $(NF - 2), $(NF - 1) }' "/proc/$p/limits")" "0 0" || return 1; done
    [ "$1" = resolver ] || [ "$(awk '/^Max data size/ { print $5 + 0 }' "/proc/$p/limits")" -le 1073741824 ] || { grep '^Max data' "/proc/$p/limits"; return 1; }
}
monitor_minimal() { # NET_ADMIN in effect; NET_RAW, SETUID, SETGID, SETPCAP, KILL, DAC_OVERRIDE at hand
    local set
    for set in CapPrm CapBnd; do is "$(field "$D" $set)" 00000000000031e2 || return 1; done
    is "$(field "$D" CapEff)" 0000000000001020 || return 1
    is "$(field "$D" NoNewPrivs)" 1 && is "$(field "$D" Seccomp)" 2
}
# No file is open but the log; the signer has neither that nor a network socket.
descriptors() { # ROLE ALLOWED-ERE
    local p bad
    p=$(pid_of "$1") || return 1
    bad=$(find "/proc/$p/fd" -type l -printf '%f %l\n' | awk '$1 > 2' | grep -vE "$2")
    [ -z "$bad" ] || { echo "$bad"; return 1; }
}
no_inet() { # ROLE   holds no internet socket
    local p inode
    p=$(pid_of "$1") || return 1
    for inode in $(find "/proc/$p/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n'); do
        awk -v i="$inode" '$7 == i {found = 1} END {exit !found}' "/proc/$p/net/unix" || { echo "socket $inode is not a local one"; return 1; }
    done
}
secret_nowhere() { # but in the memory of those who inject and look for it
    local p
    for p in $(daemons); do
        ! grep -qa "$SECRET" "/proc/$p/cmdline" "/proc/$p/environ" || { echo "in $p's cmdline or environment"; return 1; }
    done
    ! grep -ra "$SECRET" "$T/state" "$T/err"
}
holds_secret() { # ROLE   somewhere in its writable memory
    python3 - "$(pid_of "$1")" "$SECRET" <<'PY'
import re, sys
pid, secret = sys.argv[1], sys.argv[2].encode()
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
    for line in maps:
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if not m:
            continue
        start, end = int(m[1], 16), int(m[2], 16)
        try:
            mem.seek(start)
            data = mem.read(end - start)
        except OSError:
            continue
        if secret in data:
            sys.exit(0)
sys.exit(1)
PY
}
rules_closed() { side nft list table inet egressd 2>&1 | grep -q 'hook forward.*policy drop'; }

must_start
check "monitor: only the capabilities it needs" monitor_minimal
check "signer: nothing but its own" unprivileged signer 65521
check "resolver: nothing but its own" unprivileged resolver 65522
check "engine 0: nothing but its own" unprivileged "engine 0" 65523
check "engine 1: nothing but its own" unprivileged "engine 1" 65523
check "signer: no file and no log is open" descriptors signer '^[0-9]+ socket:'
check "signer: no network" no_inet signer
check "resolver: no file is open but the log" descriptors resolver '^[0-9]+ (socket:|anon_inode:|pipe:|/.*audit\.jsonl$)'
check "engine: no file is open but the log" descriptors "engine 0" '^[0-9]+ (socket:|anon_inode:|pipe:|/.*audit\.jsonl$)'
check "the names are egressd" test "$(for p in $(daemons); do cat "/proc/$p/comm"; done | sort -u)" = egressd
check "no token in arguments, environments, log or messages" secret_nowhere
check "an engine has the token (so that the next means something)" holds_secret "engine 0"
lacks_secret() { pid_of "$1" >/dev/null && ! holds_secret "$1"; }
check "the signer never had it" lacks_secret signer
check "state: 0700, log 0600, key 0600" is "$(stat -c %a "$T/state" "$T/state/audit.jsonl" "$T/state/ca/ca.key" | tr '\n' ' ')" "700 600 600 "
check "the start is in the log" is "$(event start monitor)" 1
check "status.json says ready" status_has '"ready":true,"generation":1,'
check "the rules are closed" rules_closed
check "a second one in the same namespace says why not" bash -c "out=\$(ip netns exec $N-side '$BUILD/egressd' run --policy '$T/policy.yaml' --secrets '$T/secrets' --state-dir '$T/state2' 2>&1); [ \$? = 1 ] && grep -q 'another egressd' <<<\"\$out\""

comes_back() { # ROLE   a new process within a second
    local old
    old=$(pid_of "$1") || return 1
    kill -9 "$old"
    eventually 1 eval "[ \"\$(pid_of '$1' || echo $old)\" != $old ] && status_has '\"ready\":true'"
}
for role in "engine 0" "engine 1" resolver; do check "kill -9 $role: comes back" comes_back "$role"; done
check "...without privileges" unprivileged "engine 0" 65523
check "...and it is in the log" is "$(event start "engine 0")" 1

frozen() { # ROLE   it hangs, and is replaced; meanwhile the status says so
    local old
    old=$(pid_of "$1") || return 1
    kill -STOP "$old"
    eventually 12 eval "asked | grep -q '\"ready\":false'" || { echo "the status knows nothing of it"; kill -CONT "$old"; return 1; }
    eventually 30 eval "[ \"\$(pid_of '$1' || echo $old)\" != $old ] && asked | grep -q '\"ready\":true'" || { cat "$T/err"; kill -CONT "$old"; return 1; }
    grep -q "$1 has not answered for" "$T/err" && grep -q "\"role\":\"$1\".*did not answer" "$T/state/audit.jsonl"
}
asked() { timeout 2 socat -t 2 - "UNIX-CONNECT:$T/status" </dev/null; }
check "whoever may open the status socket is told" eval "asked | grep -q '\"ready\":true,\"generation\":1,'"
check "...nobody but the owner may" is "$(stat -c %a "$T/status")" 700
check "an engine that hangs is replaced" frozen "engine 1"
check "a resolver that hangs is replaced" frozen resolver

cat >"$T/burst.py" <<'P'
import os, signal, socket, sys
pid, n = int(sys.argv[1]), 400
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 20)
s.connect(("10.91.0.1", 53))
os.kill(pid, signal.SIGSTOP)
for i in range(n):
    s.send(i.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0\5burst\7example\0\0\1\0\1")
os.kill(pid, signal.SIGCONT)
s.settimeout(4)
seen = set()
try:
    while len(seen) < n:
        seen.add(s.recv(1500)[:2])
except socket.timeout:
    sys.exit(f"{len(seen)} of {n} answers")
P
burst() { in_agent python3 "$T/burst.py" "$(pid_of resolver)"; }
check "400 questions at once, while the resolver is busy: none is lost" burst

G=1
reload() { kill -HUP "$D"; }
reloaded() { status_has "\"generation\":$1,"; }
pids_before=$(daemons | sort | tr '\n' ' ')
printf 'version: 1\negress:\n  routes:\n    - hosst: a.example\n' >"$T/policy.yaml"
reload
check "SIGHUP with a broken policy: says where" eventually 2 status_has '"reloads":1,"reload_error":".*policy.yaml:4:7: '
check "...nothing has changed" is "$(daemons | sort | tr '\n' ' ')" "$pids_before"
check "...and it is in the log as a deny" grep -q '"event":"reload".*"verdict":"deny".*policy.yaml:4:7' "$T/state/audit.jsonl"
sed 's/first.example/second.example/' "$T/good.yaml" >"$T/policy.yaml"
chmod 644 "$T/secrets"
reload
check "SIGHUP with secrets that others may read: refused" eventually 2 status_has '"reloads":2,"reload_error":"[^"]*secrets'
chmod 600 "$T/secrets"
reload
loaded() { side nft -a list table inet egressd | head -1; } # with its handle, which a replaced one does not keep
rules_before=$(loaded)
check "SIGHUP with a good policy: a new generation" eventually 3 reloaded 2
check "...the error is gone" status_has '"reload_error":null'
check "...the rules, which other names do not change, stay loaded" is "$(loaded)" "$rules_before"
check "...the old one leaves" eventually 5 bash -c "[ \$(ip netns pids $N-side | wc -l) = 5 ]"
check "...and it is in the log" grep -q '"event":"reload".*"verdict":"allow"' "$T/state/audit.jsonl"
chown 12345 "$T/policy.yaml" "$T/secrets" "$T/state" && chmod 600 "$T/policy.yaml"
reload
check "files of another user's: a reload reads them" eventually 3 reloaded 3
check "...and the rules are the same" is "$(loaded)" "$rules_before"
chown 0 "$T/secrets" "$T/state"
sed 's/first.example/&\n      ports: [80, 443, 8443]/' "$T/good.yaml" >"$T/policy.yaml"
reload
check "another port is another ruleset" eventually 3 eval 'side nft list table inet egressd | grep -q 8443'
check "...which has replaced the one before" eval '[ "$(loaded)" != "$rules_before" ]'
side nft delete table inet egressd
reload
check "rules that are gone are loaded again" eventually 3 rules_closed
cp "$T/good.yaml" "$T/policy.yaml"
G=5
for G in 6 7 8 9; do reload; eventually 3 reloaded $G || break; done
check "many reloads one after the other" reloaded 9
for _ in 1 2 3 4 5 6 7 8 9 10; do reload; done
check "a burst of SIGHUPs: serves in the end" eventually 5 status_has '"ready":true'
sleep 0.3
check "...with one generation" eventually 5 bash -c "[ \$(ip netns pids $N-side | wc -l) = 5 ]"

# The log is cut at 64 KiB: enough refused questions to fill several.
for _ in 1 2 3 4 5 6; do in_agent timeout 10 bash -c 'for i in {1..120}; do dig +time=1 +tries=1 "@10.91.0.1" "n$i.refused.example" A; done' >/dev/null 2>&1; done
check "the log is rotated" test -s "$T/state/audit.jsonl.1"
check "...and no more are kept than the policy says" test ! -e "$T/state/audit.jsonl.3"
check "...with the same mode" is "$(stat -c %a "$T/state/audit.jsonl" "$T/state/audit.jsonl.1" | tr '\n' ' ')" "600 600 "
chains() { # over all files that are kept: whole lines, and no chain has a gap
    python3 - "$T/state" <<'PY'
import hashlib, json, os, sys
last = {}
for name in ("audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"):
    path = os.path.join(sys.argv[1], name)
    if not os.path.exists(path):
        continue
    with open(path, "rb") as f:
        for line in f:
            assert line.endswith(b"\n"), f"{name}: a torn line"
            e = json.loads(line)
            w = e["w"]
            if w in last:
                assert e["seq"] == last[w][0] + 1, f"{name}: {w} jumps from {last[w][0]} to {e['seq']}"
                assert e["prev"] == last[w][1], f"{name}: {w} {e['seq']}: the chain is broken"
            last[w] = (e["seq"], hashlib.sha256(line[:-1]).hexdigest())
assert last
PY
}
check "...and not a line is lost" chains

mv "$T/state/audit.jsonl" "$T/moved.jsonl"
reload
check "SIGHUP after the log was moved away: a new one" eventually 2 test -s "$T/state/audit.jsonl"
asked_is_logged() { in_agent dig +time=1 +tries=1 @10.91.0.1 moved.refused.example A >/dev/null; grep -q moved.refused.example "$T/state/audit.jsonl"; }
check "...which the others write to" eventually 3 asked_is_logged

kill -TERM "$D"
wait_end
check "SIGTERM: ends well, leaves no process" ended 0
check "...the last line is the stop" bash -c "tail -n 1 '$T/state/audit.jsonl' | grep -q '\"event\":\"stop\"'"
check "...the rules stay closed" rules_closed

must_start
kill -9 "$(pid_of signer)"
wait_end
check "kill -9 signer: all end" ended 1
check "...it is said" grep -q 'signer was killed by signal 9' "$T/err"
check "...the rules stay closed" rules_closed
must_start
kill -STOP "$(pid_of "engine 1")"
kill -9 "$D"
wait_end
check "kill -9 monitor: all end, a stopped one, too" eventually 1 none_left
check "...the rules stay closed" rules_closed
unanswered() { side nft list counter inet egressd unanswered | awk '/packets/ { print $2 }'; }
not_served() { # what nobody listens for any more is dropped and counted
    local before
    before=$(unanswered)
    in_agent python3 -c 'import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for to in "10.91.0.1", "10.90.0.1", "192.0.2.1":
    u.sendto(b"question", (to, 53))'
    [ $(($(unanswered) - before)) -ge 3 ] || { echo "$before, then $(unanswered)"; return 1; }
}
check "...and what they would hand over is dropped" not_served

fails() { # STATUS PATTERN ARGS...   a start that must not succeed
    local want=$1 pattern=$2 status out
    shift 2
    out=$(side timeout 10 "$BUILD/egressd" run --state-dir "$T/other" "$@" 2>&1)
    status=$?
    [ $status = "$want" ] && grep -qE "$pattern" <<<"$out" && none_left || { echo "status $status: $out"; return 1; }
}
check "no policy" fails 2 'policy FILE is missing'
check "a policy that is not there" fails 2 'no-such.yaml' --policy "$T/no-such.yaml"
echo 'version: 1: 2' >"$T/bad.yaml"
check "a bad policy: file, line and column" fails 2 'bad.yaml:1:[0-9]+: ' --policy "$T/bad.yaml"
check "an interface that is not there" fails 1 'no interface nope0' --policy "$T/good.yaml" --agent-if nope0
check "secrets that are not there" fails 2 'no-such' --policy "$T/good.yaml" --secrets "$T/no-such"
check "an upstream CA that is not there" fails 2 'no-such.pem' --policy "$T/good.yaml" --upstream-ca "$T/no-such.pem"
check "an upstream CA that is none" fails 2 'upstream-ca .*bad.yaml' --policy "$T/good.yaml" --secrets "$T/secrets" --upstream-ca "$T/bad.yaml"
check "an upstream that is no address" fails 2 'dns-upstream' --policy "$T/good.yaml" --dns-upstream nowhere
mkdir -p "$T/badca" && echo nonsense >"$T/badca/ca.key" && chmod 600 "$T/badca/ca.key"
check "a CA that is none" fails 1 'badca/ca.key' --policy "$T/good.yaml" --secrets "$T/secrets" --ca-dir "$T/badca"
cp "$T/good.yaml" "$T/policy.yaml"
start --ca-dir "$T/badca"
READY=$?
wait_end
check "a failed start closes --ready-fd without READY" test $READY != 0 -a $STATUS = 1
wait 2>/dev/null
exit $FAILED
