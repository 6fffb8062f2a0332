#!/usr/bin/env bash
# The other side of every attack: what honest clients do must go on working.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: open.test
    - host: strange.test
    - host: alias.test
YAML
export HOME=$T/out
attack "$T/policy.yaml" python3 "$HERE/attack_clients.py" "$T/out"
check "nothing else left" nothing_left
check "the scoped package's slash stayed encoded" grep -qi 'GET /@scope%2fname HTTP/1.1' -r "$T/record"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
