#!/usr/bin/env bash
# Credentials: the agent's own come off, the real one goes on once, to its host alone; a rotated one is used at once and
# nothing that is under way is cut for it.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=67108864 world_up
attack_world
export API_TOKEN="tok-$(openssl rand -hex 12)" LOGIN="user:pa:ss-$(openssl rand -hex 8)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: open.test
    - host: other.test
    - {host: bearer.auth.test, auth: {scheme: Bearer, token_ref: API_TOKEN}}
    - {host: token.auth.test, auth: {scheme: token, token_ref: API_TOKEN}}
    - {host: basic.auth.test, auth: {scheme: Basic, token_ref: LOGIN}}
    - {host: key.auth.test, auth: {header: X-Api-Key, token_ref: API_TOKEN}}
    - {host: role.auth.test, role: claude_code_oauth, auth: {token_ref: API_TOKEN}}
    - {host: held.auth.test, auth: {scheme: Bearer, token_ref: API_TOKEN, placeholder: sk-placeholder}}
YAML
agent "$T/policy.yaml" python3 "$HERE/credentials.py" ask >"$T/ask.out" 2>&1
check "every case is answered" bash -c "[ \$(sort -u '$T/ask.out') = 200 ] || { cat '$T/ask.out'; false; }"
python3 "$HERE/credentials.py" check "$T/record" || FAILED=1
rm -f "$T"/record/*

# What a redirect leads to is another request, to another route.
agent "$T/policy.yaml" bash -c '
    curl -sS -L -H "Authorization: Bearer mine" "https://bearer.auth.test/to?https://open.test/led"
    curl -sS -L --location-trusted -H "Authorization: Bearer mine" "https://bearer.auth.test/to?https://open.test/trusted"
    curl -sS "http://bearer.auth.test/plain"; curl -sS "https://forbidden.auth.test/x"' >"$T/redirect.out" 2>&1
check "a redirect takes no credential along" bash -c "
    grep -qa 'GET /led' '$T'/record/* && grep -qa 'GET /trusted' '$T'/record/* &&
    ! cat '$T'/record/* | tr -d '\r' | awk '/^GET /{p=\$2} /$API_TOKEN/ && p !~ /^.to/ {f=1; print p} END {exit !f}'"
check "no credential into plaintext: refused" grep -q '"reason":"plaintext"' "$T/redirect.out"
check "...and nothing of it left" bash -c "! grep -qa 'GET /plain' '$T'/record/*"

# ---- rotation ----
S=cred$$
cat >"$T/rotate.py" <<'PY'
import http.client, os, ssl, sys, threading, time
out = sys.argv[1]
def say(name, text):
    with open(os.path.join(out, name + ".new"), "w") as f: f.write(str(text))
    os.rename(os.path.join(out, name + ".new"), os.path.join(out, name))
def until(name):
    end = time.time() + 60
    while not os.path.exists(os.path.join(out, name)) and time.time() < end: time.sleep(0.02)
def download():
    # A transfer that is under way while the secret changes.
    c = http.client.HTTPSConnection("origin.test", timeout=60, context=ssl.create_default_context())
    c.request("GET", "/big")
    r, n = c.getresponse(), 0
    while piece := r.read(65536):
        if n == 0: say("begun", ""); until("rotated")
        n += len(piece)
    say("downloaded", n)
t = threading.Thread(target=download); t.start()
c = http.client.HTTPSConnection("bearer.auth.test", timeout=20, context=ssl.create_default_context())
c.request("GET", "/before"); say("before", c.getresponse().read().decode()[:7])
until("rotated")
try: # the same connection, or a new one where the sidecar has said that it closes this one
    c.request("GET", "/after"); r = c.getresponse()
except (http.client.RemoteDisconnected, ConnectionError):
    c.close(); c.request("GET", "/after"); r = c.getresponse()
say("after", r.status)
t.join()
say("done", "")
PY
mkdir -m 777 "$T/rot"
rm -f "$T"/record/*
ctl run --backend netns --name $S --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/state2" -- python3 "$T/rotate.py" "$T/rot" >"$T/rot.out" 2>&1 &
RUN=$!
eventually 20 test -e "$T/rot/begun" -a -e "$T/rot/before" || not_ok "before the rotation" "$(cat "$T/rot.out")"
old=$API_TOKEN
export API_TOKEN="new-$(openssl rand -hex 12)"
check "reload with another value of a secret" ctl reload $S --policy "$T/policy.yaml"
touch "$T/rot/rotated"
eventually 60 test -e "$T/rot/done" || not_ok "after the rotation" "$(cat "$T/rot.out")"
wait $RUN
sent() { cat "$T"/record/* | tr -d '\r' | awk -v p="$1" '/^GET /{on = $2 == p} on && tolower($1) == "authorization:" {print $3}'; }
check "before: the old value" test "$(sent /before)" = "$old"
check "after: the new value" test "$(sent /after)" = "$API_TOKEN"
check "the transfer under way was not cut" test "$(cat "$T/rot/downloaded")" = 67108864
check "neither value is in a log" bash -c "! grep -rqE '$old|$API_TOKEN|${LOGIN#*:}' '$T/state' '$T/state2'"
exit $FAILED
