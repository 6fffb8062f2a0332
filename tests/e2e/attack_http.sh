#!/usr/bin/env bash
# Hostile HTTP/1.x from inside a sandbox: smuggling, parser differentials, path and method tricks, stolen credentials. Each
# case looks at the answer; afterwards the recorder's octets show that what upstream got has one reading, and only what was allowed.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
attack_world
export API_TOKEN="tok-$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: open.test
    - host: other.test
    - host: auth.test
      auth: {scheme: Bearer, token_ref: API_TOKEN}
    - host: header.test
      auth: {token_ref: API_TOKEN, header: x-api-key}
    - host: rules.test
      matches:
        - paths: [{value: /ok}, {type: regex, value: "/r/[a-z]+"}]
          methods: [GET]
          headers: [{name: x-kind, value: a}]
        - paths: [{type: exact, value: /post}]
          methods: [POST]
timeouts: {request_body_idle: 4s}
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_http.py" "$T/out/expected.json"
check "what upstream got has one reading and was allowed" python3 "$HERE/attack_http_check.py" "$T/record" "$T/out/expected.json" "$API_TOKEN"
check "what was done live is what policy test says" python3 "$HERE/attack_http_offline.py" "$BUILD/egressctl" "$T/policy.yaml" "$T/out/expected.json"
check "the token is not in the log" bash -c "! grep -q '$API_TOKEN' '$T/state/audit.jsonl'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left
exit $FAILED
