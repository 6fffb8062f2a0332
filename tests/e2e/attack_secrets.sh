#!/usr/bin/env bash
# An upstream that gives the injected credential back: none of it may reach the agent in a form it could use.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
BAIT="bait-token-$(openssl rand -hex 16)"
export API_TOKEN="$BAIT/a+b&c=\"d\"" # of what is escaped here and there
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: auth.test
      auth: {scheme: Bearer, token_ref: API_TOKEN}
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_secrets.py" "$(printf %s "$BAIT" | sha256sum | cut -c1-64)"
check "the credential was injected" grep -qrF "authorization: Bearer $API_TOKEN" "$T/record"
check "none was asked for in parts" bash -c "! grep -qriE '^(if-)?range:' '$T/record'"
check "no credential in any log" bash -c "! grep -rqF '$BAIT' '$T/state'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left
exit $FAILED
