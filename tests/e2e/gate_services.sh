#!/usr/bin/env bash
# What is neither DNS nor web, through the whole of egressctl and egressd: tcp and udp routes work for ordinary clients,
# everything else is refused at once and is in the log.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
export EGRESSD_RUNTIME_DIR=$T/registry
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: git.test
      protocol: tcp
      ports: [22, 5432, 9418]
    - host: plain.test
      protocol: udp
      ports: [123]
    - host: private.test
      protocol: tcp
      ports: [22]
YAML
# At git.test: a server that speaks first (22), one that gives back what it got once its client has done (5432), and
# git's own (9418). At plain.test: an echo over UDP.
cat >"$T/services.py" <<PY
import socket, threading
def tcp(addr, port, serve):
    s = socket.create_server((addr, port))
    def one(c):
        try: serve(c)
        finally: c.close()
    def loop():
        while True: threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
def first(c):
    c.sendall(b"SSH-2.0-test\r\n")
    c.recv(100)
def back(c):
    data = b""
    while (d := c.recv(65536)): data += d
    c.sendall(data)
for addr in ("$STRANGE", "$FORBIDDEN", "10.77.0.1"): tcp(addr, 22, first)
tcp("$STRANGE", 5432, back)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("$ORIGIN", 123))
while True:
    d, peer = u.recvfrom(2000)
    u.sendto(b"from " + peer[0].encode() + b" " + d, peer)
PY
in_net python3 "$T/services.py" >/dev/null 2>&1 &
mkdir -p "$T/repos" && git init -q -b main "$T/repos/work" && (cd "$T/repos/work" && echo hello >file && git add file &&
    git -c user.name=t -c user.email=t@t commit -q -m one) && git clone -q --bare "$T/repos/work" "$T/repos/repo.git"
in_net git daemon --export-all --base-path="$T/repos" --reuseaddr --listen=$STRANGE "$T/repos" >/dev/null 2>&1 &
in_net tcpdump -l -n --immediate-mode -i dn0 -Q in 'not arp and ip' >"$T/wire" 2>/dev/null &
eventually 5 in_net sh -c "nc -z $STRANGE 9418 && nc -z $STRANGE 22"

cat >"$T/client.py" <<'PY'
import errno, os, socket, sys, time
def tcp(host, port, data=None, name=None):
    begun = time.monotonic()
    try:
        s = socket.create_connection((host, port), timeout=5)
        if data is None:
            text = s.recv(100).decode().strip()
        else:
            s.settimeout(30)
            import threading
            threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
            got = b""
            while (d := s.recv(65536)): got += d
            text = "same" if got == data else "%d of %d" % (len(got), len(data))
    except OSError as e:
        text = errno.errorcode.get(e.errno, str(e))
    print(name or "%s:%s" % (host, port), "slow" if time.monotonic() - begun > 2 else "fast", text, flush=True)
def udp(host, port, data=b"x"):
    begun = time.monotonic()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    try:
        s.connect((host, port))
        s.send(data)
        text = s.recv(2000).decode()
    except OSError as e:
        text = errno.errorcode.get(e.errno, str(e))
    print("udp %s:%s" % (host, port), "slow" if time.monotonic() - begun > 2 else "fast", text, flush=True)
tcp("git.test", 22)
tcp("git.test", 5432, os.urandom(20 << 20))
udp("plain.test", 123)
tcp("git.test", 23)
tcp("private.test", 22)
tcp(sys.argv[1], 22, name="unleased")
tcp(sys.argv[2], 22, name="forbidden")
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.connect(("plain.test", 123))
for n in (10, 20, 30):
    talk.send(b"y" * n)
    talk.recv(2000)
udp("plain.test", 124)
udp("origin.test", 443, b"\xc3\0\0\0\1" + b"x" * 1200)
udp("9.9.9.9", 853)
tcp("9.9.9.9", 853)
PY
agent "$T/policy.yaml" bash -c "python3 $T/client.py 93.184.216.99 $FORBIDDEN; cd \$(mktemp -d) && timeout 20 git clone -q git://git.test/repo.git && cat repo/file" >"$T/out" 2>&1
said() { grep -qxF -- "$1" "$T/out" || { cat "$T/out"; return 1; }; }
check "a server that speaks first" said "git.test:22 fast SSH-2.0-test"
check "20 MiB there and back, with a half-close" grep -qx "git.test:5432 [a-z]* same" "$T/out"
check "git clone over its own protocol" said "hello"
check "a udp route" said "udp plain.test:123 fast from 10.77.0.2 x"
check "another port of the same name is refused at once" said "git.test:23 fast ECONNREFUSED"
check "an address that nobody was told" said "unleased fast ECONNREFUSED"
check "the port of a route, at an address of no route" said "forbidden fast ECONNREFUSED"
check "udp, another port" said "udp plain.test:124 fast EHOSTUNREACH"
check "quic" said "udp origin.test:443 fast EHOSTUNREACH"
check "dns over tls" said "9.9.9.9:853 fast ECONNREFUSED"
check "dns over quic" said "udp 9.9.9.9:853 fast EHOSTUNREACH"
check "the log has the relayed flow" logged 'e["event"]=="flow" and e["verdict"]=="allow" and e["host"]=="git.test" and e["dport"]==5432 and e["mode"]=="tcp"'
# Three datagrams of 28 octets of headers each way; the echo says 15 octets more.
check "its end has the octets, headers included" logged 'e["state"]=="closed" and e["mode"]=="udp" and e["host"]=="plain.test" and e["bytes_out"]==144 and e["bytes_in"]==189 and e["ms"] < 5000'
check "it opened once" test "$(logged 'e["state"]=="open" and e["mode"]=="udp"' | wc -l)" = 2
forgotten() { # by the kernel, while the sandbox lives: then the flow has its last line, with the same id
    rm -rf "$T/state"
    agent "$T/policy.yaml" python3 -c 'import socket, time
s = socket.socket(2, 2); s.settimeout(5); s.connect(("plain.test", 123))
while True:
    try: s.send(b"z" * 100); print(len(s.recv(2000)), flush=True)
    except OSError as e: print(e, flush=True)
    time.sleep(30)' >"$T/forgotten" 2>&1 &
    local p=$!
    eventually 10 grep -q 115 "$T/forgotten" || { cat "$T/forgotten"; return 1; }
    eventually 5 logged 'e["state"]=="open" and e["mode"]=="udp"' || return 1
    local side
    side=$(jq .sidecar.pid "$EGRESSD_RUNTIME_DIR"/*/record.json)
    sleep 1.5 # it has been counted
    nsenter -t "$side" -n conntrack -D -p udp >/dev/null 2>&1
    eventually 5 logged 'e["state"]=="closed" and e["mode"]=="udp" and e["bytes_out"]==128 and e["bytes_in"]==143' || { grep '"udp"' "$T/state/audit.jsonl"; return 1; }
    [ "$(grep '"mode":"udp"' "$T/state/audit.jsonl" | jq -r .flow | sort -u | wc -l)" = 1 ] || return 1
    ctl stop "$(basename "$(dirname "$EGRESSD_RUNTIME_DIR"/*/record.json)")"
    wait $p
    true
}
check "the log has the udp flow" logged 'e["event"]=="flow" and e["verdict"]=="allow" and e["host"]=="plain.test" and e["dport"]==123 and e["mode"]=="udp"'
check "the log has the refused port" logged 'e["verdict"]=="deny" and e["reason"]=="no_route" and e["mode"]=="refused" and e["host"]=="git.test" and e["dport"]==23 and e["proto"]=="tcp"'
check "the log has the quic flow" logged 'e["verdict"]=="deny" and e["proto"]=="udp" and e["dport"]==443 and e["mode"]=="refused"'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else on the wire" bash -c "! grep -vE '$DNS\.53:|> $STRANGE\.(22|5432|9418):|> $ORIGIN\.(80|443|123):' '$T/wire'"
check "the wire was watched" grep -q "> $STRANGE.9418" "$T/wire"
check "a flow that the kernel has forgotten has its last line at once" forgotten
# An agent that opens flows without end on a udp route fills neither the host's table of connections nor the log.
flood() {
    local max=$((2048 * $(nproc))) known # as many engines as processors
    rm -rf "$T/state"
    agent "$T/policy.yaml" python3 -c 'import socket, sys
to = (socket.gethostbyname("plain.test"), 123)
refused = 0
for i in range(int(sys.argv[1])):
    s = socket.socket(2, 2); s.bind(("", 20000 + i)); s.connect(to); s.settimeout(0.001)
    try: s.send(b"x"); s.recv(100)
    except OSError as e: refused += e.errno == 113
    s.close()
print(refused)' $((max + 1000)) >"$T/flooded" 2>&1
    known=$(logged 'e["state"]=="open" and e["mode"]=="udp"' | wc -l)
    [ "$(cat "$T/flooded")" -gt 0 ] && [ "$known" -ge 2048 ] && [ "$known" -le $max ] || { cat "$T/flooded"; echo "$known flows"; return 1; }
    logged 'e["reason"]=="limit" and e["proto"]=="udp"' >/dev/null
}
check "flows of udp routes are bounded" flood
exit $FAILED
