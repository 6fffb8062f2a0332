#!/usr/bin/env bash
# Tools around a policy: test, diff, check; audit-only and learn; and what a reload does to what is under way.
. "$(dirname "$0")/lib.sh"
BIG=67108864 world_up
ctl_status() { local want=$1 out; shift; out=$(ctl "$@" 2>&1); local got=$?; [ $got = "$want" ] || { echo "status $got, not $want: $out"; return 1; }; }

# ---- offline ----
cat >"$T/a.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: a.example
      matches: [{paths: [{value: /api}], methods: [GET]}, {methods: [POST], headers: [{name: x-kind, value: b}]}]
      git: {fetch: true}
YAML
sed 's/a.example/b.example/' "$T/a.yaml" >"$T/b.yaml"
echo 'version: 2' >"$T/bad.yaml"
echo '{"operation":"upload","objects":[]}' >"$T/upload"
echo '{"operation":"download","objects":[]}' >"$T/download"
p() { ctl policy test "$T/a.yaml" "$@"; }
check "policy test: allowed" ctl_status 0 policy test "$T/a.yaml" --url https://a.example/api/x
check "policy test: which entry" bash -c "$(declare -f p ctl in_host); W=$W T=$T BUILD=$BUILD; p --url https://a.example/ --method POST --header 'X-Kind: b' | grep -q 'matches\[1\]'"
check "policy test: refused" ctl_status 1 policy test "$T/a.yaml" --url https://a.example/apix
check "policy test: what is missing" bash -c "$(declare -f p ctl in_host); W=$W T=$T BUILD=$BUILD; p --url https://a.example/x --method POST | grep -q 'matches\[1\]: not the headers'"
check "policy test: another host" ctl_status 1 policy test "$T/a.yaml" --url https://b.example/
check "policy test: a body that uploads" ctl_status 1 policy test "$T/a.yaml" --method POST --url https://a.example/r.git/info/lfs/objects/batch --body "$T/upload"
check "policy test: a body that downloads" ctl_status 0 policy test "$T/a.yaml" --method POST --url https://a.example/r.git/info/lfs/objects/batch --body "$T/download"
check "policy test: a body that is not there" ctl_status 125 policy test "$T/a.yaml" --url https://a.example/ --body "$T/none"
printf 'key=AKIAUJZDEGXDNCF32EPF' >"$T/key"
gzip -k "$T/key"
printf 'version: 1\negress: {routes: [{host: a.example, auth: {scheme: token, token_ref: E2E_TOKEN}}, {host: "*.w.example"}, {host: log.example, dlp: {action: audit}}, {host: off.example, dlp: {outbound_detectors: false}}]}\n' >"$T/scan.yaml"
s() { local want=$1; shift; E2E_TOKEN=Kq7zR2vW9pL4xT6m ctl_status "$want" policy test "$T/scan.yaml" --method POST "$@"; }
check "policy test: a token in the body" s 1 --url https://a.example/ --body "$T/key"
check "policy test: ... that comes by a pipe" s 1 --url https://a.example/ --body <(cat "$T/key")
check "policy test: ... compressed" s 1 --url https://a.example/ --header 'Content-Encoding: gzip' --body "$T/key.gz"
check "policy test: ... in the query" s 1 --url 'https://a.example/?k=AKIAUJZDEGXDNCF32EPF'
check "policy test: ... in a header" s 1 --url https://a.example/ --header 'X-K: AKIAUJZDEGXDNCF32EPF'
check "policy test: ... where it is only logged" s 0 --url https://log.example/ --body "$T/key"
check "policy test: ... where nothing is looked for" s 0 --url https://off.example/ --body "$T/key"
check "policy test: a known secret" s 1 --url https://a.example/Kq7zR2vW9pL4xT6m
check "policy test: a known secret in two headers" s 1 --url https://log.w.example/ --header 'A: Kq7zR2vW' --header 'B: 9pL4xT6m'
check "policy test: the agent's own, which is stripped" s 0 --url https://a.example/ --header 'Authorization: token Kq7zR2vW9pL4xT6m'
check "policy test: data in a name" s 1 --url https://m5uhax2kg5wtk3tcjrjxum2gjm3eordykyygi3sgg5sg23kgnvhxsqzumjrggql.w.example/
check "policy test: a clean body" s 0 --url https://a.example/ --body "$T/upload"
check "policy test: a bad policy" ctl_status 2 policy test "$T/bad.yaml" --url https://a.example/
check "policy diff: the same" ctl_status 0 policy diff "$T/a.yaml" "$T/a.yaml"
check "policy diff: another" ctl_status 1 policy diff "$T/a.yaml" "$T/b.yaml"
check "policy check: a bad one, with its place" bash -c "! ip netns exec $W-host '$BUILD/egressctl' policy check '$T/bad.yaml' 2>'$T/err' && grep -q 'bad.yaml:1:10: ' '$T/err'"

# ---- audit-only, learn, and the learned policy ----
in_net python3 - <<'PY' &
import socket, threading
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("93.184.216.10", 2222)); s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("93.184.216.20", 5000))
def udp():
    while True:
        d, a = u.recvfrom(100); u.sendto(b"pong", a)
threading.Thread(target=udp, daemon=True).start()
while True:
    c, _ = s.accept(); c.send(b"SSH-2.0-hello\r\n"); c.close()
PY
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      matches: [{paths: [{value: /index.html}], methods: [GET]}]
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
      matches: [{paths: [{value: /none}]}]
    - host: sealed.test
      tls: splice
YAML
cat >"$T/cases.sh" <<CASES
o=\$1; mkdir -p \$o; cd \$o; export HOME=\$o
get() { local n=\$1; shift; curl -sS --max-time 10 -o \$n.body -w '%{http_code}' "\$@" >\$n.code 2>\$n.err; echo \$? >\$n.status; }
get allowed  https://origin.test/index.html
get nomatch  https://origin.test/status/
get noroute  https://forbidden.test/
get plain    http://forbidden.test/whoami
get port     https://origin.test:8443/
get sealed   --cacert $T/pki/ca.pem https://sealed.test/
get token    -H 'Authorization: mine' https://tokens.test/whoami
for i in 1 2 3 4 5 6 7 8 9; do get id\$i https://h2.test/items/\$i; done
git clone -q https://git.test/git/repo.git clone >git.body 2>&1; echo \$? >git.status
python3 -c 'import socket; print(socket.create_connection(("ssh.wild.test",2222),5).recv(100))' >ssh.body 2>&1; echo \$? >ssh.status
dig +short +time=2 +tries=1 TXT text.test >txt.body
[ -z "\$2" ] || {
get private  https://private.test/
get mismatch -H 'Host: forbidden.test' https://origin.test/index.html
get ambiguous --path-as-is https://origin.test/a/%2e%2e/b
python3 - >udp.body 2>&1 <<'PY'
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(3); u.connect(("forbidden.test", 5000)); u.send(b"x"); print(u.recv(10))
PY
echo | timeout 5 openssl s_client -noservername -connect forbidden.test:443 2>/dev/null | grep -c 'CN = origin\|BEGIN CERT' >nosni.body
}
CASES
export API_TOKEN="tok_$(openssl rand -hex 12)"
mkdir -m 777 "$T/out" "$T/out2"
ctl run --backend netns --audit-only --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/state" -- bash "$T/cases.sh" "$T/out" extra >"$T/run.out" 2>&1 || not_ok "egressctl run --audit-only" "$(cat "$T/run.out")"
o=$T/out
code() { [ "$(cat "$o/$1.code")" = "$2" ] || { echo "$1: $(cat "$o/$1.code"), not $2; $(cat "$o/$1.err" "$o/$1.body" 2>/dev/null | head -c 600)"; return 1; }; }
seen() { # the cases that both runs have
    for n in allowed:200 nomatch:204 noroute:200 plain:200 port:200 sealed:200 token:200 id1:200 id9:200; do
        case $n in id*) [ "$(cat "$o/${n%:*}.code")" = 404 ] || code "${n%:*}" 404 || return 1 ;; *) code "${n%:*}" "${n#*:}" || return 1 ;; esac
    done
    [ "$(cat "$o/git.status")" = 0 ] && grep -q SSH-2.0-hello "$o/ssh.body" && grep -q hello "$o/txt.body" ||
        { cat "$o"/{git,ssh,txt}.body; return 1; }
}
check "audit-only: what the policy refuses passes" seen
check "audit-only: UDP to a name" grep -q pong "$o/udp.body"
check "audit-only: TLS without a name, by the name looked up" test "$(cat "$o/nosni.body")" -ge 1
check "audit-only: a private address does not" bash -c "grep -q private_address '$o/private.body'"
check "audit-only: nor names that differ" bash -c "grep -q host_mismatch '$o/mismatch.body'"
check "audit-only: nor what reads two ways" bash -c "grep -q ambiguous_path '$o/ambiguous.body'"
check "audit-only: no credential where the policy would refuse" bash -c "! grep -q '$API_TOKEN' '$o/token.body' '$T/access.log'"
check "the log says what would have been refused: a request" logged 'e["event"]=="http" and e["verdict"]=="audit" and e["reason"]=="no_match" and e["route"]=="origin.test"'
check "...a host" logged 'e["event"]=="http" and e["verdict"]=="audit" and e["reason"]=="no_route" and e["host"]=="forbidden.test" and e["route"] is None'
check "...a query" logged 'e["event"]=="dns" and e["verdict"]=="audit" and e["reason"]=="no_route" and e["qname"]=="forbidden.test" and e["answers"]'
check "...a stream" logged 'e["event"]=="flow" and e["verdict"]=="audit" and e["mode"]=="tcp" and e["dport"]==2222 and e["host"]=="ssh.wild.test"'
check "...a datagram" logged 'e["event"]=="flow" and e["verdict"]=="audit" and e["mode"]=="udp" and e["dport"]==5000'
check "what is allowed is still an allow" logged 'e["event"]=="http" and e["verdict"]=="allow" and e["path"]=="/index.html"'
check "learn" bash -c "ip netns exec $W-host '$BUILD/egressctl' policy learn --state-dir '$T/state' >'$T/learned.yaml'"
check "learn: the same log, the same policy" bash -c "ip netns exec $W-host '$BUILD/egressctl' policy learn --state-dir '$T/state' | cmp - '$T/learned.yaml'"
check "learn: the policy loads" ctl_status 0 policy check "$T/learned.yaml"
check "learn: nine ids are one rule" grep -q "{type: prefix, value: '/items/'}" "$T/learned.yaml"
check "learn: git, ports, DNS types" bash -c "grep -q 'git: {fetch: true}' '$T/learned.yaml' && grep -q 'ports: \[443, 8443\]' '$T/learned.yaml' && grep -q 'dns: \[TXT\]' '$T/learned.yaml'"
check "learn: not the private name's address" bash -c "! grep -q allow_private '$T/learned.yaml'"
check "learn: what was not seen is refused" ctl_status 1 policy test "$T/learned.yaml" --url https://forbidden.test/other
o=$T/out2
ctl run --backend netns --policy "$T/learned.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/state2" -- bash "$T/cases.sh" "$o" >"$T/run2.out" 2>&1 || not_ok "a run with the learned policy" "$(cat "$T/run2.out")"
check "the learned policy allows it all, in earnest" seen
check "...and notes nothing" bash -c "! grep -q '\"verdict\":\"audit\",\"reason\":\"no' '$T/state2/audit.jsonl'"

# ---- reload: what is under way ends under the old rules, or with the drain ----
policy() { printf 'version: 1\negress:\n  routes:\n'; printf '    - host: %s\n' "$@"; printf 'timeouts: {drain: 4s}\n'; }
policy origin.test strange.test git.test >"$T/one.yaml"
policy origin.test git.test >"$T/two.yaml"
policy origin.test >"$T/three.yaml"
S=tools$$
mkdir -m 777 "$T/out3"
cat >"$T/long.sh" <<CASES
cd $T/out3
(while sleep 0.1; do echo x || exit; done) | curl -sSN -T . -o long.body https://strange.test/echo 2>long.err; echo \${PIPESTATUS[1]} \$(date +%s%N) >long.status
CASES
cat >"$T/short.sh" <<CASES
cd $T/out3
(for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; echo x; done) | curl -sSN -T . -o short.body https://strange.test/echo 2>short.err; echo \${PIPESTATUS[1]} >short.status
CASES
sed 's/strange.test/git.test/; s/long\./kept./g' "$T/long.sh" >"$T/kept.sh"
cat >"$T/agent.sh" <<CASES
bash $T/long.sh & bash $T/short.sh & bash $T/kept.sh &
touch $T/out3/started
wait
CASES
chmod 755 "$T"/*.sh
ctl run --backend netns --name $S --policy "$T/one.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS --keep \
    --state-dir "$T/state3" -- bash "$T/agent.sh" >"$T/run3.out" 2>&1 &
RUN=$!
begun() { [ "$(grep -c '"host":"strange.test".*"state":"open"' "$T/state3/audit.jsonl")" = 2 ]; }
eventually 10 begun || not_ok "the requests begin" "$(cat "$T/run3.out")"
sleep 0.3
start=$(date +%s%N)
check "reload: taken" ctl reload $S --policy "$T/two.yaml"
check "reload: a new request to a revoked host is refused at once" bash -c "ip netns exec $W-host '$BUILD/egressctl' exec $S -- curl -sS --max-time 5 https://strange.test/ | grep -q no_route"
check "reload: a host that stays, works" bash -c "ip netns exec $W-host '$BUILD/egressctl' exec $S -- curl -sS --max-time 5 -o /dev/null -w '%{http_code}' https://origin.test/ | grep -q 200"
check "reload: a request in flight ends under the old rules" eventually 5 grep -q '^0' "$T/out3/short.status"
check "reload: a long one to a revoked host is cut" eventually 15 test -s "$T/out3/long.status"
within() { read -r s at <"$T/out3/long.status"; local ms=$(((at - start) / 1000000)); [ "$s" != 0 ] && [ $ms -ge 3000 ] && [ $ms -le 9000 ] || { echo "status $s after $ms ms"; return 1; }; }
check "...within the drain time, and seen as cut" within
sleep 1
check "reload: one to a host that stays goes on" bash -c "! test -s '$T/out3/kept.status'"
check "reload: until a later one revokes that host" bash -c "ip netns exec $W-host '$BUILD/egressctl' reload $S --policy '$T/three.yaml'"
check "...then it is cut too" eventually 5 test -s "$T/out3/kept.status"
check "...and the log says why" eventually 5 bash -c "grep '\"event\":\"http\".*\"host\":\"strange.test\"' '$T/state3/audit.jsonl' | grep -q '\"detail\":\"ended by a reload or stop\"'"
ctl stop $S >/dev/null 2>&1
wait $RUN 2>/dev/null
exit $FAILED
