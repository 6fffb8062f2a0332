"""An upstream that speaks HTTP/2 in ways no library would, by the name it is asked at, and the agent's side of it.

usage: attack_upstream_h2.py serve ADDRESS CERT KEY RECORD-DIRECTORY
       attack_upstream_h2.py                  inside a sandbox: prints "ok NAME" and "not ok NAME: why"
"""
import os, struct, subprocess, sys, time

from h2_raw import ACK, CONT, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PUSH, RST, SETTINGS, WINDOW, field, frame, integer
from serving import listen, tls_context

OK = b"\x88"  # :status 200
START = frame(HEADERS, END_HEADERS, 1, OK)
WORD = struct.Struct(">I").pack


def setting(k, v):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", k, v))


# What comes 20,000 times after the response's head, or until we are cut off.
FLOODS = {
    "ping": frame(PING, 0, 0, b"12345678"), "settings": setting(4, 65535), "settings-empty": frame(SETTINGS, 0, 0), "priority": frame(PRIORITY, 0, 1, WORD(0) + b"\x10"),
    "window": frame(WINDOW, 0, 0, WORD(1)), "window-stream": frame(WINDOW, 0, 1, WORD(1)), "unknown": frame(0xbb, 0, 0, b"x" * 10), "altsvc": frame(0xa, 0, 0, b"\0\0x"),
    "empty-data": frame(DATA, 0, 1), "padding": frame(DATA, PADDED, 1, b"\x0f" + b"\0" * 15), "ping-ack": frame(PING, ACK, 0, b"12345678"), "goaway": frame(GOAWAY, 0, 0, WORD(1) + WORD(0)),
    "reset-closed": frame(RST, 0, 1, WORD(8)), "settings-ack": frame(SETTINGS, ACK, 0),
}
# What comes in place of, or after, an answer; the agent must not take it for a whole one.
ANSWERS = {
    "continuation": frame(HEADERS, 0, 1, OK) + b"".join(frame(CONT, 0, 1, field("x-%d" % i, "y" * 100)) for i in range(2000)),
    "continuation-empty": frame(HEADERS, 0, 1, OK) + frame(CONT, 0, 1) * 5000,
    "hpack-bomb": frame(HEADERS, END_HEADERS, 1, OK + b"\x40" + integer(1, 7) + b"a" + integer(3900, 7) + b"b" * 3900 + b"\xbe" * 12000),
    "big-list": frame(HEADERS, 0, 1, OK) + b"".join(frame(CONT, END_HEADERS if i == 5 else 0, 1, b"".join(field("x-%d-%d" % (i, j), "y" * 1000) for j in range(15))) for i in range(6)),
    "interim": frame(HEADERS, END_HEADERS, 1, field(":status", "103")) * 5000, "push": frame(PUSH, END_HEADERS, 1, WORD(2) + b"\x82\x87\x84\x41\x01x"),
    "even": frame(HEADERS, END_HEADERS, 2, OK), "idle": frame(DATA, 0, 5, b"x"), "zero": frame(HEADERS, END_HEADERS, 0, OK), "long": frame(DATA, 0, 1, b"x" * 17000), "bad-hpack": frame(HEADERS, END_HEADERS, 1, b"\xff" * 6),
    "table": frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\xff\xff\x7f" + OK), "frame-size": setting(5, 1), "window-size": setting(4, 1 << 31), "push-setting": setting(2, 2), "window-overflow": frame(WINDOW, 0, 0, WORD(0x7fffffff)),
    "window-zero": frame(WINDOW, 0, 1, WORD(0)), "self": frame(PRIORITY, 0, 1, WORD(1) + b"\x10") + frame(RST, 0, 1, WORD(2)), "pad-all": frame(DATA, PADDED, 1, b"\xff"), "nothing": b"", "garbage": os.urandom(4000), "http1": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n",
    "two-heads": START + START, "status-twice": frame(HEADERS, END_HEADERS, 1, OK + OK), "upper": frame(HEADERS, END_HEADERS, 1, OK + field("X-Up", "y")), "crlf": frame(HEADERS, END_HEADERS | END_STREAM, 1, OK + field("a", "b\r\nset-cookie: poison=1")),
    "te": frame(HEADERS, END_HEADERS, 1, OK + field("transfer-encoding", "chunked")) + frame(DATA, END_STREAM, 1, b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\npoison"),
}
# Truncated: a part of the body, and an end that is not one.
PART = frame(DATA, 0, 1, b"part")
CUTS = {
    "cut-close": START + PART, "cut-reset": START + PART + frame(RST, 0, 1, WORD(2)), "cut-reset-none": START + PART + frame(RST, 0, 1, WORD(0)), "cut-goaway": START + PART + frame(GOAWAY, 0, 0, WORD(1) + WORD(0)), "cut-goaway-less": START + PART + frame(GOAWAY, 0, 0, WORD(0) + WORD(2)),
    "cut-length": frame(HEADERS, END_HEADERS, 1, OK + field("content-length", "100")) + frame(DATA, END_STREAM, 1, b"part"), "cut-more": frame(HEADERS, END_HEADERS, 1, OK + field("content-length", "2")) + frame(DATA, END_STREAM, 1, b"part"),
    "cut-midframe": START + PART + frame(DATA, END_STREAM, 1, b"x" * 100)[:50], "cut-trailers": START + PART + frame(HEADERS, END_HEADERS, 1, field("x-sum", "1")), "cut-pseudo": START + PART + frame(HEADERS, END_HEADERS | END_STREAM, 1, OK),
}


class Upstream:
    def __init__(self, s, record):
        self.s, self.record, self.buf = s, record, b""

    def need(self, n):
        while len(self.buf) < n:
            piece = self.s.recv(65536)
            if not piece:
                raise EOFError
            self.buf += piece
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def frame(self):
        h = self.need(9)
        return h[3], h[4], int.from_bytes(h[5:9], "big"), self.need(int.from_bytes(h[:3], "big"))

    def note(self, what):
        with open(os.path.join(self.record, self.name), "a") as f:
            f.write(what + "\n")

    def flood(self, octets):
        """How many were taken until the end."""
        self.s.sendall(START)
        sent = 0
        try:
            while sent < 20000:
                self.s.sendall(octets * 20)
                sent += 20
                time.sleep(0.0005)
            self.note("all were taken")
        except OSError:
            self.note("cut off")

    def uploads(self):
        """Windows of an octet (CVE-2019-9511), or of nothing (CVE-2019-9517)."""
        if self.name == "drip":
            for _ in range(200):
                self.s.sendall(frame(WINDOW, 0, 1, WORD(1)) + frame(WINDOW, 0, 0, WORD(1)))
                time.sleep(0.005)
            self.s.sendall(frame(HEADERS, END_HEADERS | END_STREAM, 1, OK))
        try:
            self.s.settimeout(20)
            while True:
                self.frame()
        except (EOFError, OSError):
            self.note("the end")

    def serve(self, name):
        self.name = name
        self.need(24)
        first = setting(4, 0) if name in ("drip", "shut") else setting(3, 0) if name == "no-streams" else frame(SETTINGS, 0, 0)
        self.s.sendall(first + frame(SETTINGS, ACK, 0))
        while True:
            kind, flags, stream, body = self.frame()
            if kind == HEADERS:
                break
        if name in FLOODS:
            self.flood(FLOODS[name])
        elif name in ("drip", "shut"):
            self.uploads()
        elif name in ANSWERS or name in CUTS:
            self.s.sendall({**ANSWERS, **CUTS}[name])
            if name.startswith("cut-goaway") or name in ("idle", "even", "push", "long"):
                time.sleep(0.3)
        elif name == "made-reset":  # each answer makes us reset the stream: so many, then the session must not be used any more
            n = 0
            try:
                while True:
                    n += 1
                    self.s.sendall(frame(WINDOW, 0, stream, WORD(0)))
                    while True:
                        kind, flags, stream, body = self.frame()
                        if kind == HEADERS:
                            break
            except (EOFError, OSError):
                self.note("%d streams" % n)
        else:
            while True:
                self.s.sendall(frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, END_STREAM, stream, b"fine\n"))
                kind = None
                while kind != HEADERS:
                    kind, flags, stream, body = self.frame()


def serve(address, cert, key, record):
    names = {}
    context = tls_context(cert, key, ["h2", "http/1.1"])
    context.sni_callback = lambda s, name, _: names.__setitem__(id(s), name)

    def connection(raw):
        try:
            with context.wrap_socket(raw, server_side=True) as s:
                name = (names.pop(id(s), "") or "").split(".")[0]
                if s.selected_alpn_protocol() == "h2":
                    Upstream(s, record).serve(name)
        except (OSError, EOFError, ValueError):
            raw.close()

    listen(address, 443, connection)


# ---- the agent's side ----

def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def curl(name, *words, version="--http1.1"):
    began = time.monotonic()
    p = subprocess.run(["curl", "-sS", version, "--max-time", "15", "-w", "\n%{http_code}", *words, f"https://{name}.h2bad.test/"], capture_output=True)
    body, _, status = p.stdout.rpartition(b"\n")
    return p.returncode, status.decode(), body, time.monotonic() - began, p.stderr.decode()


def agent():
    def fine(after):
        for version in ("--http1.1", "--http2"):
            code, status, body, took, err = curl("fine", version=version)
            report(f"...and another is served after {after} ({version[2:]})", (code, status, body) == (0, "200", b"fine\n"), f"{code} {status} {body!r} {err}")

    def one(name, want):
        for version in ("--http1.1", "--http2"):
            code, status, body, took, err = curl(name, version=version)
            good = (code != 0 or status in want) and code != 28 and b"poison" not in body and took < 12
            report(f"an HTTP/2 upstream's {name}, {version[2:]} agent", good, f"curl {code} {status} {body[:200]!r} {took:.1f} s {err}")

    for name in FLOODS:
        one(name, ("502",))
    fine("the floods")
    for name in ANSWERS:
        one(name, ("502",))
    fine("the odd answers")
    for name in CUTS:
        code, status, body, took, err = curl(name)
        report(f"{name}: truncated, HTTP/1.1 agent", code in (18, 56) or status == "502", f"curl {code} {status} {body!r}")
        code, status, body, took, err = curl(name, version="--http2")
        report(f"{name}: truncated, HTTP/2 agent", code in (18, 56, 92) or status == "502", f"curl {code} {status} {body!r}")
    code, status, body, took, err = curl("drip", "--data-binary", "x" * 150)
    report("an upload by windows of an octet", status == "200", f"curl {code} {status} {took:.1f} s {err}")
    code, status, body, took, err = curl("shut", "--data-binary", "x" * 100000, "--max-time", "14")
    report("an upload into no window ends in time", status == "504" and b"upstream_unreachable" in body, f"curl {code} {status} {body!r} {took:.1f} s {err}")
    code, status, body, took, err = curl("no-streams")
    report("an upstream that takes no streams", status in ("200", "502") and took < 12, f"curl {code} {status} {body!r} {took:.1f} s {err}")
    for _ in range(30):
        curl("made-reset")
    fine("streams that we are made to reset")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
    else:
        agent()
