#!/usr/bin/env bash
# The main job, shown and checked: an agent with no proxy variables, in a small world of its own.
# Exit 0 only if every line below was checked and held.
. "$(dirname "$0")/../tests/e2e/lib.sh"
BIG=65536 world_up

TOKEN=demo-$(openssl rand -hex 16)
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test                 # TLS opened, requests judged
    - host: tokens.test                 # the same, and the real token put on
      auth: {scheme: Bearer, token_ref: DEMO_TOKEN}
      matches:
        - paths: [{type: prefix, value: /api}]
          methods: [GET]
YAML
mkdir -m 777 "$T/seen" "$T/www/api"
echo '{"user":"demo"}' >"$T/www/api/user"

# The agent: plain programs, none told of a proxy. Each step leaves its output, status and milliseconds.
cat >"$T/agent.sh" <<AGENT
seen=$T/seen
step() { # NAME COMMAND...
    local name=\$1 from=\${EPOCHREALTIME/./}; shift
    "\$@" >\$seen/\$name.out 2>&1 </dev/null
    echo \$? >\$seen/\$name.status
    echo \$(((\${EPOCHREALTIME/./} - from) / 1000)) >\$seen/\$name.ms
}
step allowed    curl -sS https://origin.test/
step verified   curl -sS -o /dev/null -w '%{ssl_verify_result} %{http_code}\n' https://origin.test/
step token      curl -sS -H 'Authorization: Bearer placeholder' https://tokens.test/api/user
step rule       curl -sS https://tokens.test/admin
step forbidden  curl -sS https://forbidden.test/
step address    curl -sS --max-time 5 http://$ORIGIN:8080/
step resolver   dig +short +tries=1 +time=5 @8.8.8.8 forbidden.test TXT
step udp        bash -c 'exec 3<>/dev/udp/$ORIGIN/9999; echo out >&3; sleep 0.1; echo out >&3'
step route      ip route replace default via 192.0.2.1
step id         grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
step proxy      bash -c 'env | grep -i _proxy='
step secrets    python3 $T/hunt.py
AGENT
cat >"$T/hunt.py" <<'PY'
# Every byte of environment, command line and memory that the agent can read: does the real token show?
import glob, re
token, found, read = re.compile(rb"demo-[0-9a-f]{32}"), 0, 0
for proc in glob.glob("/proc/[0-9]*"):
    for name in ("environ", "cmdline"):
        try:
            data = open(f"{proc}/{name}", "rb").read()
            read += len(data); found += len(token.findall(data))
        except OSError: pass
    try:
        maps = [l.split()[0].split("-") for l in open(f"{proc}/maps") if " r" in l]
        mem = open(f"{proc}/mem", "rb", 0)
    except OSError: continue
    for lo, hi in maps:
        try:
            mem.seek(int(lo, 16)); data = mem.read(int(hi, 16) - int(lo, 16))
            read += len(data); found += len(token.findall(data))
        except (OSError, OverflowError, ValueError): pass
print(f"{read >> 20} MiB of environment and memory read, token found {found} times")
raise SystemExit(found != 0 or read == 0)
PY

out() { cat "$T/seen/$1.out"; }
status() { cat "$T/seen/$1.status"; }
ms() { cat "$T/seen/$1.ms"; }
quick() { [ "$(ms "$1")" -lt 1000 ]; }
says() { # TITLE STEP CONDITION...   prints what the agent saw, then whether the condition holds
    local title=$1 step=$2
    shift 2
    printf '\n* %s\n' "$title"
    sed -n "s/^step $step *\(.*\)/    agent\$ \1/p" "$T/agent.sh" | sed "s#$T/##g" | cut -c1-118
    out "$step" | sed "s#$T/##g" | head -n 5 | cut -c1-150 | sed 's/^/    /'
    if "$@"; then printf '    => ok (%s ms)\n' "$(ms "$step")"; else printf '    => NOT OK (status %s)\n' "$(status "$step")"; FAILED=1; fi
}
held() { # TITLE COMMAND...
    if "${@:2}"; then printf '    => ok\n'; else printf '    => NOT OK: %s\n' "$1"; FAILED=1; fi
}

grep -v '^ *$' "$T/policy.yaml" | sed 's/^/    /'
echo "    host\$ egressctl run --policy policy.yaml --upstream-ca ca.pem --dns-upstream $DNS -- bash agent.sh"
DEMO_TOKEN=$TOKEN agent "$T/policy.yaml" bash "$T/agent.sh" 2>"$T/run.err" || { echo "egressctl run: status $?: $(cat "$T/run.err")"; exit 1; }

is_hello() { out allowed | grep -q 'hello from the origin' && [ "$(out verified)" = "0 200" ] && ! out proxy | grep -q .; }
origin_saw_token() {
    out token | grep -q '"user":"demo"' && grep -q "tokens.test GET /api/user 200 auth=\"Bearer $TOKEN\"" "$T/access.log"
}
denied() { out "$1" | grep -q "\"error\":\"egress_denied\",\"reason\":\"$2\""; }
says "An HTTPS page, no proxy variable, the certificate verified" allowed is_hello
says "The origin saw the real token; the agent sent a placeholder" token origin_saw_token
says "...and has it nowhere" secrets test "$(status secrets)" = 0
says "A path that no rule matches" rule denied rule no_match
says "A host that no route allows: a 403 with its reason, over TLS" forbidden denied forbidden no_route
refused_at_once() { [ "$(status address)" != 0 ] && quick address; }
says "A raw address" address refused_at_once
never_asked() { quick resolver && ! out resolver | grep -q hello && ! grep -q forbidden "$T/dns.log"; }
says "Somebody else's resolver (ours answers; the name never left)" resolver never_asked
udp_closed() { [ "$(status udp)" != 0 ] && quick udp; }
says "UDP" udp udp_closed
route_fixed() { [ "$(status route)" != 0 ] && out route | grep -q 'not permitted'; }
says "The agent's own route is not the agent's" route route_fixed

printf '\n* What came of it in the audit log\n'
show() { logged "$1" >"$T/lines"; head -n 1 "$T/lines" | sed -E 's/"(w|seq|prev|ts)":[^,]*,//g' | cut -c1-240 | sed 's/^/    /'; }
show 'e["event"]=="dns" and e["qname"]=="origin.test" and e["qtype"]=="A"'
show 'e["event"]=="dns" and e["qname"]=="forbidden.test"'
show 'e["event"]=="http" and e["host"]=="tokens.test" and e["status"]==200'
show 'e["event"]=="flow" and e["verdict"]=="deny" and e["dport"]==8080'
audited() {
    logged 'e["event"]=="dns" and e["qname"]=="origin.test" and e["verdict"]=="allow"' &&
        logged 'e["event"]=="dns" and e["qname"]=="forbidden.test" and e["verdict"]=="deny" and e["reason"]=="no_route"' &&
        logged 'e["event"]=="http" and e["host"]=="tokens.test" and e["status"]==200 and e["verdict"]=="allow"' &&
        logged 'e["event"]=="http" and e["host"]=="forbidden.test" and e["verdict"]=="deny" and e["reason"]=="no_route"' &&
        logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["dport"]==8080' &&
        ! grep -q "$TOKEN" "$T/state/audit.jsonl"
}
held "the audit log lacks a line" audited >/dev/null && echo "    => ok, and the token is not in it"
printf '\n* Nothing is left behind\n'
nothing_left() { [ -z "$(in_host ip -o link show type veth | grep -v up0)" ] && ! in_host nft list tables | grep -q egressd && [ -z "$(ip netns pids "$W-host")" ]; }
held "links, tables or sandboxes are left" nothing_left
[ $FAILED = 0 ] && printf '\ndemo: everything above was checked and held\n'
exit $FAILED
