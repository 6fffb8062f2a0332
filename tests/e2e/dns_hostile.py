#!/usr/bin/env python3
"""The two ends of a resolver that mean it ill.

server IP LOG      a name server whose answers are wrong in the way that the first label of the name says; each
                   question is a line of LOG: transport, source port, id, name as it came, octets after the question
dot IP CERT KEY    a name server over TLS
client IP          messages that no proper client sends; prints "ok NAME" or "not ok NAME: why"
greedy IP N M      N connections that ask much and read nothing, M that ask and go
flood IP N         N refused questions as fast as they are answered; prints how many were answered
"""
import random
import select
import socket
import struct
import sys
import threading
import time

GOOD = bytes([93, 184, 216, 34])


def name(text):
    return b"".join(bytes([len(x)]) + x.encode("latin1") for x in text.split(".") if x) + b"\0"


def question(text, qtype=1, ident=0x1234, flags=0x0100, counts=(1, 0, 0, 0), qclass=1):
    return struct.pack(">HHHHHH", ident, flags, *counts) + name(text) + struct.pack(">HH", qtype, qclass)


def parse(msg):
    """id, name as text in its own case, end of the question, its type"""
    at, labels = 12, []
    while msg[at]:
        labels.append(msg[at + 1 : at + 1 + msg[at]].decode("latin1"))
        at += 1 + msg[at]
    return struct.unpack(">H", msg[:2])[0], ".".join(labels), at + 5, struct.unpack(">H", msg[at + 1 : at + 3])[0]


def record(owner, rtype, ttl, rdata):
    return owner + struct.pack(">HHIH", rtype, 1, ttl, len(rdata)) + rdata


def reply(msg, records=b"", an=0, flags=0x8180, ident=None, ns=0, ar=0, tail=b""):
    got, _, end, _ = parse(msg)
    head = struct.pack(">HHHHHH", got if ident is None else ident, flags, 1, an, ns, ar)
    return head + msg[12:end] + records + tail


def soa(owner, ttl, minimum):
    return record(name(owner), 6, ttl, name("ns") + name("root") + struct.pack(">IIIII", 1, 2, 3, 4, minimum))


QNAME = b"\xc0\x0c"


def good(msg, ttl=300, addr=GOOD):
    return reply(msg, record(QNAME, 1, ttl, addr), 1)


def dot(ip, cert, key):
    """A name server over TLS that says that it validated."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server((ip, 853))

    def serve(c):
        try:
            s = context.wrap_socket(c, server_side=True)
            while True:
                n = s.recv(2)
                if len(n) < 2:
                    return
                msg = s.recv(struct.unpack(">H", n)[0])
                ad = 0x20 if msg[3] & 0x20 else 0
                s.sendall(frame(reply(msg, record(QNAME, 1, 300, GOOD), 1, flags=0x8180 | ad)))
        except (OSError, ssl.SSLError):
            pass

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


class Server:
    def __init__(self, ip, log):
        self.ip, self.log, self.seen = ip, open(log, "a", buffering=1), {}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((ip, 53))
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind((ip, 5353))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((ip, 53))
        self.tcp.listen(16)

    def note(self, proto, peer, msg):
        ident, qname, end, _ = parse(msg)
        self.log.write(f"{proto} {peer[1]} {ident} {qname} {msg[end:].hex()}\n")
        n = self.seen[qname] = self.seen.get(qname, 0) + 1
        return qname, n

    def run(self):
        threading.Thread(target=self.serve_tcp, daemon=True).start()
        while True:
            msg, peer = self.udp.recvfrom(4096)
            threading.Thread(target=self.answer_udp, args=(msg, peer), daemon=True).start()

    def answer_udp(self, msg, peer):
        qname, n = self.note("udp", peer, msg)
        case = qname.split(".")[0]
        send = lambda m: self.udp.sendto(m, peer)
        ident = parse(msg)[0]
        if case == "wrongid":
            send(reply(msg, record(QNAME, 1, 300, b"\x06\x06\x06\x06"), 1, ident=ident ^ 0x5555))
            time.sleep(0.05)
            send(good(msg))
        elif case == "wrongname":
            send(reply(question("evil.example", ident=ident), record(QNAME, 1, 300, b"\x06\x06\x06\x06"), 1))
            time.sleep(0.05)
            send(good(msg))
        elif case == "wrongport":
            self.other.sendto(good(msg, addr=b"\x06\x06\x06\x06"), peer)
            time.sleep(0.05)
            send(good(msg))
        elif case == "guesses":
            for _ in range(20):
                send(reply(msg, record(QNAME, 1, 300, b"\x06\x06\x06\x06"), 1, ident=random.randrange(65536)))
        elif case == "short":
            send(msg[:5])
            send(msg[:11])
            send(good(msg))
        elif case == "query":
            send(msg)
            send(good(msg))
        elif case == "loop":
            send(reply(msg, record(b"\xc0" + bytes([parse(msg)[2]]), 1, 300, GOOD), 1))
        elif case == "counts":
            send(reply(msg, record(QNAME, 1, 300, GOOD), 9))
        elif case == "rdlen":
            send(reply(msg, record(QNAME, 1, 300, b"\1\2\3"), 1))
        elif case == "poison":
            send(reply(msg, record(QNAME, 1, 300, GOOD) + record(name("victim.example"), 1, 300, b"\x06\x06\x06\x06"), 2))
        elif case == "tail":
            send(good(msg) + b"garbage")
        elif case in ("tc", "big", "tctc", "tcpclose", "tcphuge", "tcpslow", "tcpwrong"):
            send(reply(msg, flags=0x8380))
        elif case == "servfail":
            send(reply(msg, flags=0x8182))
        elif case == "noedns":
            send(reply(msg, flags=0x8181) if msg[11] else good(msg))
        elif case == "late":
            time.sleep(1.0)
            send(good(msg))
        elif case == "slow":
            time.sleep(0.4)
            send(good(msg))
        elif case == "stale":
            if n == 1:
                send(good(msg, ttl=1))
        elif case == "chain" or qname.startswith("c-"):
            target = name(f"c-{random.randrange(1 << 30)}.example")
            send(reply(msg, record(QNAME, 5, 300, target), 1))
        elif case == "silent":
            pass
        elif case in ("r1", "r2"):
            send(good(msg, ttl=1))
        elif case == "hot":
            send(good(msg, ttl=30))
        elif case == "ad":
            send(reply(msg, record(QNAME, 1, 300, GOOD), 1, flags=0x81A0))
        elif case == "adchain":
            send(reply(msg, record(QNAME, 5, 300, name("viatls.example")), 1, flags=0x81A0))
        elif case == "viatls":
            send(reply(msg, flags=0x8182))
        elif case in ("neg", "negbig"):
            send(reply(msg, soa("example", 100, 3 if case == "neg" else 9000), flags=0x8183, ns=1))
        elif case == "nosoa":
            send(reply(msg, flags=0x8183))
        else:
            send(good(msg))

    def serve_tcp(self):
        while True:
            c, peer = self.tcp.accept()
            threading.Thread(target=self.answer_tcp, args=(c, peer), daemon=True).start()

    def answer_tcp(self, c, peer):
        buf = b""
        while True:
            got = c.recv(4096)
            if not got:
                return
            buf += got
            while len(buf) >= 2 and len(buf) >= 2 + struct.unpack(">H", buf[:2])[0]:
                n = struct.unpack(">H", buf[:2])[0]
                msg, buf = buf[2 : 2 + n], buf[2 + n :]
                case = self.note("tcp", peer, msg)[0].split(".")[0]
                frame = lambda m: struct.pack(">H", len(m)) + m
                if case == "tcpclose":
                    c.close()
                    return
                if case == "tcphuge":
                    c.sendall(b"\xff\xff" + b"x" * 70000)
                elif case == "big":
                    c.sendall(frame(reply(msg, record(QNAME, 16, 300, (b"\xff" + b"x" * 255) * 28), 1)))
                elif case == "tctc":
                    c.sendall(frame(reply(msg, flags=0x8380)))
                elif case == "tcpwrong":
                    c.sendall(frame(reply(question("evil.example"), record(QNAME, 1, 300, GOOD), 1)))
                    c.sendall(frame(good(msg)))
                elif case == "tcpslow":
                    for b in frame(good(msg)):
                        c.sendall(bytes([b]))
                        time.sleep(0.002)
                else:
                    c.sendall(frame(good(msg)))


# ---- the client's side


def check(what, held, why=""):
    print(f"ok {what}" if held else f"not ok {what}: {why}", flush=True)


def udp(ip, msg, wait=5.0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(wait)
    s.sendto(msg, (ip, 53))
    try:
        return s.recv(65535)
    except TimeoutError:
        return None


def rcode(msg):
    return None if msg is None else msg[3] & 15


def frames(s, n, wait=6.0):
    s.settimeout(wait)
    buf, out = b"", []
    try:
        while len(out) < n:
            got = s.recv(65535)
            if not got:
                break
            buf += got
            while len(buf) >= 2 and len(buf) >= 2 + struct.unpack(">H", buf[:2])[0]:
                k = struct.unpack(">H", buf[:2])[0]
                out.append(buf[2 : 2 + k])
                buf = buf[2 + k :]
    except (TimeoutError, ConnectionError):
        pass
    return out


def frame(m):
    return struct.pack(">H", len(m)) + m


def malformed(ip):
    opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
    cases = {
        "no-question": (question("a.example", counts=(0, 0, 0, 0))[:12], 1),
        "two-questions": (question("a.example", counts=(2, 0, 0, 0)) + name("b.example") + b"\0\1\0\1", 1),
        "answer-count": (question("a.example", counts=(1, 1, 0, 0)), 1),
        "pointer-name": (question("a.example")[:12] + b"\xc0\x0c\0\1\0\1", 1),
        "cut-name": (question("a.example")[:16], 1),
        "label-64": (question("a.example")[:12] + b"\x40" + b"a" * 64 + b"\0\0\1\0\1", 1),
        "trailing": (question("a.example") + b"\0", 1),
        "opt-twice": (question("a.example", counts=(1, 0, 0, 2)) + opt + opt, 1),
        "opt-cut": (question("a.example", counts=(1, 0, 0, 1)) + opt[:-1], 1),
        "update": (question("a.example", flags=0x2800), 4),
        "status": (question("a.example", flags=0x1000), 4),
        "class-any": (question("a.example", qclass=255), 5),
        "type-zero": (question("a.example", qtype=0), 5),
        "tkey": (question("a.example", qtype=249), 5),
    }
    for what, (msg, want) in cases.items():
        got = rcode(udp(ip, msg, 2))
        check(f"dns-malformed-{what}", got == want, f"rcode {got}, not {want}")
    for what, msg in {"short": b"\x12\x34\1", "answer": question("a.example", flags=0x8180), "empty": b""}.items():
        check(f"dns-malformed-{what}", udp(ip, msg, 0.3) is None, "was answered")
    got = udp(ip, question("a.example", counts=(1, 0, 0, 1)) + b"\0" + struct.pack(">HHIH", 41, 1232, 1 << 16, 0), 2)
    check("dns-badvers", got is not None and got[-6] == 1, repr(got))
    got = udp(ip, question("good.example"), 2)
    check("dns-alive-after", got is not None and got.endswith(GOOD), repr(got))


def over_tcp(ip):
    s = socket.create_connection((ip, 53), 3)
    s.sendall(frame(question("slow.example", ident=1)) + frame(question("good.example", ident=2)))
    got = [struct.unpack(">H", m[:2])[0] for m in frames(s, 2)]
    check("dns-tcp-out-of-order", got == [2, 1], repr(got))
    many = b"".join(frame(question("good.example", ident=i)) for i in range(500))
    for i in range(0, len(many), 97):
        s.sendall(many[i : i + 97])
    got = {struct.unpack(">H", m[:2])[0] for m in frames(s, 500)}
    check("dns-tcp-pipelined", got == set(range(500)), f"{len(got)} of 500")
    s.sendall(b"".join(frame(question(f"good{i}.wild.example", ident=i)) for i in range(40)) * 5)
    got = frames(s, 200)
    check("dns-tcp-more-than-may-wait", len(got) == 200, f"{len(got)} of 200")
    for m in frame(question("good.example", ident=9)):
        s.sendall(bytes([m]))
        time.sleep(0.001)
    check("dns-tcp-octet-by-octet", len(frames(s, 1, 3)) == 1)
    for what, octets in {"length-zero": b"\0\0", "length-huge": b"\xff\xff" + b"x" * 5000}.items():
        c = socket.create_connection((ip, 53), 3)
        try:
            c.sendall(octets)
            closed = frames(c, 1, 3) == [] and c.recv(1) == b""
        except ConnectionError:
            closed = True
        check(f"dns-tcp-{what}", closed, "stays open")
    conns = [socket.create_connection((ip, 53), 3) for _ in range(100)]
    check("dns-tcp-many-connections", rcode(udp(ip, question("good.example"), 2)) == 0)
    conns[-1].sendall(frame(question("good.example")))
    check("dns-tcp-newest-served", len(frames(conns[-1], 1, 3)) == 1)
    t = time.time()
    while time.time() - t < 15 and conns[-1]:
        if select.select([conns[-1]], [], [], 0.5)[0]:
            break
    check("dns-tcp-idle-closed", 8 < time.time() - t < 14, f"{time.time() - t:.1f} s")


def from_upstream(ip):
    cases = {
        "wrongid": 0, "wrongname": 0, "wrongport": 0, "guesses": 0, "short": 0, "query": 0, "tail": 0, "tc": 0, "tcpslow": 0,
        "tcpwrong": 0, "noedns": 0, "late": 0, "poison": 0, "loop": 2, "counts": 2, "rdlen": 2, "tctc": 2, "tcpclose": 2,
        "tcphuge": 2, "servfail": 2, "chain": 2,
    }  # fmt: skip
    for case, want in cases.items():
        t = time.time()
        got = udp(ip, question(f"{case}.example"), 5)
        took = time.time() - t
        held = rcode(got) == want and (want != 0 or got[-4:] == GOOD) and took < 4.5
        check(f"dns-upstream-{case}", held, f"{got!r} after {took:.1f} s")
    got = udp(ip, question("victim.example"), 2)
    check("dns-no-poison", got is not None and b"\6\6\6\6" not in got, repr(got))
    got = udp(ip, question("stale.example"), 2)
    time.sleep(2.1)
    t = time.time()
    got = udp(ip, question("stale.example"), 5)
    check("dns-stale", rcode(got) == 0 and got.endswith(GOOD), repr(got))
    check("dns-stale-soon", time.time() - t < 2.5, f"{time.time() - t:.1f} s")


def greedy(ip, conns, rounds):
    """Asks for what is large and reads nothing; then goes and comes back with questions that wait. Says when to look."""
    socks = [socket.create_connection((ip, 53), 3) for _ in range(conns)]
    for s in socks:
        s.setblocking(False)
    ask = frame(question("big.example", 16)) * 100
    end = time.time() + 2
    while time.time() < end:
        for s in select.select([], socks, [], 0.1)[1]:
            try:
                s.send(ask)
            except (BlockingIOError, ConnectionError):
                pass
    print("held", flush=True)
    time.sleep(1)
    for s in socks:
        s.close()
    for i in range(rounds):
        s = socket.create_connection((ip, 53), 3)
        s.sendall(frame(question("slow.example", ident=i)))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    print("gone", flush=True)


def flood(ip, n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.settimeout(1.0)
    sent = got = 0
    while got < n:
        while sent < n and sent - got < 64:
            s.sendto(question(f"x{sent}.evil.example", ident=sent & 0xFFFF), (ip, 53))
            sent += 1
        try:
            s.recv(2048)
            got += 1
        except TimeoutError:
            break
    print(sent, got)


if __name__ == "__main__":
    if sys.argv[1] == "server":
        Server(sys.argv[2], sys.argv[3]).run()
    elif sys.argv[1] == "dot":
        dot(*sys.argv[2:5])
    elif sys.argv[1] == "greedy":
        greedy(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "flood":
        flood(sys.argv[2], int(sys.argv[3]))
    else:
        malformed(sys.argv[2])
        from_upstream(sys.argv[2])
        over_tcp(sys.argv[2])
