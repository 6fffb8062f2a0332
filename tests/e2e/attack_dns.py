"""The hostile agent's questions, and what their answers open.

usage: attack_dns.py SIDECAR ORIGIN STRANGE FORBIDDEN CANARY SPECIAL     in the sandbox; the zone has special0.test ... so many
       attack_dns.py wire PCAP SERVER                                    what the world's name server was asked
"""
import errno, os, random, socket, ssl, struct, sys, threading, time, urllib.request


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def question(name, kind=1, flags=0x100, ident=0x4142, opt=None):
    q = struct.pack(">HHHHHH", ident, flags, 1, 0, 0, opt is not None)
    q += b"".join(bytes([len(x)]) + x for x in name.encode().split(b".")) + b"\0" + struct.pack(">HH", kind, 1)
    return q + (opt or b"")


def opt(size=1232, ttl=0, options=b""):
    return b"\0" + struct.pack(">HHIH", 41, size, ttl, len(options)) + options


def ask(q, port=0, to="8.8.8.8", wait=5):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.settimeout(wait)
    try:
        s.sendto(q, (to, 53))
        while (got := s.recv(4096))[:2] != q[:2]:
            pass
        return got
    except OSError:
        return b""
    finally:
        s.close()


def addresses(answer):
    """Of an answer whose owners are pointers, as ours are."""
    if len(answer) < 12:
        return None
    at, out = answer.index(b"\0", 12) + 5, []
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        kind, _, _, size = struct.unpack(">HHIH", answer[at + 2 : at + 12])
        if kind == 1:
            out.append(socket.inet_ntoa(answer[at + 12 : at + 12 + size]))
        at += 12 + size
    return out


def reaches(address, port, kind=socket.SOCK_STREAM):
    """"yes", or the name of the error."""
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(5)
    try:
        s.connect((address, port))
        if kind == socket.SOCK_DGRAM:
            s.send(b"x")
            s.recv(100)
        return "yes"
    except OSError as e:
        return errno.errorcode.get(e.errno, repr(e))
    finally:
        s.close()


def one_shape():
    """Everything of a question that is not its name and type is varied; `wire` looks at what came of it."""
    option = struct.pack(">HH", 65001, len(CANARY)) + CANARY
    shapes = [dict(flags=f) for f in (0x100, 0, 0x110, 0x120, 0x130, 0x140, 0x170)]
    shapes += [dict(opt=opt(s, t)) for s in (0, 512, 4096, 65535) for t in (0, 0x8000, 0x7FFF)]
    shapes += [dict(opt=opt(options=o)) for o in (option, struct.pack(">HH", 12, 30) + b"\0" * 30, struct.pack(">HH", 10, 8) + CANARY[:8],
                                                    struct.pack(">HHHBB", 8, 7, 1, 24, 0) + b"\x5d\xb8\xd8", struct.pack(">HH", 3, 0))]
    answered = 0
    for i, shape in enumerate(shapes):
        name = f"w{i}.wild.test"
        answered += bool(addresses(ask(question("".join(random.choice((c.upper(), c)) for c in name), **shape), port=5300)))
    report("questions of every shape are answered", answered == len(shapes), f"{answered} of {len(shapes)}")


def again_and_again():
    """A name of no TTL: asking often is no way to say something."""
    began, answers = time.monotonic(), 0
    while answers < 200 and time.monotonic() < began + 2:
        answers += bool(addresses(ask(question("zero.test", ident=answers))))
    report("a name without a TTL is answered each time", answers > 2, answers)


def special(n):
    opened = []
    for i in range(n):
        # 403 or nothing: by its own address where there is one, through the sidecar where not.
        got = addresses(ask(question(f"special{i}.test")))
        if got is None or set(got) - {SIDECAR}:
            opened.append((i, got))
    report("no answer brings a special address", not opened, opened)
    context = ssl._create_unverified_context()
    served = []
    for i in range(n):
        try:
            urllib.request.urlopen(f"https://special{i}.test/", timeout=10, context=context)
            served.append(i)
        except urllib.error.HTTPError as e:
            if e.code != 403 or e.headers["x-egress-verdict"] != "deny":
                served.append((i, e.code))
        except OSError:
            pass
    report("none is served", not served, served)


def ports():
    """Names that lead to one address, each with rights of its own."""
    report("the web name is known", addresses(ask(question("website.test"))) == [STRANGE])
    got = reaches(STRANGE, 9022)
    report("a web name opens no port of a service at its address", got == "ECONNREFUSED", got)
    addresses(ask(question("page.test")))
    got = reaches(ORIGIN, 123, socket.SOCK_DGRAM)
    report("...and none of a udp route", got == "EHOSTUNREACH", got)
    got = addresses(ask(question("chain.test")))
    report("a CNAME may lead elsewhere", got == [FORBIDDEN], got)
    for port in (9022, 123, 22):
        got = reaches(FORBIDDEN, port), reaches(FORBIDDEN, port, socket.SOCK_DGRAM)
        report(f"...and opens nothing there, {port}", got == ("ECONNREFUSED", "EHOSTUNREACH"), got)
    report("the service's own name opens its port", (addresses(ask(question("service.test"))), reaches(STRANGE, 9022)) == ([STRANGE], "yes"))
    report("the clock's own name opens its port", (addresses(ask(question("clock.test"))), reaches(ORIGIN, 123, socket.SOCK_DGRAM)) == ([ORIGIN], "yes"))
    got = reaches(STRANGE, 9022, socket.SOCK_DGRAM), reaches(ORIGIN, 123)
    report("...with its own protocol", got == ("EHOSTUNREACH", "ECONNREFUSED"), got)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)     # one that the gate has let through once
    s.bind(("", 40123))
    for port in (123, 124, 53, 9022, 123):
        for size in (1, 1472, 1473, 4000, 60000):
            for option in (b"", b"\x94\x04\0\0", b"\x07\x07\x04\0\0\0\0"):
                try:
                    s.setsockopt(0, 10, 0)       # IP_MTU_DISCOVER: fragments
                    s.setsockopt(0, 4, option)   # IP_OPTIONS
                    s.sendto((CANARY if size > 1472 or option or port != 123 else b"").ljust(size, b"x"), (ORIGIN, port))
                except OSError:
                    pass
    s.close()
    report("fragments, options and other ports of a flow that was let through", True)


def hello(name):
    sni = name.encode()
    ext = struct.pack(">HHHBH", 0, len(sni) + 5, len(sni) + 3, 0, len(sni)) + sni
    ext += bytes.fromhex("000a00040002001d" "000d000400020403" "002b0003020304" "003300260024001d0020") + bytes(range(1, 33))
    body = b"\3\3" + os.urandom(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(ext)) + ext
    body = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(body)) + body


class Flood:
    """ClientHellos for names without a route, as many as go, until leaves run out for a while."""

    def __init__(self):
        self.minted = self.limited = self.other = 0
        self.lock = threading.Lock()
        self.end = time.monotonic() + 90

    def one(self, name):
        try:
            with socket.create_connection((ORIGIN, 443), 10) as s:
                s.settimeout(10)
                s.sendall(hello(name))
                got = s.recv(7, socket.MSG_WAITALL)
        except OSError:
            got = b""
        with self.lock:
            if got[:1] == b"\x16":
                self.minted += 1
            elif got[:1] == b"\x15" and got[6:] == b"\x70":  # unrecognized_name
                self.limited += 1
            else:
                self.other += 1

    def loop(self):
        while self.limited < 200 and time.monotonic() < self.end:
            self.one(f"n{random.getrandbits(60):x}.flood.test")


def minting():
    f = Flood()
    f.one("known.flood.test")
    report("the first such name has a leaf", f.minted == 1, vars(f))
    threads = [threading.Thread(target=f.loop) for _ in range(16)]
    for t in threads:
        t.start()
    while not f.limited and time.monotonic() < f.end:
        time.sleep(0.05)
    served = []
    for _ in range(5):
        began = time.monotonic()
        try:
            urllib.request.urlopen("https://origin.test/", timeout=20).read()
            served.append(time.monotonic() - began)
        except OSError as e:
            served.append(repr(e))
    known = Flood()
    for _ in range(20):    # on one of the engines
        known.one("known.flood.test")
    for t in threads:
        t.join()
    report("a flood of names without a route runs out of leaves", f.limited >= 200 and f.minted >= 400, vars(f))
    report("...and a host that a route names does not", all(isinstance(x, float) for x in served), served)
    report("...nor a name that has one", known.minted >= 5, vars(known))
    time.sleep(1.5)
    f.minted = f.limited = f.other = 0
    f.one("later.flood.test")
    report("later there are leaves again", f.minted == 1, vars(f))


def wire(pcap, server):
    """Of each question upstream but its name and type: one value for all; IDs and source ports that cannot be foreseen."""
    data, at, rests, ids, ports, zero = open(pcap, "rb").read(), 24, {}, [], set(), 0
    while at < len(data):
        size = struct.unpack("<I", data[at + 8 : at + 12])[0]
        p, at = data[at + 16 : at + 16 + size], at + 16 + size
        if p[12:14] != b"\x08\0" or p[14] & 15 != 5 or p[23] != 17 or p[30:34] != socket.inet_aton(server) or p[36:38] != b"\0\x35":
            continue
        q = p[42:]
        end = q.index(b"\0", 12)
        rests.setdefault((p[15], q[2:12], q[end + 3 :]), []).append(q[12:end])
        ids.append(struct.unpack(">H", q[:2])[0])
        ports.add(p[34:36])
        zero += q[12:end] == b"\4zero\4test" and q[end + 1 : end + 3] == b"\0\1"
        assert q[12:end] == q[12:end].lower(), q
    steps = {(b - a) & 0xFFFF for a, b in zip(ids, ids[1:])}
    print(len(ids), "questions", len(ports), "ports", zero, "of zero.test", rests)
    return len(rests) == 1 and len(ids) >= 30 and len(steps) > len(ids) * 0.8 and len(ports) > len(ids) * 0.8 and 1 <= zero <= 4


if sys.argv[1] == "wire":
    sys.exit(not wire(*sys.argv[2:]))
SIDECAR, ORIGIN, STRANGE, FORBIDDEN = sys.argv[1:5]
CANARY = sys.argv[5].encode()
ports()
one_shape()
again_and_again()
special(int(sys.argv[6]))
minting()
