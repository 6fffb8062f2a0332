#!/usr/bin/env python3
"""HTTP/2 frames by hand, in ways that no library would send them. Each case prints "NAME: WHAT CAME".

usage: h2_raw.py HOST PATH-THAT-IS-BIG
"""
import os, socket, ssl, struct, sys, time

HOST, BIG = (sys.argv + ["", ""])[1:3]
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CODES = {0: "NO_ERROR", 1: "PROTOCOL_ERROR", 2: "INTERNAL_ERROR", 3: "FLOW_CONTROL_ERROR", 5: "STREAM_CLOSED",
         6: "FRAME_SIZE_ERROR", 7: "REFUSED_STREAM", 8: "CANCEL", 9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM"}


def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def integer(n, bits, first=0):
    most = (1 << bits) - 1
    if n < most:
        return bytes([first | n])
    out, n = [first | most], n - most
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def field(name, value):
    name, value = (x if isinstance(x, bytes) else x.encode("latin-1") for x in (name, value))
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def head(*extra, method="GET", path="/", scheme="https", authority=HOST, drop=(), order=0):
    """`order`: so many of `extra` come first."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    every = list(extra[:order]) + [x for x in pseudo if x[0] not in drop] + list(extra[order:])
    return b"".join(field(n, v) for n, v in every)


class Peer:
    def __init__(self, settings=b"", to=None):
        host, port = to or (HOST, 443)
        ctx = ssl.create_default_context()
        ctx.set_alpn_protocols(["h2"])
        self.s = ctx.wrap_socket(socket.create_connection((host, port), 5), server_hostname=host)
        assert self.s.selected_alpn_protocol() == "h2"
        self.buf = b""
        self.status, self.body, self.reset, self.ended, self.went, self.closed = {}, {}, {}, set(), None, False
        self.counts = {}
        self.credit = self.acks = True
        self.room = 65535  # what stream 1 and the connection take of us, at first
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, octets):
        try:
            self.s.sendall(octets)
        except OSError:
            self.closed = True

    def get(self, stream, *extra, fin=True, **kw):
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if fin else 0), stream, head(*extra, **kw)))

    def pump(self, seconds, until=lambda: False):
        end = time.time() + seconds
        while not until() and not self.closed and time.time() < end:
            self.s.settimeout(max(0.01, end - time.time()))
            try:
                octets = self.s.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            except OSError:
                octets = b""
            if not octets:
                self.closed = True
            self.buf += octets
            while len(self.buf) >= 9:
                n = int.from_bytes(self.buf[:3], "big")
                if len(self.buf) < 9 + n:
                    break
                kind, flags, stream = self.buf[3], self.buf[4], int.from_bytes(self.buf[5:9], "big")
                body, self.buf = self.buf[9:9 + n], self.buf[9 + n:]
                self.take(kind, flags, stream, body)

    def take(self, kind, flags, stream, body):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == SETTINGS and not flags & ACK:
            if not self.acks:
                return
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == HEADERS and stream not in self.status:
            first = body[0]  # our peers send :status first, indexed or as a literal
            known = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
            self.status[stream] = known.get(first) or int(unhuff(body))
        elif kind == DATA:
            self.body.setdefault(stream, bytearray()).extend(body)
            if self.credit and body:
                self.send(frame(WINDOW, 0, 0, struct.pack(">I", len(body))) +
                          frame(WINDOW, 0, stream, struct.pack(">I", len(body))))
        elif kind == WINDOW and stream == 1:
            self.room += int.from_bytes(body, "big")
        elif kind == RST:
            self.reset[stream] = CODES.get(int.from_bytes(body, "big"), body.hex())
        elif kind == GOAWAY:
            self.went = CODES.get(int.from_bytes(body[4:8], "big"), body.hex())
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def over(self, stream):
        return lambda: stream in self.ended or stream in self.reset or self.went or self.closed

    def tell(self, stream=1):
        what = []
        if stream in self.status:
            what.append(str(self.status[stream]))
        body = bytes(self.body.get(stream, b"")[:2000])
        if b'"reason":"' in body:
            what.append(body.split(b'"reason":"')[1].split(b'"')[0].decode())
        if stream in self.reset:
            what.append("RST " + self.reset[stream])
        if self.went:
            what.append("GOAWAY " + self.went)
        if self.closed:
            what.append("closed")
        return " ".join(what) or "nothing"


def unhuff(body):
    """The digits of a literal :status value: 0, 1, 2 have 5-bit codes, the others 6."""
    at = 1
    if body[0] & 0x40 and body[0] & 0x3f == 0 or body[0] == 0:
        at += 1 + (body[1] & 127)
    n, huffman = body[at] & 127, body[at] & 128
    text = body[at + 1:at + 1 + n]
    if not huffman:
        return text.decode()
    bits, out = "".join(f"{x:08b}" for x in text), ""
    while len(out) < 3:
        if bits[:5] in ("00000", "00001", "00010"):
            out, bits = out + str(int(bits[:5], 2)), bits[5:]
        else:
            out, bits = out + str(int(bits[:6], 2) - 0b011001 + 3), bits[6:]
    return out


CASES = {}


def case(f):
    CASES[f.__name__] = f
    return f


def simple(name, *extra, fin=True, data=None, **kw):
    def run():
        p = Peer()
        p.get(1, *extra, fin=fin, **kw)
        for octets, last in data or []:
            p.send(frame(DATA, END_STREAM if last else 0, 1, octets))
        p.pump(5, p.over(1))
        return p.tell()
    CASES[name] = run


simple("plain")
simple("post", fin=False, method="POST", data=[(b"abc", False), (b"def", True)])
simple("authority_other", authority="forbidden.test")
simple("host_same", ("host", HOST))
simple("host_differs", ("host", "forbidden.test"))
simple("host_only", ("host", HOST), drop=(":authority",))
simple("host_twice", ("host", HOST), ("host", HOST))
simple("no_authority", drop=(":authority",))
simple("authority_userinfo", authority="x@" + HOST)
simple("authority_space", authority=HOST + " x")
simple("authority_empty", authority="")
simple("no_path", drop=(":path",))
simple("no_method", drop=(":method",))
simple("no_scheme", drop=(":scheme",))
simple("scheme_http", scheme="http")
simple("scheme_odd", scheme="https://" + HOST + "/?")
simple("path_empty", path="")
simple("path_relative", path="index.html")
simple("path_absolute", path="https://forbidden.test/")
simple("path_crlf", path="/ HTTP/1.1\r\nhost: forbidden.test\r\n\r\n")
simple("path_space", path="/a b")
simple("path_asterisk", path="*")
simple("method_space", method="GET /x HTTP/1.1")
simple("method_crlf", method="GET\r\nx: y")
simple("method_empty", method="")
simple("connect", method="CONNECT", drop=(":scheme", ":path"))
simple("connect_full", method="CONNECT")
simple("protocol_odd", (":protocol", "connect-udp"), method="CONNECT", fin=False)
simple("protocol_late", ("a", "b"), (":protocol", "websocket"), method="CONNECT", fin=False)
simple("protocol_get", (":protocol", "websocket"))
simple("upper_name", ("X-Upper", "1"))
simple("empty_name", ("", "1"))
simple("name_space", ("a b", "1"))
simple("name_colon", ("a:b", "1"))
simple("name_crlf", ("a\r\nb", "1"))
simple("value_cr", ("a", "1\rb: 2"))
simple("value_crlf", ("a", "1\r\nb: 2"))
simple("value_lf", ("a", "1\nb: 2"))
simple("value_nul", ("a", "1\0"))
simple("value_lead_space", ("a", " 1"))
simple("value_trail_tab", ("a", "1\t"))
simple("pseudo_late", ("a", "b"), (":path", "/x"))
simple("pseudo_twice", (":path", "/x"))
simple("pseudo_unknown", (":evil", "/x"))
simple("pseudo_status", (":status", "200"))
simple("connection", ("connection", "close"))
simple("keep_alive", ("keep-alive", "1"))
simple("proxy_connection", ("proxy-connection", "close"))
simple("upgrade", ("upgrade", "websocket"))
simple("transfer_encoding", ("transfer-encoding", "chunked"), fin=False, method="POST", data=[(b"0\r\n\r\n", True)])
simple("te_gzip", ("te", "gzip"))
simple("te_trailers", ("te", "trailers"))
simple("length_more", ("content-length", "3"), fin=False, method="POST", data=[(b"abcGET / HTTP/1.1\r\n\r\n", True)])
simple("length_less", ("content-length", "9"), fin=False, method="POST", data=[(b"abc", True)])
simple("length_none", ("content-length", "9"), method="POST")
simple("length_twice", ("content-length", "3"), ("content-length", "4"), fin=False, method="POST", data=[(b"abc", True)])
simple("length_bad", ("content-length", "+3"), fin=False, method="POST", data=[(b"abc", True)])
simple("cookies", ("cookie", "a=1"), ("cookie", "b=2"), path="/cookies")
simple("many_fields", *[("x-%d" % i, "y") for i in range(300)])
simple("big_field", ("x", "y" * 14000))


@case
def trailers_ok():
    p = Peer()
    p.get(1, fin=False, method="POST")
    p.send(frame(DATA, 0, 1, b"abc") + frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x-sum", "1")))
    p.pump(5, p.over(1))
    return p.tell()


@case
def trailers_pseudo():
    p = Peer()
    p.get(1, fin=False, method="POST")
    p.send(frame(DATA, 0, 1, b"abc") + frame(HEADERS, END_HEADERS | END_STREAM, 1, field(":path", "/x")))
    p.pump(5, p.over(1))
    return p.tell()


@case
def trailers_not_last():
    p = Peer()
    p.get(1, fin=False, method="POST")
    p.send(frame(DATA, 0, 1, b"abc") + frame(HEADERS, END_HEADERS, 1, field("x-sum", "1")) + frame(DATA, END_STREAM, 1))
    p.pump(5, p.over(1))
    return p.tell()


@case
def big_list():
    """100 KiB of fields: over the limit that we announce."""
    p = Peer()
    block = head(*[("x-%d" % i, "y" * 1000) for i in range(100)])
    p.send(frame(HEADERS, END_STREAM, 1, block[:16384]))
    rest = block[16384:]
    while rest:
        part, rest = rest[:16384], rest[16384:]
        p.send(frame(CONT, 0 if rest else END_HEADERS, 1, part))
    p.pump(5, p.over(1))
    return p.tell()


def flood(octets, times, until=None):
    p = Peer()
    p.pump(0.3)
    for i in range(times):
        p.send(octets(i) if callable(octets) else octets)
        if p.closed:
            break
        if i % 50 == 49:
            p.pump(0.001)
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_rapid_reset():
    return flood(lambda i: frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head(path=BIG)) +
                 frame(RST, 0, 2 * i + 1, struct.pack(">I", 8)), 5000)


@case
def flood_ping():
    return flood(frame(PING, 0, 0, b"12345678") * 20, 500)


@case
def flood_settings():
    return flood(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 20, 500)


@case
def flood_settings_empty():
    return flood(frame(SETTINGS, 0, 0) * 20, 500)


@case
def flood_priority():
    return flood(lambda i: frame(PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 0, 10)) * 20, 1000)


@case
def flood_window():
    return flood(frame(WINDOW, 0, 0, struct.pack(">I", 1)) * 20, 1000)


@case
def flood_unknown():
    return flood(frame(0xbb, 0, 0, b"x" * 10) * 20, 1000)


@case
def flood_empty_data():
    p = Peer()
    p.get(1, fin=False, method="POST")
    for i in range(500):
        p.send(frame(DATA, 0, 1) * 20)
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_padding():
    p = Peer()
    p.get(1, fin=False, method="POST")
    for i in range(500):
        p.send(frame(DATA, PADDED, 1, b"\x0f" + b"\0" * 15) * 20)
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_continuation():
    p = Peer()
    p.send(frame(HEADERS, 0, 1, head()))
    for i in range(2000):
        p.send(frame(CONT, 0, 1, field("x-%d" % i, "y" * 100)))
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_continuation_empty():
    p = Peer()
    p.send(frame(HEADERS, 0, 1, head()))
    for i in range(2000):
        p.send(frame(CONT, 0, 1))
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_hpack_bomb():
    """One big entry in the table, named thousands of times."""
    p = Peer()
    entry = b"\x40" + integer(1, 7) + b"a" + integer(3900, 7) + b"b" * 3900
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head() + entry + b"\xbe" * 12000))
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_streams():
    """More streams at once than SETTINGS allow."""
    p = Peer()
    p.credit = False
    p.pump(0.3)
    for i in range(2000):
        p.send(frame(HEADERS, END_HEADERS, 2 * i + 1, head(method="POST")))
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1) if p.went or p.closed else "refused %d" % len(p.reset)


@case
def flood_closed():
    """Data for a stream that is over."""
    p = Peer()
    p.get(1)
    p.pump(3, p.over(1))
    for i in range(500):
        p.send(frame(DATA, 0, 1, b"") * 20)
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def flood_ignored():
    """Trailers for a stream that was reset."""
    p = Peer()
    p.get(1, path=BIG)
    p.send(frame(RST, 0, 1, struct.pack(">I", 8)))
    for i in range(500):
        p.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, field("a", "b")) * 20)
    p.pump(3, lambda: p.went or p.closed)
    return p.tell(-1)


def made_reset(name, octets, fin=True, **kw):
    """Makes us reset streams whose work has begun (CVE-2025-8671)."""
    def run():
        return flood(lambda i: frame(HEADERS, END_HEADERS | (END_STREAM if fin else 0), 2 * i + 1, head(path=BIG, **kw)) + octets(2 * i + 1), 5000)
    CASES["made_reset_" + name] = run


made_reset("window_zero", lambda s: frame(WINDOW, 0, s, struct.pack(">I", 0)))
made_reset("window_over", lambda s: frame(WINDOW, 0, s, struct.pack(">I", 0x7fffffff)))
made_reset("window_short", lambda s: frame(WINDOW, 0, s, b"\0"))
made_reset("priority_short", lambda s: frame(PRIORITY, 0, s, b"\0\0\0\0"))
made_reset("data_over", lambda s: frame(DATA, END_STREAM, s, b"x" * 10) + frame(DATA, 0, s, b"x"), fin=False, method="POST")
made_reset("data_ended", lambda s: frame(DATA, 0, s, b"x"))
made_reset("head_ended", lambda s: frame(HEADERS, END_HEADERS, s, field("a", "b")))
made_reset("head_bad", lambda s: frame(HEADERS, END_HEADERS | END_STREAM, s, field(":path", "/")), fin=False, method="POST")
CASES["made_reset_length"] = lambda: flood(lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, head(("content-length", "1"), path=BIG, method="POST")) + frame(DATA, END_STREAM, 2 * i + 1, b"xyz"), 5000)


@case
def zero_window():
    """No window at all: nothing comes, the others are not held up, and nothing grows."""
    p = Peer(struct.pack(">HI", 4, 0))
    for i in range(50):
        p.get(2 * i + 1, path=BIG)
    p.pump(1)
    got = sum(len(b) for b in p.body.values())
    q = Peer()
    q.get(1)
    q.pump(5, q.over(1))
    p.credit = False
    p.send(frame(WINDOW, 0, 1, struct.pack(">I", 5)))
    p.pump(1, lambda: 1 in p.body)
    p.pump(12, lambda: 3 in p.reset or p.went or p.closed)
    return "%d then %d, other %s, in the end %s" % (got, len(p.body.get(1, b"")), q.tell(), p.reset.get(3))


@case
def slow_stream():
    """A stream whose window is shut does not hold up the one beside it."""
    p = Peer(struct.pack(">HI", 4, 1000))
    p.credit = False
    p.send(frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
    p.get(1, path=BIG)
    p.pump(0.5)
    p.get(3, path=BIG)
    p.send(frame(WINDOW, 0, 3, struct.pack(">I", 1 << 30)))
    p.pump(20, p.over(3))
    return "%d beside %d" % (len(p.body.get(1, b"")), len(p.body.get(3, b"")))


@case
def not_http2():
    p = Peer()
    p.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    p.pump(3)
    return p.tell(-1)


@case
def slow_head():
    """A head that never ends: the connection does, in the time that the policy gives for one."""
    p = Peer()
    p.acks = False
    p.send(frame(HEADERS, 0, 1, head()))
    p.pump(30, lambda: p.went or p.closed)
    return p.tell(-1)


@case
def stream_zero():
    p = Peer()
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, 0, head()))
    p.pump(3)
    return p.tell(-1)


@case
def even_stream():
    p = Peer()
    p.get(2)
    p.pump(3)
    return p.tell(-1)


@case
def data_on_idle():
    p = Peer()
    p.send(frame(DATA, END_STREAM, 5, b"abc"))
    p.pump(3)
    return p.tell(-1)


@case
def frame_too_long():
    p = Peer()
    p.get(1, fin=False, method="POST")
    p.send(frame(DATA, 0, 1, b"x" * 17000))
    p.pump(3)
    return p.tell(-1)


@case
def window_overflow():
    p = Peer()
    p.send(frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff)))
    p.pump(3)
    return p.tell(-1)


@case
def more_than_the_window():
    """A body that does not wait for window updates."""
    p = Peer()
    p.get(1, fin=False, method="POST")
    for i in range(1200):
        p.send(frame(DATA, 0, 1, b"x" * 16384))
    p.pump(3, lambda: p.went or p.closed or 1 in p.reset)
    return p.tell(1)


@case
def bad_hpack():
    p = Peer()
    p.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff"))
    p.pump(3)
    return p.tell(-1)


if __name__ == "__main__":
    wanted = sys.argv[3:] or CASES
    for name in wanted:
        begun = time.time()
        try:
            what = CASES[name]()
        except Exception as e:  # a case that cannot be told about is a failure to look at
            what = "EXCEPTION %r" % e
        print("%s: %s" % (name, what), flush=True)
        if time.time() - begun > 20:
            print("%s took %.0f s" % (name, time.time() - begun), flush=True)
