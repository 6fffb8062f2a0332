#!/usr/bin/env bash
# Any process of a netns sandbox dies at any instant of its short life: egressctl ends, says why, and leaves nothing.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
mkdir -m 777 "$T/w" && cd "$T/w" || exit 1
export EGRESSD_RUNTIME_DIR=$T/registry
printf 'version: 1\negress:\n  routes:\n    - host: origin.test\n' >"$T/p.yaml"
ctl run --dns-upstream $DNS -- true 2>/dev/null # what stays after a first one (connection tracking) is there
snapshot() {
    ip -n "$W-host" -o link | sed 's/ qdisc.*//'
    ip -n "$W-host" route show table all
    ip -n "$W-host" rule
    in_host nft list ruleset
    ls "$EGRESSD_RUNTIME_DIR"
    pgrep -f "^$BUILD/egressctl run --name x$$ "
    grep -E "$T|/run/(agent|egress)" /proc/mounts
}
snapshot >"$T/before"
unchanged() { snapshot >"$T/after"; cmp -s "$T/before" "$T/after"; }
name="whoever dies at whatever instant, egressctl ends and says why"
in_host python3 "$HERE/ctl_chaos.py" "${ROUNDS:-60}" "${SEED:-$$}" "$name (seed ${SEED:-$$})" "$BUILD/egressctl" run --name x$$ --policy "$T/p.yaml" --dns-upstream $DNS -- \
    sh -c 'sleep 0.2; exit 7' | sed 's/ (seed [0-9]*)$//' | tee "$T/out"
grep -q '^ok' "$T/out" || FAILED=1
eventually 5 unchanged
check "...and leaves nothing" diff "$T/before" "$T/after"
exit $FAILED
