#!/usr/bin/env bash
# An agent and an upstream that do whatever comes to their minds, valid or not, in HTTP/1, HTTP/2 and WebSocket, cut off anywhere, with
# reloads in between, under sanitizers: no process dies of it, and who comes afterwards is served.
#
# CHAOS_SECONDS (15) and CHAOS_SEED (by lot, and printed) for a longer run, or the same once more.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
. "$HERE/sanitized.bash"
BIG=1024 world_up
sanitized
CHAOS=93.184.216.14 SEED=${CHAOS_SEED:-$RANDOM} LENGTH=${CHAOS_SECONDS:-15}
ip -n "$W-net" addr add $CHAOS/32 dev lo
echo "chaos A $CHAOS" >>"$T/test.zone"
(cd "$T/pki" && leaf chaos.test chaos) >/dev/null 2>&1
attack_world
in_net python3 "$HERE/attack_chaos.py" serve $CHAOS "$T/pki/chaos.pem" "$T/pki/leaf.key" "$SEED" >"$T/chaos.log" 2>&1 &
eventually 5 grep -q listening "$T/chaos.log" || { echo "no upstream: $(cat "$T/chaos.log")" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - {host: chaos.test, ports: [80, 443, 8443]}
    - host: origin.test
timeouts: {client_hello: 3s, request_head: 3s, request_body_idle: 3s, keepalive: 5s, upstream_keepalive: 4s}
YAML
echo "# seed $SEED"
NAME=chaos$$
ctl run --backend netns --name $NAME --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS --state-dir "$T/state" -- \
    python3 "$HERE/attack_chaos.py" "$LENGTH" "$SEED" "$T/out" >"$T/cases" 2>"$T/attack.err" &
ATTACK=$!
eventually 60 test -e "$T/out/began" || not_ok "the attack began" "$(cat "$T/attack.err" "$T/state/egressd.log")"
until [ -e "$T/out/ended" ] || ! kill -0 $ATTACK 2>/dev/null; do
    ctl reload $NAME --policy "$T/policy.yaml" >"$T/reload" 2>&1 || [ -e "$T/out/ended" ] || not_ok "a reload in the middle of it" "$(cat "$T/reload")"
    eventually 5 test -e "$T/out/ended"
done
wait $ATTACK || not_ok "the attack ran to its end" "$(tail -5 "$T/attack.err")"
cat "$T/cases"
grep -q '^not ok' "$T/cases" && FAILED=1
[ "$(grep -c '^ok' "$T/cases")" = 2 ] || not_ok "both of the agent's cases" "$(cat "$T/cases")"
check "no sanitizer has anything to say" bash -c "! grep -iE 'sanitizer|runtime error' '$T/state/egressd.log'"
check "no child was replaced" bash -c "! grep -iE 'died|killed|signal|ended with|abort' '$T/state/egressd.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left "tcp and dst host $CHAOS and (dst port 80 or dst port 443 or dst port 8443)"
exit $FAILED
