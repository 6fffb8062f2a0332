#!/usr/bin/env bash
# Everything at once under AddressSanitizer: clients of every kind, what breaks off in every state, 5,000 idle connections, 1 GiB
# each way. Afterwards descriptors and memory of every process are what they were, and none was replaced.
. "$(dirname "$0")/lib.sh"
. "$HERE/sanitized.bash"
BIG=262144 world_up
sanitized
mkdir -m 777 "$T/out"
truncate -s 1G "$T/www/huge"
chmod 644 "$T/www/huge"
chmod 755 "$T/pki"
in_net python3 "$HERE/ws_raw.py" serve "$ORIGIN" 9444 "$T/pki/origin.pem" "$T/pki/leaf.key" 2>"$T/ws.err" &
in_net node "$HERE/ws_origin.mjs" "$ORIGIN" "$T/pki/origin.pem" "$T/pki/leaf.key" >"$T/node.out" 2>&1 &
eventually 10 grep -q listening "$T/node.out" || { echo "node's servers did not start: $(cat "$T/node.out")" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [80, 443, 9444, 9445]
    - host: h2.test
    - host: strange.test
    - host: sealed.test
      tls: splice
timeouts: {client_hello: 15s, request_head: 5s, request_body_idle: 5s, keepalive: 150s, upstream_keepalive: 4s}
limits: {upstream_connections: 300} # the origin takes no thousands at once
YAML
daemons() { local p; for p in $(ip netns pids "$W-host" 2>/dev/null) $(pgrep -f '^egressd: '); do descends "$p" && grep -aq '^egressd: ' "/proc/$p/cmdline" && echo "$p"; done | sort -un; }
descends() { local p=$1; while [ "${p:-1}" -gt 1 ]; do [ "$p" = $$ ] && return 0; p=$(awk '/^PPid/ {print $2}' "/proc/$p/status" 2>/dev/null); done; return 1; }
# census   "PID TITLE DESCRIPTORS KIB" of each daemon
census() {
    local p
    for p in $(daemons); do
        printf '%s\t%s\t%s\t%s\n' "$p" "$(tr '\0' ' ' <"/proc/$p/cmdline" | sed 's/ *$//')" "$(ls "/proc/$p/fd" | wc -l)" "$(awk '/^VmRSS/ {print $2}' "/proc/$p/status")"
    done
}
agent "$T/policy.yaml" python3 "$HERE/soak.py" "$T/out" "${SOAK_SECONDS:-8}" "$T/pki/ca.pem" >"$T/cases" 2>"$T/err" &
AGENT=$!
eventually 60 test -e "$T/out/0" || { not_ok "the soak began" "$(cat "$T/err" "$T/cases" "$T/state/egressd.log")"; exit 1; }
# Connections to upstreams have their own time to go.
same() { paste "$T/base" <(census) | awk -F'\t' '$1 != $5 || $7 > $3 + 6 {print; bad = 1} END {exit bad || NR == 0}'; }
settle() { eventually 40 same || same; }
sleep 5
census >"$T/base"
touch "$T/out/0.seen"
round() { # NAME SECONDS
    eventually "$2" test -e "$T/out/$1" || { not_ok "round $1 ended" "$(tail -3 "$T/err" "$T/cases" "$T/state/egressd.log")"; exit 1; }
}
round 1 120
check "the first storm: every process lives, its descriptors are given back" settle
census >"$T/first"
touch "$T/out/1.seen"
round idle 120
census >"$T/idle"
check "5,000 idle connections: memory within bounds" awk -F'\t' '$4 > 400000 {print; bad = 1} END {exit bad}' "$T/idle"
touch "$T/out/idle.seen"
round 2 300
check "idle connections and 1 GiB bodies: descriptors are given back" settle
census >"$T/second"
touch "$T/out/2.seen"
round 3 120
check "the second storm: descriptors are given back" settle
census >"$T/third"
touch "$T/out/3.seen"
wait $AGENT || not_ok "the soak's clients ended" "$(tail -5 "$T/err")"
cat "$T/cases"
grep -q '^not ok' "$T/cases" && FAILED=1
grew() { paste "$1" "$2" | awk -F'\t' -v most="$3" '$8 > $4 + most {print; bad = 1} END {exit bad || NR == 0}'; }
check "1 GiB bodies need no memory" grew "$T/idle" "$T/second" 49152
check "memory after the second storm is what it was" grew "$T/second" "$T/third" 16384
check "no sanitizer has anything to say" bash -c "! grep -iE 'sanitizer|runtime error' '$T/state/egressd.log'"
check "no child was replaced" bash -c "! grep -iE 'died|killed|signal|again|abort' '$T/state/egressd.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
[ -n "${SOAK_SHOW:-}" ] && for n in base first idle second third; do echo "# $n"; sed 's/^/# /' "$T/$n"; done
exit $FAILED
