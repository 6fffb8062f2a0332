#!/usr/bin/env bash
# A malicious upstream that speaks HTTP/2: floods, frames out of place, answers that end too early. Whatever it does, the agent sees
# no whole answer where there is none, the upstream is cut off, and the next request is served.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
HOSTILE=93.184.216.14
ip -n "$W-net" addr add $HOSTILE/32 dev lo
echo "*.h2bad A $HOSTILE" >>"$T/test.zone"
attack_world
(cd "$T/pki" && leaf 'h2bad.test,*.h2bad.test' h2bad) >/dev/null 2>&1
mkdir -m 777 "$T/h2"
in_net python3 "$HERE/attack_upstream_h2.py" serve $HOSTILE "$T/pki/h2bad.pem" "$T/pki/leaf.key" "$T/h2" >"$T/hostile.log" 2>&1 &
eventually 5 in_net curl -sk --http2 --resolve "fine.h2bad.test:443:$HOSTILE" https://fine.h2bad.test/ || { cat "$T/hostile.log" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: "*.h2bad.test"
timeouts: {response_head: 6s}
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_upstream_h2.py"
for n in ping settings settings-empty priority window window-stream unknown altsvc empty-data padding ping-ack goaway reset-closed settings-ack; do
    check "the flood is cut off: $n" bash -c "cat '$T/h2/$n'; grep -q 'cut off' '$T/h2/$n' && ! grep -q 'all were' '$T/h2/$n'"
done
check "no daemon died" bash -c "! grep -iE 'died|killed|signal|crash|abort|ERROR: ' '$T/state/egressd.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left "tcp and dst host $HOSTILE and dst port 443"
exit $FAILED
