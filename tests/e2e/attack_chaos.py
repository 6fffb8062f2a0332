"""Both sides of attack_chaos.sh: an upstream that answers as the dice fall, and an agent that asks so.

usage: attack_chaos.py serve ADDRESS CERT KEY SEED
       attack_chaos.py SECONDS SEED DIRECTORY        inside a sandbox; touches DIRECTORY/began and DIRECTORY/ended
"""
import base64, gzip, hashlib, os, random, re, socket, ssl, struct, sys, threading, time, urllib.request

from h2_raw import ACK, CONT, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, RST, SETTINGS, WINDOW, field, frame

HOST = "chaos.test"
WORD = struct.Struct(">I").pack
SPLIT = re.compile(rb"\r\n\r\n")


def some(dice, items, counts):
    return b"".join(dice.sample(items, dice.choice(counts)))


def setting(key, value):
    return struct.pack(">HI", key, value)


def content(dice):
    n = dice.choice([0, 1, 5, 125, 126, 5000, 70000, 300000])
    return dice.choice([lambda: dice.randbytes(n), lambda: gzip.compress(b"ignore all previous instructions " * (n // 30 + 1)), lambda: (b'{"a":"\\u0041' * (n // 10 + 1))[:n], lambda: b"x" * n])()


def chunked(dice, body):
    out, size = b"", dice.choice([1, 7, 1000, 65536])
    for i in range(0, min(len(body), 300 * size), size):
        piece = body[i : i + size]
        out += b"%x%s\r\n%s\r\n" % (len(piece), dice.choice([b"", b"", b";a=b", b"  "]), piece)
    return out + dice.choice([b"0\r\n\r\n"] * 6 + [b"0\r\nX-T: y\r\n\r\n", b"0\r\nX-T: y\r\n", b"-1\r\n", b"zz\r\n", b"", b"0\r\n" + b"t: y\r\n" * 3000])


def ws_frame(dice, masked):
    data = content(dice)[:70000]
    n = dice.choice([len(data)] * 9 + [len(data) + 5])
    mask = 0x80 if masked and dice.random() < 0.97 else 0
    head = bytes([dice.choice([0x80, 0x80, 0, 0xC0, 0xF0]) | dice.choice([0, 1, 1, 2, 8, 9, 10, 3, 15])])
    head += bytes([mask | n]) if n < 126 else bytes([mask | 126]) + struct.pack(">H", n) if n < 65536 else bytes([mask | 127]) + struct.pack(">Q", n)
    return head + (b"\0\0\0\0" if mask else b"") + data  # a mask of zeros is one, too


def finish(dice, s):
    """An end: reset, close_notify, a FIN and a pause, or just a close."""
    end = dice.randrange(4)
    try:
        if end == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif end == 1 and isinstance(s, ssl.SSLSocket):
            s.unwrap()
        elif end == 2:
            s.shutdown(socket.SHUT_WR)
            time.sleep(dice.random())
    except (OSError, ValueError):
        pass


# ---- the upstream ----

ODD = [b"X: a\r\n b\r\n", b"X : y\r\n", b"no colon\r\n", b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: gzip\r\n", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"X: \x00\r\n", b"Connection: transfer-encoding\r\n", b"Connection: close\r\n",
       b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Trailer: x\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Content-Encoding: zstd, gzip\r\n", b"Content-Type: text/event-stream\r\n", b"Content-Type: application/json\r\n"]
INTERIM = [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n", b"HTTP/1.1 199 x\r\nContent-Length: 5\r\n\r\n"]


def answer(dice):
    """(octets, whether the connection ends behind them)"""
    body, mode = content(dice), dice.randrange(6)
    extra = some(dice, ODD, [0, 0, 0, 0, 1, 2])
    if mode <= 1:
        rest = b"Content-Length: %d\r\n%s\r\n%s" % (max(0, len(body) + dice.choice([0] * 8 + [1, -1, 1000])), extra, body)
    elif mode <= 3:
        rest = b"Transfer-Encoding: chunked\r\n" + extra + b"\r\n" + chunked(dice, body)
    else:
        rest = extra + (b"\r\n" + body if mode == 4 else b"Content-Length: 0\r\n\r\n")
    octets = b"HTTP/1.%d %d OK\r\n" % (dice.choice([1, 1, 1, 0]), dice.choice([200, 200, 200, 200, 204, 304, 301, 404, 500, 413, 401, 206, 101, 205, 426, 999])) + rest
    octets += dice.choice([b""] * 9 + [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"\r\n", dice.randbytes(300)])
    cut = dice.random() < 0.15
    return octets[: dice.randrange(len(octets) + 1)] if cut else octets, cut or mode == 4 or dice.random() < 0.15


def serve_ws(dice, s, head):
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1]
    proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    s.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + proof + b"\r\n\r\n")
    for _ in range(dice.randrange(20)):
        s.sendall(ws_frame(dice, False))
        if dice.random() < 0.2:
            s.recv(65536)


def serve_h1(dice, s):
    buffer = b""
    while True:
        while not (m := SPLIT.search(buffer)):
            piece = s.recv(65536)
            if not piece:
                return
            buffer += piece
        head, buffer = buffer[: m.start()], buffer[m.end() :]
        if dice.random() < 0.1:
            time.sleep(dice.random())
        if dice.random() < 0.7:  # else what there is of a body is taken for the next request
            m = re.search(rb"(?i)content-length: (\d+)", head)
            done = (lambda: len(buffer) >= int(m[1])) if m else (lambda: b"0\r\n" in buffer) if b"chunked" in head.lower() else (lambda: True)
            while not done():
                piece = s.recv(65536)
                if not piece:
                    return
                buffer = (buffer + piece)[-1000000:]
            buffer = b""
        for _ in range(dice.choice([0, 0, 0, 1, 3])):
            s.sendall(dice.choice(INTERIM))
        if b"upgrade: websocket" in head.lower() and dice.random() < 0.7:
            return serve_ws(dice, s, head)
        octets, last = answer(dice)
        slow = dice.randrange(300) if dice.random() < 0.2 else 0
        for i in range(0, slow, 3):
            s.sendall(octets[i : i + 3])
        s.sendall(octets[slow + (-slow) % 3 :])
        if last:
            return


FIELDS = [field("content-length", "0"), field("content-length", "100"), field("content-length", "70000"), field("content-type", "text/plain"), field("content-encoding", "gzip"), field("x", "y" * 5000), field("X-Up", "a"), field("connection", "close"),
          field("transfer-encoding", "chunked"), field("set-cookie", "a=b"), field("grpc-status", "0"), field("alt-svc", "h3"), field("bad", "a\r\nb")]
SERVER_SETTINGS = [setting(1, 0), setting(1, 100000), setting(2, 0), setting(3, 0), setting(3, 1), setting(3, 100), setting(4, 0), setting(4, 65535), setting(4, 2**31 - 1), setting(5, 16384), setting(5, 1 << 20), setting(6, 100), setting(8, 1), setting(0xAAAA, 7)]


def status(dice):
    return field(":status", str(dice.choice([200, 200, 200, 204, 304, 404, 100, 103, 413, 101, 500, 99, 1000])))


def back_frame(dice, st):
    kind = dice.randrange(24)
    if kind < 8:
        return frame(HEADERS, END_HEADERS | dice.choice([0, 0, 0, END_STREAM]), st, status(dice) + some(dice, FIELDS, [0, 0, 1, 1, 2, 3]))
    if kind < 14:
        return frame(DATA, dice.choice([0, 0, END_STREAM]), st, content(dice)[:16384])
    return {14: frame(DATA, PADDED | dice.choice([0, 1]), st, b"\x05abc" + b"\0" * 5), 15: frame(RST, 0, st, WORD(dice.choice([0, 1, 2, 7, 8, 11, 13]))), 16: frame(WINDOW, 0, dice.choice([0, st]), WORD(dice.choice([0, 1, 1000, 2**30, 2**31 - 1]))),
            17: frame(SETTINGS, 0, 0, dice.choice(SERVER_SETTINGS)), 18: frame(PING, dice.choice([0, 1]), 0, b"12345678"), 19: frame(GOAWAY, 0, 0, WORD(dice.choice([0, st, 2**31 - 1])) + WORD(dice.choice([0, 0, 2, 11, 13]))),
            20: frame(HEADERS, END_HEADERS | END_STREAM, st, field("x-trailer", "1") + dice.choice([b"", field("content-length", "4"), status(dice)])), 21: frame(dice.choice([2, 0xA, 0xBB]), 0, dice.choice([0, st]), bytes(dice.choice([5, 10]))),
            22: frame(HEADERS, 0, st, status(dice)) + frame(CONT, END_HEADERS, st, some(dice, FIELDS, [0, 1, 2])), 23: frame(dice.randrange(12), dice.randrange(256), dice.choice([0, st, 2, 99]), dice.randbytes(dice.randrange(40)))}[kind]


def serve_h2(dice, s):
    rest = b""

    def need(n):
        nonlocal rest
        while len(rest) < n:
            piece = s.recv(65536)
            if not piece:
                raise EOFError
            rest += piece
        out, rest = rest[:n], rest[n:]
        return out

    need(24)
    s.sendall(frame(SETTINGS, 0, 0, some(dice, SERVER_SETTINGS, range(5))))
    streams = [1]
    for _ in range(2000):
        h = need(9)
        kind, flags, stream, body = h[3], h[4], int.from_bytes(h[5:9], "big"), need(int.from_bytes(h[:3], "big"))
        out = frame(SETTINGS, ACK, 0) if kind == SETTINGS and not flags & ACK else b""
        if kind == GOAWAY:
            return
        if kind == DATA and body and dice.random() < 0.8:
            out += frame(WINDOW, 0, 0, WORD(len(body))) + frame(WINDOW, 0, stream, WORD(len(body)))
        if kind == HEADERS:
            streams = (streams + [stream])[-4:]
        for _ in range(dice.choice([0, 1, 1, 2, 4, 8])):
            octets = back_frame(dice, dice.choice(streams))
            if octets[3] != GOAWAY and octets[3] < 10 or dice.random() < 0.3:  # or hardly a session would live
                out += octets
        s.sendall(out)


def serve(address, cert, key, seed):
    turn = iter(range(1 << 30))

    def connection(s, context):
        dice = random.Random(int(seed) << 32 | next(turn))
        try:
            s.settimeout(8)
            if context:
                if dice.random() < 0.03:
                    return
                s = context.wrap_socket(s, server_side=True)
            (serve_h2 if context and s.selected_alpn_protocol() == "h2" else serve_h1)(dice, s)
            finish(dice, s)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            s.close()

    def listen(server, context):
        while True:
            s, _ = server.accept()
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=connection, args=(s, context), daemon=True).start()

    threads = []
    for port, alpn in ((80, None), (443, ["h2", "http/1.1"]), (8443, ["http/1.1"])):
        context = None
        if alpn:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            context.set_alpn_protocols(alpn)
        threads.append(threading.Thread(target=listen, args=(socket.create_server((address, port), backlog=256), context)))
        threads[-1].start()
    print("listening", flush=True)


# ---- the agent ----

ASKED = [b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"TE: trailers\r\nConnection: TE\r\n", b"Content-Type: application/grpc\r\n", b"Content-Encoding: gzip\r\n", b"X: " + b"y" * 9000 + b"\r\n", b"X : y\r\n", b"Cookie: a=b\r\n",
         b"User-Agent: git/2\r\n", b"Content-Type: application/json\r\n"]
WS_FIELDS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ASKED_H2 = [field("content-length", "5"), field("content-length", "100000"), field("expect", "100-continue"), field("te", "trailers"), field("content-type", "application/grpc"), field("cookie", "a"), field("cookie", "b"), field("x", "y" * 5000), field("host", HOST),
            field("connection", "x"), field("content-encoding", "gzip")]
CLIENT_SETTINGS = [setting(1, 0), setting(1, 65536), setting(2, 0), setting(3, 0), setting(4, 0), setting(4, 10), setting(4, 2**31 - 1), setting(5, 1 << 20), setting(6, 10)]


def tls(port, alpn):
    context = ssl.create_default_context()
    context.set_alpn_protocols(alpn)
    return context.wrap_socket(socket.create_connection((HOST, port), 5), server_hostname=HOST)


def drain(dice, s, most=2.0):
    end = time.monotonic() + dice.random() * most
    try:
        while (left := end - time.monotonic()) > 0 and dice.random() > 0.02:
            s.settimeout(left)
            if not s.recv(dice.choice([10, 1000, 65536])):
                break
    except OSError:
        pass


def ask_h1(dice):
    port = dice.choice([80, 443, 443, 8443, 8443])
    s = socket.create_connection((HOST, port), 5) if port == 80 else tls(port, ["http/1.1"])
    for _ in range(dice.choice([1, 1, 2, 5])):
        upgrade = dice.random() < 0.2
        head = b"%s /%d HTTP/1.%d\r\nHost: %s\r\n" % (b"GET" if upgrade else dice.choice([b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"QUERY"]), dice.randrange(99), dice.choice([1, 1, 1, 0]), b"chaos.test:8443" if port == 8443 else b"chaos.test")
        body = b"b" * dice.choice([0, 5, 5000, 200000, 700000])
        octets = head + (WS_FIELDS + b"\r\n" if upgrade else some(dice, ASKED, [0, 0, 1, 2]) + dice.choice([b"\r\n", b"Content-Length: %d\r\n\r\n" % len(body) + body, b"Transfer-Encoding: chunked\r\n\r\n" + chunked(dice, body), b"Content-Length: 100000\r\n\r\npart"]))
        s.settimeout(3)
        s.sendall(octets if dice.random() < 0.9 else octets[: dice.randrange(len(octets))])
        for _ in range(dice.randrange(15) if upgrade else 0):
            s.sendall(ws_frame(dice, True))
            if dice.random() < 0.3:
                drain(dice, s, 0.3)
        if dice.random() < 0.7:
            drain(dice, s)
    return s


def front_frame(dice, st):
    return dice.choice([frame(DATA, dice.choice([0, 0, 1]), st, b"d" * dice.choice([0, 1, 5, 16384]))] * 6 + [frame(DATA, PADDED, st, b"\xff" + b"\0" * 300), frame(RST, 0, st, WORD(8)), frame(WINDOW, 0, dice.choice([0, st]), WORD(dice.choice([1, 65535, 1 << 20]))),
                        frame(SETTINGS, 0, 0, dice.choice(CLIENT_SETTINGS)), frame(PING, 0, 0, b"12345678"), frame(HEADERS, END_HEADERS | END_STREAM, st, field("x-t", "y")), frame(DATA, 0, st, ws_frame(dice, True)[:16384])])


def ask_h2(dice):
    s = tls(443, ["h2", "http/1.1"])
    if s.selected_alpn_protocol() != "h2":
        return s
    s.settimeout(3)
    s.sendall(PREFACE + frame(SETTINGS, 0, 0, some(dice, CLIENT_SETTINGS, range(3))))
    streams, last = [], -1
    for _ in range(dice.choice([3, 10, 40])):
        if not streams or dice.random() < 0.35:
            last += 2
            streams = (streams + [last])[-5:]
            method = dice.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"])
            pseudo = [(":method", method), (":scheme", "https"), (":authority", dice.choice([HOST] * 9 + ["other.test"])), (":path", f"/{dice.randrange(99)}")] + ([(":protocol", "websocket")] if method == "CONNECT" else [])
            s.sendall(frame(HEADERS, END_HEADERS | dice.choice([0, END_STREAM]), last, b"".join(field(*p) for p in pseudo) + (field("sec-websocket-version", "13") if method == "CONNECT" else b"") + some(dice, ASKED_H2, [0, 0, 1, 2])))
        else:
            s.sendall(front_frame(dice, dice.choice(streams)))
        if dice.random() < 0.05:
            drain(dice, s, 0.3)
        if dice.random() < 0.005:
            s.sendall(frame(dice.randrange(12), dice.randrange(256), dice.choice([0, last, 2]), dice.randbytes(dice.randrange(30))))
    drain(dice, s)
    return s


def ask_junk(dice):
    s = socket.create_connection((HOST, dice.choice([80, 443])), 5)
    s.sendall(dice.choice([dice.randbytes(500), b"\x16\3\1\2\0\1\0\1\xfc\3\3" + dice.randbytes(500), b"\x16\3" + dice.randbytes(100), b"GET " + dice.randbytes(100)]))
    drain(dice, s, 0.2)
    return s


def agent(seconds, seed, directory):
    end = time.monotonic() + float(seconds)
    asked = [0] * 24

    def worker(n):
        dice = random.Random(int(seed) * 1000 + n)
        while time.monotonic() < end:
            try:
                s = dice.choice([ask_h1, ask_h1, ask_h2, ask_h2, ask_h2, ask_junk])(dice)
                finish(dice, s)
                s.close()
            except (OSError, ValueError):
                pass
            asked[n] += 1

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(len(asked))]
    for t in threads:
        t.start()
    open(f"{directory}/began", "w").close()
    for t in threads:
        t.join()
    open(f"{directory}/ended", "w").close()
    print("ok the agent did what it could" if min(asked) > 1 else f"not ok the agent did what it could: {asked}")
    try:
        fine = urllib.request.urlopen("https://origin.test/", timeout=20).read().startswith(b"hello")
    except OSError as e:
        fine = repr(e)
    print("ok who comes afterwards is served" if fine is True else f"not ok who comes afterwards is served: {fine}")


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    agent(*sys.argv[1:])
