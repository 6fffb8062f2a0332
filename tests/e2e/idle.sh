#!/usr/bin/env bash
# Streams may be silent: no time-out but `idle` (2 h) touches them, whatever carries them. An upstream that is gone without a word is
# noticed within two minutes, whether anything is under way or not; the agent's connections have the same timers.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
QUIET=93.184.216.15
ip -n "$W-net" addr add $QUIET/32 dev lo
echo "quiet A $QUIET" >>"$T/test.zone"
kill -HUP "$(cat "$T/nsd.pid")"
eventually 5 bash -c "ip netns exec $W-net dig +short +time=1 +tries=1 @$DNS quiet.test | grep -q $QUIET"
(cd "$T/pki" && leaf quiet.test quiet) >/dev/null 2>&1
mkdir -m 777 "$T/out"
in_net python3 "$HERE/idle.py" serve $QUIET "$T/pki/quiet.pem" "$T/pki/leaf.key" >"$T/quiet.log" 2>&1 &
eventually 5 in_net bash -c "exec 3<>/dev/tcp/$QUIET/9444" || { cat "$T/quiet.log" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: quiet.test
      ports: [443, 9443, 9444]
timeouts: {client_hello: 2s, tls_handshake: 2s, request_head: 2s, request_body_idle: 2s, connect: 2s, response_head: 2s, keepalive: 2s, upstream_keepalive: 2s, upstream_queue: 2s, drain: 2s}
YAML
attack "$T/policy.yaml" python3 "$HERE/idle.py" 12 "$T/out" >"$T/cases" &
AGENT=$!
eventually 60 test -e "$T/out/silent" || { not_ok "the streams were silent" "$(cat "$T/attack.err" "$T/cases" "$T/quiet.log")"; exit 1; }
engine=$(pgrep -f '^egressd: engine 0' | while read -r p; do grep -zq "^egressd: " "/proc/$p/cmdline" && ancestor=$p && while [ "${ancestor:-1}" -gt 1 ]; do [ "$ancestor" = $$ ] && echo "$p"; ancestor=$(awk '/^PPid/ {print $2}' "/proc/$ancestor/status" 2>/dev/null); done; done | head -1)
nsenter -t "$engine" -n ss -Htno state established >"$T/sockets" 2>&1
check "every connection has a timer, the agent's and ours" awk '{all = all "\n" $0} /timer:\((keepalive|on),/ {n++; next} /:(443|9443|9444) / {bad = 1} END {if (bad || n < 8) {print n all; exit 1}}' "$T/sockets"
check "the kernel's own memory of a connection is longer than an hour" bash -c "for p in /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established; do nsenter -t $engine -n cat \$p || echo 432000; done | awk '\$1 < 3600 {bad = 1} END {exit bad}'"
in_net nft "add table ip gone; add chain ip gone in { type filter hook prerouting priority -400; }; add rule ip gone in ip daddr $QUIET drop"
touch "$T/out/cut"
wait $AGENT || FAILED=1
cat "$T/cases"
grep -q '^not ok' "$T/cases" && FAILED=1
exit $FAILED
