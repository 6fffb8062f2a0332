#!/usr/bin/env bash
# gRPC with its own library: trailers, streams both ways, and refusals that a client shows.
. "$(dirname "$0")/lib.sh"
python3 -c 'import grpc' 2>/dev/null || { skip "gRPC" "python3-grpcio is not installed"; exit 0; }
BIG=1024 world_up
API_TOKEN="Xk4-$(openssl rand -hex 14)"
export API_TOKEN
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [443, 9445]
      matches: [{paths: [{value: /pkg.Echo/Unary, type: exact}, {value: /pkg.Echo/}], methods: [POST]}]
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
YAML
in_net python3 "$HERE/grpc_peer.py" serve "$ORIGIN:9445" "$T/pki/origin.pem" "$T/pki/leaf.key" >"$T/grpc.err" 2>&1 &
eventually 10 in_net bash -c "exec 3<>/dev/tcp/$ORIGIN/9445" || { echo "the gRPC server did not start: $(cat "$T/grpc.err")" >&2; exit 1; }
if ! agent "$T/policy.yaml" env "GRPC_SECRET=$API_TOKEN" timeout 120 python3 "$HERE/grpc_peer.py" origin.test:9445 >"$T/got" 2>"$T/err"; then
    not_ok "egressctl run" "$(cat "$T/err" "$T/got")"
    exit 1
fi
is() { grep -q "^$1: $2\$" "$T/got" || { grep "^$1: " "$T/got"; echo "not: $2"; return 1; }; }
expect() { check "$1" is "$2" "$3"; }
expect "a call with metadata and trailers" unary "cba t-g 0001ff"
expect "a status of the server's" status "NOT_FOUND no such thing: 100% ü"
expect "a method that the policy does not allow" refused "PERMISSION_DENIED egress_denied: no_match: .*"
expect "a stream that the policy does not allow" refused_stream "PERMISSION_DENIED egress_denied: no_match: .*"
expect "a stream down comes as it is sent" down "10 spread"
expect "a stream both ways" both "51 laterlater 0"
expect "8 MiB each way" large same
expect "500 calls at once" many 500
expect "50 streams cancelled" cancel "cba t-g 0001ff"
for how in gzip deflate; do expect "a known secret inside a message, grpc-encoding $how" packed_$how "same, PERMISSION_DENIED egress_denied: dlp_outbound: .*"; done
expect "a host without a route" other_host "PERMISSION_DENIED egress_denied: no_route: .*"
check "the log has the method's path" logged 'e["event"]=="http" and e["path"]=="/pkg.Secret/Get" and e["reason"]=="no_match"'
check "the log has what was allowed" logged 'e["event"]=="http" and e["path"]=="/pkg.Echo/Both" and e["verdict"]=="allow" and e["status"]==200'
exit $FAILED
