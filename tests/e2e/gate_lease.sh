#!/usr/bin/env bash
# Leases run out: what began before goes on, what begins after is refused, until the name is asked for again. A name's TTL of a
# second makes a lease of a minute (the grace), which this waits for.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
printf '%s\n' "brief 1 A $STRANGE" "clock 1 A $ORIGIN" >>"$T/test.zone"
kill -HUP "$(cat "$T/nsd.pid")"
eventually 5 bash -c "ip netns exec $W-net dig +short +time=1 +tries=1 @$DNS brief.test | grep -q $STRANGE" || { echo "the zone was not read again" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: brief.test
      protocol: tcp
      ports: [5432]
    - host: clock.test
      protocol: udp
      ports: [123]
dns: {ttl_min: 0}
YAML
cat >"$T/services.py" <<PY
import socket, threading
def echo(c):
    while d := c.recv(100): c.sendall(d)
def serve():
    s = socket.create_server(("$STRANGE", 5432))
    while True: threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("$ORIGIN", 123))
while True:
    d, peer = u.recvfrom(100)
    u.sendto(d, peer)
PY
in_net python3 "$T/services.py" >/dev/null 2>&1 &
eventually 5 in_net nc -z $STRANGE 5432 || { echo "no service" >&2; exit 1; }
cat >"$T/client.py" <<'PY'
import errno, socket, time
def say(name, fine, why=""): print("ok " + name if fine else "not ok %s: %s" % (name, why), flush=True)
def speak(s):
    """What comes back for an octet, or the error's name."""
    try:
        s.settimeout(5)
        s.send(b"x")
        return s.recv(100).decode()
    except OSError as e: return errno.errorcode.get(e.errno, repr(e))
def fresh(kind, to):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(5)
    try: s.connect(to)
    except OSError as e: return None, errno.errorcode.get(e.errno, repr(e))
    return s, speak(s)
def ask(name): return socket.gethostbyname(name)
tcp, udp = (ask("brief.test"), 5432), (ask("clock.test"), 123)
asked = time.monotonic()
old_tcp, got = fresh(socket.SOCK_STREAM, tcp)
say("a flow of a tcp route begins", got == "x", got)
old_udp, got = fresh(socket.SOCK_DGRAM, udp)
say("a flow of a udp route begins", got == "x", got)
time.sleep(2.5)                    # longer than the TTL
for name, kind, to in (("tcp", socket.SOCK_STREAM, tcp), ("udp", socket.SOCK_DGRAM, udp)):
    s, got = fresh(kind, to)
    say("a second one within the grace, %s" % name, got == "x", got)
# Nobody asks for the names, and one tries again and again: sooner or later it is refused, and not before its time.
alive = set()
refused = {}
while len(refused) < 2 and time.monotonic() < asked + 100:
    time.sleep(1)
    for name, kind, to in (("tcp", socket.SOCK_STREAM, tcp), ("udp", socket.SOCK_DGRAM, udp)):
        if name not in refused:
            s, got = fresh(kind, to)
            if got != "x": refused[name] = got, time.monotonic() - asked
    alive.add((speak(old_tcp), speak(old_udp)))
say("once the lease is over a new one is refused at once, tcp", refused.get("tcp", ("", 0))[0] == "ECONNREFUSED", refused)
say("...udp", refused.get("udp", ("", 0))[0] == "EHOSTUNREACH", refused)
say("...neither before its time", all(t > 55 for _, t in refused.values()), refused)
alive.add((speak(old_tcp), speak(old_udp)))
say("those that began before go on", alive == {("x", "x")}, alive)
ask("brief.test"), ask("clock.test")
for name, kind, to in (("tcp", socket.SOCK_STREAM, tcp), ("udp", socket.SOCK_DGRAM, udp)):
    s, got = fresh(kind, to)
    say("after another question one begins again, %s" % name, got == "x", got)
PY
agent "$T/policy.yaml" python3 "$T/client.py" >"$T/out" 2>"$T/err" || not_ok "the client ran" "$(tail -3 "$T/err")"
cat "$T/out"
grep -q '^not ok' "$T/out" && FAILED=1
check "nothing was left out" test "$(grep -c '^ok' "$T/out")" = 10
check "the log has the refused ones" logged 'e["event"]=="flow" and e["verdict"]=="deny" and e["reason"]=="no_route" and e["dport"]==5432 and e["proto"]=="tcp"'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
