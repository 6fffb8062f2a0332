#!/usr/bin/env bash
# Exhaustion: whatever one agent takes, the next client of it is served, and afterwards everything is given back.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=16777216 world_up
attack_world
mkdir -m 777 "$T/www/put"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: open.test
timeouts: {keepalive: 5000}
YAML
S=flood$$
# The daemons of this sandbox only.
daemons() { local p; for p in $(pgrep -f '^egressd: '); do grep -q "$S" "/proc/$p/environ" "/proc/$p/cmdline" 2>/dev/null || descends "$p" && echo "$p"; done; }
descends() { local p=$1; while [ "${p:-1}" -gt 1 ]; do [ "$p" = $$ ] && return 0; p=$(awk '/^PPid/ {print $2}' "/proc/$p/status" 2>/dev/null); done; return 1; }
# census   descriptors and the most KiB of each daemon: "TITLE FDS KIB"
census() {
    local p
    for p in $(daemons); do
        printf '%s\t%s\t%s\n' "$(tr '\0' ' ' <"/proc/$p/cmdline" | sed 's/ *$//')" "$(ls "/proc/$p/fd" | wc -l)" "$(awk '/^VmHWM/ {print $2}' "/proc/$p/status")"
    done | sort
}
attack "$T/policy.yaml" python3 "$HERE/attack_flood.py" "$T/out" >"$T/cases" &
ATTACK=$!
eventually 20 test -e "$T/out/before" || not_ok "the attack began" "$(cat "$T/attack.err")"
sleep 1
census >"$T/before"
touch "$T/out/before.seen"
eventually 150 test -e "$T/out/after" || not_ok "the attack ended" "$(cat "$T/attack.err" "$T/cases")"
given_back() {
    census >"$T/after"
    [ "$(cut -f1 "$T/before")" = "$(cut -f1 "$T/after")" ] || { diff "$T/before" "$T/after"; return 1; }
    paste "$T/before" "$T/after" | awk -F'\t' '$5 > $2 + 40 {print; bad = 1} END {exit bad}'
}
check "descriptors are given back" eventually 20 given_back
check "...each daemon's" given_back
check "memory stays within bounds" awk -F'\t' '$3 > 100000 {print; bad = 1} END {exit bad}' "$T/after"
touch "$T/out/after.seen"
wait $ATTACK || FAILED=1
cat "$T/cases"
grep -q '^not ok' "$T/cases" && FAILED=1
check "no daemon died" bash -c "! grep -iE 'died|killed|signal|crash|abort' '$T/state/egressd.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left
exit $FAILED
