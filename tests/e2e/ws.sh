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
      ports: [443, 9444, 9445, 9446, 9447, 9448, 9449, 9450]
    - host: tokens.test
      ports: [443, 9444]
      auth: {scheme: token, token_ref: API_TOKEN}
      dlp: {outbound_detectors: false, inbound_detectors: false}
YAML
in_net python3 "$HERE/ws_raw.py" serve "$ORIGIN" 9444 "$T/pki/origin.pem" "$T/pki/leaf.key" 2>"$T/ws.err" &
in_net node "$HERE/ws_origin.mjs" "$ORIGIN" "$T/pki/origin.pem" "$T/pki/leaf.key" >"$T/node.out" 2>&1 &
eventually 5 in_net bash -c "exec 3<>/dev/tcp/$ORIGIN/9444" || { echo "the WebSocket server did not start: $(cat "$T/ws.err")" >&2; exit 1; }
if ! agent "$T/policy.yaml" timeout 120 python3 "$HERE/ws_raw.py" origin.test 9444 >"$T/got" 2>"$T/err"; then
    not_ok "egressctl run" "$(cat "$T/err" "$T/got")"
    exit 1
fi
eventually 10 grep -q listening "$T/node.out" || { echo "node's servers did not start: $(cat "$T/node.out")" >&2; exit 1; }
cat >"$T/two.sh" <<CASES
ws() { timeout 60 python3 $HERE/ws_raw.py origin.test "\$@" | sed "s/^/\$1 /"; }
ws 9445 via via_http2 via echo sizes bytewise over_http2 big_http2 half_close refused unmasked after_close
for port in 9446 9447 9448 9449; do ws \$port via via via_http2 echo; done
ws 9450 end extension trailers
echo "9449 plain: \$(curl -sS --http2 https://origin.test:9449/) \$(curl -sS --http1.1 -d x= https://origin.test:9449/)"
echo "9448 plain: \$(curl -sS --http2 https://origin.test:9448/)"
CASES
agent "$T/policy.yaml" bash "$T/two.sh" >"$T/got_two" 2>"$T/err_two" || not_ok "egressctl run" "$(cat "$T/err_two")"
agent "$T/policy.yaml" env "WS_SECRET=$API_TOKEN" timeout 20 python3 "$HERE/ws_raw.py" tokens.test 9444 redacted redacted_halves >"$T/got_redacted" 2>&1
is() { [ "$(sed -n "s/^$1: //p" "$T/got")" = "$2" ] || { echo "$1: $(sed -n "s/^$1: //p" "$T/got"), not $2"; return 1; }; }
expect() { check "$1" is "$2" "$3"; }
check "a secret that comes back, on a route without detectors" bash -c "cat '$T/got_redacted'; grep -q '^redacted: redacted\$' '$T/got_redacted'"
check "a secret that comes back in two messages" bash -c "cat '$T/got_redacted'; grep -q '^redacted_halves: halved close 1008 EOF\$' '$T/got_redacted'"
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
# each octet of the second half comes in a fragment of its own: none may go on
for n in halves halves_binary thirds halves_json; do expect "a secret in several messages: $n" $n "close 1008 EOF"; done
check "a secret in two fragments" grep -q '^secret_split: .*close 1008 EOF' "$T/got"
check "over HTTP/2" grep -q '^over_http2: 200 RST NO_ERROR .*03ea' "$T/got"
expect "over HTTP/2, before the answer" over_http2_early "400 malformed RST NO_ERROR"
two() { grep -qx -- "$1 $2: $3" "$T/got_two" || { grep -- "^$1 $2:" "$T/got_two"; cat "$T/err_two"; return 1; }; }
check "HTTP/1 to HTTP/2 (RFC 8441)" two 9445 via HTTP/2
check "HTTP/2 to HTTP/2 (RFC 8441)" two 9445 via_http2 "200 HTTP/2"
check "to HTTP/2: messages, fragments, pings and the close" two 9445 echo "close 1000 EOF"
check "to HTTP/2: every length of frame" two 9445 sizes ok
check "to HTTP/2: octet by octet" two 9445 bytewise ok
check "to HTTP/2: more than the windows, both ways" two 9445 big_http2 ok
check "to HTTP/2: the stream's end is orderly" two 9445 half_close "200 880203e8 None"
check "to HTTP/2: a server's refusal is an ordinary answer" two 9445 refused 403
for n in unmasked after_close; do check "to HTTP/2: cut: $n" two 9445 $n "close 1002 EOF"; done
for p in "9446 does not offer it" "9447 does not know it" "9448 resets it" "9449 wants HTTP/1.1"; do
    check "an HTTP/2 server that ${p#* }: HTTP/1.1, HTTP/1 agent" two "${p%% *}" via HTTP/1.1
    check "an HTTP/2 server that ${p#* }: HTTP/1.1, HTTP/2 agent" two "${p%% *}" via_http2 "200 HTTP/1.1"
done
check "an HTTP/2 server that ends what it opens" two 9450 end 502
check "an HTTP/2 server that names an extension" two 9450 extension 502
check "an HTTP/2 server that sends trailers into the tunnel" bash -c "grep -E '^9450 trailers: 101 op1 4 (close|EOF|Conn)' '$T/got_two'"
check "HTTP_1_1_REQUIRED: asked again by HTTP/1.1" two 9449 plain "by HTTP/1.1 by HTTP/1.1"
check "what HTTP/2 has for the rest stays HTTP/2" two 9448 plain "by HTTP/2"
check "the log says what rule was broken" logged 'e["reason"]=="malformed" and e["status"]==101 and "mask" in e["detail"]'
check "the log has the secret's detector, not the secret" logged 'e["event"]=="dlp" and e["direction"] and e["detector"].startswith("token_patterns")'
check "no secret in the log" bash -c "! grep -q ghp_ '$T/state/audit.jsonl'"
exit $FAILED
