#!/usr/bin/env bash
# A watched secret in compressed bodies: members, halves, false beginnings, and honest uploads that look alike.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
export WATCHED="watched-$(openssl rand -hex 16)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: open.test
inspect:
  secrets: [WATCHED]
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_packed.py" "$WATCHED"
check "no octet of it left in the clear" bash -c "! grep -raF '$WATCHED' '$T/record'"
check "the log has the findings" logged 'e["event"]=="dlp" and e["direction"]=="outbound" and "known_secrets" in e["detector"]'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
