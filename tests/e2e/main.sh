#!/usr/bin/env bash
# The main job: allowed works, everything else is refused with a reason, every decision is in the log.
. "$(dirname "$0")/lib.sh"
BIG=${BIG:-67108864}
world_up
export API_TOKEN="tok_$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [80, 443, 8443]
    - host: "*.wild.test"
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
    - host: private.test
    - host: metadata.test
    - host: loopback.test
      allow_private: true
    - host: sealed.test
      tls: splice
    - host: selfsigned.test
    - host: wrongname.test
    - host: alias.test
    - host: gone.test
YAML
cat >"$T/cases.sh" <<CASES
mkdir -p $T/out; cd $T/out
get() { local n=\$1; shift; curl -sS --max-time 20 -o \$n.body -D \$n.head -w '%{http_code}' "\$@" >\$n.code 2>\$n.err; echo \$? >\$n.status; }
get https       https://origin.test/
get http        http://origin.test/
get port        https://origin.test:8443/
get badport     https://origin.test:9443/
get wild        https://a.wild.test/
get apex        https://wild.test/
get token       -H 'Authorization: mine' -H 'AUTHORIZATION: two' https://tokens.test/whoami
get tokenplain  http://tokens.test/whoami
get denied      https://forbidden.test/secret-path?secret=query
get deniedhttp  http://forbidden.test/
get private     https://private.test/
get metadata    http://metadata.test/latest/meta-data/
get loopback    http://loopback.test/
get sealed      --cacert $T/pki/ca.pem https://sealed.test/
get selfsigned  https://selfsigned.test/
get wrongname   https://wrongname.test/
get mismatch    -H 'Host: forbidden.test' https://origin.test/
get rawip       -k https://$ORIGIN/
get rawiphttp   http://$ORIGIN/
get fronted     --connect-to origin.test:443:$FORBIDDEN:443 https://origin.test/
get stolen      --connect-to forbidden.test:443:$ORIGIN:443 https://forbidden.test/
get h2          https://origin.test/ --http2
get big         https://origin.test/big
sha256sum <big.body | cut -c1-64 >big.sha
head -c $BIG /dev/urandom >up.src
get up          -T up.src https://origin.test/put/up
sha256sum <up.src | cut -c1-64 >up.sha
get h204        https://origin.test/status/
get headreq     -I https://origin.test/
get tls12       --tls-max 1.2 https://origin.test/
get redirect    -L https://origin.test/redirect
get gone        https://gone.test/
env >env; id -u >uid
CASES
mkdir -m 777 "$T/out"
chmod 755 "$T/www"; mkdir -m 777 "$T/www/put"
if ! agent "$T/policy.yaml" bash "$T/cases.sh" >"$T/run.out" 2>&1; then not_ok "egressctl run" "$(cat "$T/run.out")"; exit 1; fi
o=$T/out
code() { [ "$(cat "$o/$1.code")" = "$2" ] || { echo "$1: $(cat "$o/$1.code"), not $2; $(cat "$o/$1.err" "$o/$1.body" 2>/dev/null | head -c 600)"; return 1; }; }
reason() { code "$1" "$2" && grep -q "\"reason\":\"$3\"" "$o/$1.body" && grep -qi '^x-egress-verdict: deny' "$o/$1.head" && grep -qi '^content-type: application/json' "$o/$1.head" ||
    { cat "$o/$1.head" "$o/$1.body"; return 1; }; }
for n in https http port wild h2 tls12; do check "$n is allowed" code $n 200; done
check "the body is the origin's" cmp "$o/https.body" "$T/www/index.html"
check "a port that the route does not name" test "$(cat "$o/badport.status")" != 0
check "the apex is not in the wildcard" reason apex 403 no_route
check "a credential that an answer echoes is overwritten" grep -qx 'authorization: token \*\{28\}' "$o/token.body"
check "the agent's credentials come off, the real one goes on, once" grep -qF "tokens.test GET /whoami 200 auth=\"token $API_TOKEN\"" "$T/access.log"
check "credentials never go into plaintext" reason tokenplain 403 plaintext
check "a host that is not allowed, over TLS" reason denied 403 no_route
check "a host that is not allowed, plain" reason deniedhttp 403 no_route
check "the body names the host" grep -q '"host":"forbidden.test"' "$o/denied.body"
check "a private address" reason private 403 private_address
check "the metadata address" reason metadata 403 private_address
check "loopback, even with allow_private" reason loopback 403 private_address
check "sealed traffic shows the origin's own certificate" code sealed 200
check "an upstream nobody signed" reason selfsigned 502 upstream_tls
check "an upstream of another name" reason wrongname 502 upstream_tls
check "SNI and Host that differ" reason mismatch 403 host_mismatch
check "TLS to a raw address" grep -q '"error":"egress_denied"' "$o/rawip.body"
check "HTTP to a raw address" reason rawiphttp 403 no_route
check "an allowed name at a chosen address goes to the name's own address" code fronted 200
check "...and the chosen one saw nothing" bash -c "grep -q '^origin.test .* at=$ORIGIN' '$T/access.log' && ! grep -q '^origin.test .* at=$FORBIDDEN' '$T/access.log'"
check "a forbidden name at an allowed address" reason stolen 403 no_route
check "$((BIG >> 20)) MiB down, byte for byte" cmp "$o/big.body" "$T/www/big"
check "$((BIG >> 20)) MiB up, byte for byte" cmp "$o/up.src" "$T/www/put/up"
check "204" code h204 204
check "HEAD" code headreq 200
check "a redirect to a forbidden host" reason redirect 403 no_route
check "a name that does not exist" test "$(cat "$o/gone.status")" = 6
check "no proxy variable" bash -c "! grep -i proxy '$o/env'"
check "the agent is not root" test "$(cat "$o/uid")" != 0
check "the agent's environment has no token" bash -c "! grep -q '$API_TOKEN' '$o/env'"
check "no forbidden name was asked upstream" bash -c "! grep -q 'forbidden' '$T/dns.log'"
check "the log has the query" logged 'e["event"]=="dns" and e["qname"]=="origin.test" and e["verdict"]=="allow" and e["answers"]'
check "the log has the refused query" logged 'e["event"]=="dns" and e["qname"]=="forbidden.test" and e["verdict"]=="deny"'
check "the log joins query and flow" python3 - "$T/state/audit.jsonl" <<'PY'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
ids = {e["id"] for e in lines if e["event"] == "dns" and e.get("id")}
assert any(e.get("dns_id") in ids for e in lines if e["event"] == "flow" and e["host"] == "origin.test"), "no flow carries the id of its query"
asked = {e["id"]: e["qname"] for e in lines if e["event"] == "dns"}
for host, route in ("forbidden.test", None), ("private.test", "private.test"): # refused at a name that led to us
    hits = [e for e in lines if e["event"] == "http" and e["host"] == host and e["reason"] in ("no_route", "private_address")]
    assert any(asked.get(e.get("dns_id")) == host for e in hits), f"no request for {host} carries the id of its query"
    assert all(e["route"] == route for e in hits), hits
PY
check "no token in the log" bash -c "! grep -q '$API_TOKEN' '$T/state/audit.jsonl'"
check "no query string in the log" bash -c "! grep -q 'secret=query' '$T/state/audit.jsonl'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
