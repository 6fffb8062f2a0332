#!/usr/bin/env bash
# An upstream that ends in the middle of its answer: every way to end, every framing, every protocol of the agent. What is cut
# looks cut, what is whole looks whole, and nothing hangs.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
CUT=93.184.216.16
ip -n "$W-net" addr add $CUT/32 dev lo
echo "cut A $CUT" >>"$T/test.zone"
kill -HUP "$(cat "$T/nsd.pid")"
eventually 5 bash -c "ip netns exec $W-net dig +short +time=1 +tries=1 @$DNS cut.test | grep -q $CUT"
(cd "$T/pki" && leaf cut.test cut) >/dev/null 2>&1
in_net python3 "$HERE/clients_cut.py" serve $CUT "$T/pki/cut.pem" "$T/pki/leaf.key" >"$T/cut.log" 2>&1 &
eventually 5 in_net bash -c "exec 3<>/dev/tcp/$CUT/80" || { cat "$T/cut.log" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: cut.test
      ports: [80, 443, 9443]
YAML
attack "$T/policy.yaml" python3 "$HERE/clients_cut.py"
exit $FAILED
