#!/usr/bin/env bash
# Who sends a part of a body and waits for an answer gets it: no octet waits here only because more may come.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
world_strange
export API_TOKEN="Xk4-$(openssl rand -hex 14)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: strange.test
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
YAML
if ! agent "$T/policy.yaml" timeout 120 python3 "$HERE/pauses.py" strange.test "$API_TOKEN" >"$T/got" 2>"$T/err"; then
    not_ok "egressctl run" "$(cat "$T/err" "$T/got")"
    exit 1
fi
while IFS=: read -r name what; do check "$name" [ "${what# }" = ok ]; done <"$T/got"
check "all were tried" grep -q '^the end: ok$' "$T/got"
exit $FAILED
