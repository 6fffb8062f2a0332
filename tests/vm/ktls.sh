#!/usr/bin/env bash
# On a kernel that has TLS, the kernel encrypts what we send: all versions, ciphers and ends of a connection work, and its own
# count says that it was the kernel.
TRANSPORT=vm
. "$(dirname "$0")/../e2e/lib.sh"
BIG=2097152
world_up
cat >"$T/policy.yaml" <<'YAML'
version: 1
timeouts: {tls_handshake: 60s} # the guests are slow
egress:
  routes:
    - host: origin.test
    - host: h2.test
YAML
mkdir -m 777 "$T/out"
head -c 1000000 /dev/urandom >"$T/up"
cat >"$T/close.py" <<'PY'
# The whole answer and then close_notify: an end that can be told from a cut. Read late, so that the last record has to wait.
import socket, ssl, time
c = ssl.create_default_context().wrap_socket(socket.create_connection(("origin.test", 443), 20), server_hostname="origin.test",
                                              suppress_ragged_eofs=False)
c.sendall(b"GET /big HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
time.sleep(2)
n = 0
while True:
    got = c.recv(65536)
    if not got:
        break
    n += len(got)
print("clean", n > 2097152)
PY
cat >"$T/agent.bash" <<AGENT
cd $T/out
get() { local n=\$1; shift; curl -sS --max-time 60 -o \$n.body "\$@" 2>\$n.err; echo \$? >\$n.status; }
get v12 --tls-max 1.2 https://origin.test/big
get aes128 --tls13-ciphers TLS_AES_128_GCM_SHA256 https://origin.test/big
get aes256 --tls13-ciphers TLS_AES_256_GCM_SHA384 https://origin.test/big
get chacha --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 https://origin.test/big
get h2 --http2 https://h2.test/big
get slow --limit-rate 1M https://origin.test/big
get upload -T $T/up https://origin.test/put/up
python3 $T/close.py >close.out 2>&1
for i in 1 2 3 4; do curl -sS --max-time 60 https://origin.test/ https://origin.test/ >small.\$i 2>&1 & done; wait
AGENT
vm_start "$T/policy.yaml" || exit 1
check "the agent came to its end" vm_agent bash "$T/agent.bash"
vm_sidecar "cat /proc/net/tls_stat" >"$T/tls_stat"
vm_stop
o=$T/out
for n in v12 aes128 aes256 chacha slow h2; do check "$n: $((BIG >> 20)) MiB, byte for byte" cmp "$o/$n.body" "$T/www/big"; done
check "an upload, byte for byte" cmp "$T/up" "$T/www/put/up"
check "a close that waited for its turn is clean" grep -qx 'clean True' "$o/close.out"
check "8 small answers" test "$(cat "$o"/small.* | grep -c 'hello from the origin')" = 8
sent() { awk -v n="$1" '$1 == "TlsTxSw" { s = $2 } END { exit !(s >= n) }' "$T/tls_stat" || { cat "$T/tls_stat"; return 1; }; }
check "the kernel has sent on every connection" sent 13
check "nothing went wrong in it" bash -c "! grep -E 'Error|NoPad' '$T/tls_stat' | grep -v ' *0$'"
check "the start line says so" logged 'e["event"]=="start" and e["ktls"]'
exit $FAILED
