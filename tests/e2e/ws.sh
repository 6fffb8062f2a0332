#!/usr/bin/env bash
# WebSocket through HTTP/1 and HTTP/2: what is allowed is exact, what is no WebSocket is cut and says why.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
API_TOKEN="Xk4-$(openssl rand -hex 14)"
export API_TOKEN
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [443, 9444]
    - host: tokens.test
      ports: [443, 9444]
      auth: {scheme: token, token_ref: API_TOKEN}
      dlp: {outbound_detectors: false, inbound_detectors: false}
YAML
in_net python3 "$HERE/ws_raw.py" serve "$ORIGIN" 9444 "$T/pki/origin.pem" "$T/pki/leaf.key" 2>"$T/ws.err" &
eventually 5 in_net bash -c "exec 3<>/dev/tcp/$ORIGIN/9444" || { echo "the WebSocket server did not start: $(cat "$T/ws.err")" >&2; exit 1; }
if ! agent "$T/policy.yaml" timeout 120 python3 "$HERE/ws_raw.py" origin.test 9444 >"$T/got" 2>"$T/err"; then
    not_ok "egressctl run" "$(cat "$T/err" "$T/got")"
    exit 1
fi
agent "$T/policy.yaml" env "WS_SECRET=$API_TOKEN" timeout 20 python3 "$HERE/ws_raw.py" tokens.test 9444 redacted >"$T/got_redacted" 2>&1
is() { [ "$(sed -n "s/^$1: //p" "$T/got")" = "$2" ] || { echo "$1: $(sed -n "s/^$1: //p" "$T/got"), not $2"; return 1; }; }
expect() { check "$1" is "$2" "$3"; }
check "a secret that comes back, on a route without detectors" bash -c "cat '$T/got_redacted'; grep -q '^redacted: redacted\$' '$T/got_redacted'"
expect "messages, fragments, pings and the close go both ways" echo "close 1000 EOF"
expect "every length of frame" sizes ok
expect "octet by octet" bytewise ok
expect "extensions are not offered on, subprotocols are" extensions x-seen-sec-websocket-protocol
expect "a server's refusal is an ordinary answer" refused 403
for n in no_key short_key version_8 no_version two_keys; do expect "handshake: $n" $n 400; done
expect "handshake: another host" host_differs 403
for n in bad_accept bad_extension; do expect "a server's handshake: $n" $n 502; done
for n in unmasked rsv1 opcode_3 opcode_11 long_ping split_ping half_close_code close_1005 close_999 padded_length \
    padded_length_8 huge_length cont_of_nothing after_close http_inside; do
    expect "cut: $n" $n "close 1002 EOF"
done
# the first fragment was in order, and its echo may come before the cut
check "cut: message_in_message" grep -qE '^message_in_message: (op1 1 )?close 1002 EOF$' "$T/got"
for n in mask rsv op length cont ping; do expect "a server that breaks the rules: $n" server_$n "101 op1 4 close 1002 EOF"; done
for n in secret secret_binary secret_ping; do expect "a secret in a message: $n" $n "close 1008 EOF"; done
check "a secret in two fragments" grep -q '^secret_split: .*close 1008 EOF' "$T/got"
check "over HTTP/2" grep -q '^over_http2: 200 RST NO_ERROR .*03ea' "$T/got"
expect "over HTTP/2, before the answer" over_http2_early "400 malformed RST NO_ERROR"
check "the log says what rule was broken" logged 'e["reason"]=="malformed" and e["status"]==101 and "mask" in e["detail"]'
check "the log has the secret's detector, not the secret" logged 'e["event"]=="dlp" and e["direction"] and e["detector"].startswith("token_patterns")'
check "no secret in the log" bash -c "! grep -q ghp_ '$T/state/audit.jsonl'"
exit $FAILED
