#!/usr/bin/env python3
"""WebSocket by hand.

usage: ws_raw.py serve ADDRESS PORT CERT KEY     echoes messages; /bad-* breaks a rule in a certain way
       ws_raw.py HOST PORT [CASE...]             prints "CASE: WHAT CAME"
"""
import base64, hashlib, os, socket, ssl, struct, sys, threading, time, zlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(op, data=b"", fin=True, rsv=0, key=None, length=None, wide=None):
    n = len(data) if length is None else length
    out = bytes([(0x80 if fin else 0) | rsv << 4 | op])
    m = 0x80 if key is not None else 0
    if wide == 2 or (wide is None and 126 <= n < 65536):
        out += bytes([m | 126]) + struct.pack(">H", n)
    elif wide == 8 or (wide is None and n >= 65536):
        out += bytes([m | 127]) + struct.pack(">Q", n)
    else:
        out += bytes([m | n])
    if key is None:
        return out + data
    return out + key + bytes(b ^ key[i & 3] for i, b in enumerate(data))


class Stream:
    def __init__(self, s):
        self.s, self.buf = s, b""

    def need(self, n):
        while len(self.buf) < n:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.buf += got
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def head(self):
        while b"\r\n\r\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.buf += got
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        return head.decode("latin-1")

    def frame(self):
        a, b = self.need(2)
        n = b & 127
        if n == 126:
            n = struct.unpack(">H", self.need(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.need(8))[0]
        key = self.need(4) if b & 128 else b"\0\0\0\0"
        data = self.need(n)
        if any(key):
            data = bytes(x ^ key[i & 3] for i, x in enumerate(data))
        return a & 15, bool(a & 128), data, bool(b & 128)


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def fields(head):
    return {k.strip().lower(): v.strip() for k, v in (l.split(":", 1) for l in head.split("\r\n")[1:])}


BAD = {"/bad-mask": frame(1, b"x", key=b"abcd"), "/bad-rsv": frame(1, b"x", rsv=4), "/bad-op": frame(3, b"x"),
       "/bad-length": frame(1, b"x", wide=2), "/bad-cont": frame(0, b"x"), "/bad-ping": frame(9, b"x" * 126)}


def serve_one(s):
    try:
        st = Stream(s)
        head = st.head()
        f, path = fields(head), head.split(" ")[1]
        if f.get("upgrade", "").lower() != "websocket":
            s.sendall(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n")
            return
        accept = accept_of(f["sec-websocket-key"])
        if path == "/no":
            s.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            return
        if path == "/bad-accept":
            accept = accept_of("x")
        extra = "sec-websocket-extensions: permessage-deflate\r\n" if path == "/bad-extension" else ""
        extra += "".join("x-seen-%s: %s\r\n" % (k, v) for k, v in f.items() if k.startswith("sec-websocket-") and k != "sec-websocket-key")
        s.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: %s\r\n%s\r\n" % (accept, extra)).encode())
        if path in BAD:
            s.sendall(frame(1, b"fine") + BAD[path])
            time.sleep(1)
            return
        masks = set()
        while True:
            op, fin, data, masked = st.frame()
            assert masked
            if op == 8:
                s.sendall(frame(8, data))
                return
            s.sendall(frame(10, data) if op == 9 else frame(op, data, fin))
    except (EOFError, OSError, AssertionError) as e:
        print("server: %r" % e, file=sys.stderr, flush=True)
    finally:
        s.close()


def serve(address, port, cert, key):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert, key)
    listener = socket.create_server((address, int(port)), backlog=100)

    def handshake(s):
        try:
            serve_one(ctx.wrap_socket(s, server_side=True))
        except OSError:
            s.close()

    while True:
        s, _ = listener.accept()
        threading.Thread(target=handshake, args=(s,), daemon=True).start()


# ---- the agent's side ----

KEY = base64.b64encode(b"0123456789abcdef").decode()
MASK = b"\x11\x22\x33\x44"


class Client:
    def __init__(self, host, port, path="/", extra=(), key=KEY, version="13", host_field=None):
        ctx = ssl.create_default_context()
        self.s = ctx.wrap_socket(socket.create_connection((host, port), 5), server_hostname=host)
        self.s.settimeout(5)
        self.st = Stream(self.s)
        lines = ["GET %s HTTP/1.1" % path, "Host: %s:%d" % (host_field or host, port), "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: " + key] if key is not None else []
        lines += ["Sec-WebSocket-Version: " + version] if version is not None else []
        self.s.sendall(("\r\n".join(lines + list(extra)) + "\r\n\r\n").encode())
        head = self.st.head()
        self.status = int(head.split(" ")[1])
        self.fields = fields(head)

    def send(self, op, data=b"", **kw):
        kw.setdefault("key", MASK)
        self.s.sendall(frame(op, data, **kw))

    def message(self):
        op, fin, data, masked = self.st.frame()
        assert not masked, "a masked frame came to the client"
        whole = data
        while not fin:
            o, fin, data, masked = self.st.frame()
            if o >= 8:
                return "control in message %d" % o
            whole += data
        return (op, whole)

    def ending(self):
        """Close codes until the end."""
        out = []
        try:
            while True:
                op, fin, data, _ = self.st.frame()
                out.append("close %d" % struct.unpack(">H", data[:2]) if op == 8 else "op%d %d" % (op, len(data)))
        except (EOFError, OSError) as e:
            out.append("EOF" if isinstance(e, EOFError) else type(e).__name__)
        return " ".join(out)


def cases(host, port, wanted):
    def echo():
        c = Client(host, port)
        assert c.status == 101 and c.fields["sec-websocket-accept"] == accept_of(KEY), c.fields
        c.send(1, b"hello")
        assert c.message() == (1, b"hello")
        c.send(9, b"p")
        assert c.message() == (10, b"p")
        c.send(2, b"ab", fin=False)
        c.send(9, b"mid")
        c.send(0, b"cd")
        got = [c.st.frame()[:3] for i in range(2)]
        while got[-1][0] == 10 or not got[-1][1]:
            got.append(c.st.frame()[:3])
        assert b"".join(f[2] for f in got if f[0] != 10) == b"abcd" and (10, True, b"mid") in got, got
        c.send(8, struct.pack(">H", 1000) + b"bye")
        return c.ending()

    def redacted():
        """What the echo brings back of the secret in $WS_SECRET: whole, in pieces, in two fragments."""
        c, value, out = Client(host, port), os.environ["WS_SECRET"].encode(), []
        c.send(1, b"a " + value + b" b")
        out.append(c.message())
        c.send(2, value[:9], fin=False)
        c.send(0, value[9:])
        out.append(c.message())
        return "redacted" if out == [(1, b"a " + b"*" * len(value) + b" b"), (2, b"*" * len(value))] else repr(out)

    def redacted_halves():
        """Of a secret in two messages the first half has come; the second must not."""
        c, value = Client(host, port), os.environ["WS_SECRET"].encode()
        c.send(1, b"a " + value[:16])
        first = c.message()
        c.send(1, value[16:] + b" b")
        return "halved " + c.ending() if first == (1, b"a " + value[:16]) else repr(first)

    def sizes():
        c = Client(host, port)
        for n in (0, 1, 125, 126, 127, 65535, 65536, 300000, 3000000):
            data = os.urandom(n)
            c.send(2, data)
            try:
                got = c.message()
            except EOFError:
                raise Exception("the end at %d" % n)
            assert got == (2, data), (n, got[0], len(got[1]))
        return "ok"

    def bytewise():
        c = Client(host, port)
        for b in frame(1, b"slow" * 40, key=MASK):
            c.s.sendall(bytes([b]))
        assert c.message() == (1, b"slow" * 40)
        return "ok"

    def extensions():
        c = Client(host, port, extra=["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: chat"])
        return " ".join(sorted(k for k in c.fields if "extension" in k or "protocol" in k)) or "none"

    def handshake(**kw):
        def run():
            c = Client(host, port, **kw)
            return str(c.status)
        return run

    def bad(*a, **kw):
        def run():
            c = Client(host, port)
            c.send(*a, **kw)
            return c.ending()
        return run

    def bad_server(path):
        def run():
            c = Client(host, port, path)
            return str(c.status) + " " + c.ending()
        return run

    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    token, n = "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0", None
    n = zlib.crc32(token[4:].encode())
    token = (token + "".join(digits[n // 62 ** i % 62] for i in range(5, -1, -1))).encode()  # it proves itself

    def secret(*frames):
        def run():
            c = Client(host, port)
            c.send(1, b"before")
            assert c.message() == (1, b"before")
            for op, data, fin in frames:
                c.send(op, data, fin=fin)
                time.sleep(0.05)
            return c.ending()
        return run

    def halves(*messages, op=1):
        """All but the last one come back, and of that one nothing."""
        def run():
            c = Client(host, port)
            for m in messages[:-1]:
                c.send(op, m)
                assert c.message() == (op, m)
            for i in range(len(messages[-1])):
                c.send(0 if i else op, messages[-1][i:i + 1], fin=i + 1 == len(messages[-1]))
            return c.ending()
        return run

    def h2(early=b"", path="/"):
        import h2_raw
        p = h2_raw.Peer(to=(host, port))
        p.pump(0.3)
        p.get(1, (":protocol", "websocket"), ("sec-websocket-version", "13"), method="CONNECT", path=path, fin=False,
              authority="%s:%d" % (host, port), order=1)
        if early:
            p.send(h2_raw.frame(0, 0, 1, early))
        p.pump(3, lambda: 1 in p.status or p.over(1)())
        return h2_raw, p

    def over_http2():
        h2_raw, p = h2()
        p.send(h2_raw.frame(0, 0, 1, frame(1, b"hello", key=MASK)))
        p.pump(3, lambda: len(p.body.get(1, b"")) >= 7)
        assert p.body[1] == frame(1, b"hello"), p.body
        p.send(h2_raw.frame(0, 0, 1, frame(1, b"not masked")))
        p.pump(3, p.over(1))
        return p.tell() + " " + bytes(p.body[1][7:]).hex()

    def via():
        c = Client(host, port, path="/via")
        assert c.status == 101, c.status
        return c.message()[1].decode()

    def via_http2():
        h2_raw, p = h2(path="/via")
        p.pump(3, lambda: len(p.body.get(1, b"")) >= 2)
        body = bytes(p.body.get(1, b""))
        return "%s %s" % (p.status.get(1), body[2:].decode())

    def big_http2():
        """A message both ways that is larger than any window."""
        h2_raw, p = h2()
        sent, want = os.urandom(600000), 600010
        octets = frame(2, sent, key=MASK)
        for i in range(0, len(octets), 16384):
            while p.room < 16384 and not p.over(1)():
                p.pump(3, lambda: p.room >= 16384 or p.over(1)())
            p.room -= 16384
            p.send(h2_raw.frame(0, 0, 1, octets[i:i + 16384]))
        p.pump(10, lambda: len(p.body.get(1, b"")) >= want or p.over(1)())
        # it may come in fragments
        got, at, body = b"", 0, bytes(p.body.get(1, b""))
        while at < len(body):
            n, at = body[at + 1] & 127, at + 2
            if n > 125:
                wide = 2 if n == 126 else 8
                n, at = int.from_bytes(body[at:at + wide], "big"), at + wide
            got, at = got + body[at:at + n], at + n
        return "ok" if got == sent else "%d of %d %s" % (len(got), len(sent), p.tell())

    def half_close():
        """The close handshake over, our end is the stream's end, and no reset."""
        h2_raw, p = h2()
        p.send(h2_raw.frame(0, 0, 1, frame(8, struct.pack(">H", 1000), key=MASK)))
        p.send(h2_raw.frame(0, h2_raw.END_STREAM, 1, b""))
        p.pump(3, p.over(1))
        return "%s %s %s" % (p.status.get(1), bytes(p.body.get(1, b"")).hex(), p.reset.get(1))

    def over_http2_early():
        h2_raw, p = h2(frame(1, b"hello", key=MASK))
        p.pump(3, p.over(1))
        return p.tell()

    table = {
        "secret": secret((1, b"x " + token + b" y", True)), "secret_split": secret((1, b"x " + token[:20], False), (0, token[20:] + b" y", True)),
        "halves": halves(b"x " + token[:20], token[20:] + b" y"), "halves_binary": halves(b"\0\1" + token[:7], token[7:] + b"\2", op=2),
        "thirds": halves(b"some " + token[:12], token[12:25], token[25:]),
        "halves_json": halves(b'{"id":1,"text":"' + token[:20] + b'"}', b'{"id":2,"text":"' + token[20:] + b'"}'),
        "secret_ping": secret((9, token, True)), "secret_binary": secret((2, b"\0\1 " + token + b" \2", True)),
        "echo": echo, "redacted": redacted, "redacted_halves": redacted_halves, "sizes": sizes, "bytewise": bytewise, "extensions": extensions,
        "refused": handshake(path="/no"), "no_key": handshake(key=None), "short_key": handshake(key="eA=="),
        "version_8": handshake(version="8"), "no_version": handshake(version=None),
        "two_keys": handshake(extra=["Sec-WebSocket-Key: " + KEY]), "host_differs": handshake(host_field="forbidden.test"),
        "unmasked": bad(1, b"x", key=None), "rsv1": bad(1, b"x", rsv=4), "opcode_3": bad(3, b"x"), "opcode_11": bad(11),
        "long_ping": bad(9, b"x" * 126), "split_ping": bad(9, b"x", fin=False), "half_close_code": bad(8, b"x"),
        "close_1005": bad(8, struct.pack(">H", 1005)), "close_999": bad(8, struct.pack(">H", 999)),
        "padded_length": bad(1, b"x", wide=2), "padded_length_8": bad(1, b"x", wide=8),
        "huge_length": bad(1, b"x", wide=8, length=1 << 63), "cont_of_nothing": bad(0, b"x"),
        "message_in_message": lambda: (lambda c: (c.send(1, b"x", fin=False), c.send(1, b"y"), c.ending())[2])(Client(host, port)),
        "via": via, "via_http2": via_http2, "big_http2": big_http2, "half_close": half_close,
        "end": handshake(path="/end"), "extension": handshake(path="/extension"), "trailers": bad_server("/trailers"),
        "over_http2": over_http2, "over_http2_early": over_http2_early,
        "after_close": lambda: (lambda c: (c.s.sendall(frame(8, b"", key=MASK) + frame(1, b"y", key=MASK)), c.ending())[1])(Client(host, port)),
        "http_inside": lambda: (lambda c: (c.s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), c.ending())[1])(Client(host, port)),
        "bad_accept": handshake(path="/bad-accept"), "bad_extension": handshake(path="/bad-extension"),
    }
    table.update({"server" + p.replace("/bad-", "_"): bad_server(p) for p in BAD})
    for name in wanted or [n for n in table if n not in ("redacted", "redacted_halves", "via", "via_http2", "end", "extension", "trailers")]:
        try:
            what = table[name]()
        except Exception as e:
            what = "EXCEPTION %r" % e
        print("%s: %s" % (name, what), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        cases(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
