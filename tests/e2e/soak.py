"""Everything at once, again and again: clients of every kind, and what breaks off in every state.

usage: soak.py DIRECTORY SECONDS CA      inside a sandbox; touches DIRECTORY/1, /2... after each round and waits for "N.seen"
"""
import http.client, os, random, resource, socket, ssl, struct, subprocess, sys, threading, time

import h2_raw, ws_raw

DIRECTORY, SECONDS, CA = sys.argv[1], float(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
done, wrong, lock = {}, {}, threading.Lock()
context = ssl.create_default_context()


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def tls(host="origin.test", port=443, alpn=None):
    c = context if not alpn else ssl.create_default_context()
    if alpn:
        c.set_alpn_protocols(alpn)
    s = c.wrap_socket(socket.create_connection((host, port), 20), server_hostname=host)
    s.settimeout(30)
    return s


def cut(s):
    """RST, in whatever state it is."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def drain(s):
    n = 0
    while piece := s.recv(65536):
        n += len(piece)
    return n


# ---- what must work ----

def h1():
    c = http.client.HTTPSConnection("origin.test", timeout=30, context=context)
    for i in range(10):
        c.request("GET", "/")
        assert c.getresponse().read() == b"hello from the origin\n"
    c.close()


def upload():
    c = http.client.HTTPSConnection("strange.test", timeout=30, context=context)
    body = os.urandom(random.randrange(1, 300000))
    c.request("POST", "/echo", body=(body[i:i + 5000] for i in range(0, len(body), 5000)), encode_chunked=True, headers={"transfer-encoding": "chunked"})
    assert c.getresponse().read() == body
    c.close()


def h2():
    p = subprocess.run(["h2load", "-n", "60", "-c", "2", "-m", "10", random.choice(("https://h2.test/", "https://h2.test/big", "https://origin.test/"))], capture_output=True, text=True, timeout=60)
    assert "60 succeeded" in p.stdout, p.stdout + p.stderr


def websocket():
    c = ws_raw.Client("origin.test", random.choice((9444, 9445)))
    assert c.status == 101
    for n in (5, 70000, 200):
        data = os.urandom(n)
        c.send(2, data)
        assert c.message() == (2, data)
    if random.random() < 0.5:
        c.send(8, struct.pack(">H", 1000))
        assert c.ending().startswith("close 1000")
    c.s.close()


def events():
    s = tls("strange.test")
    s.sendall(b"GET /sse HTTP/1.1\r\nHost: strange.test\r\nConnection: close\r\n\r\n")
    got = b""
    while piece := s.recv(65536):
        got += piece
    assert got.count(b"data: ") == 5 and got.endswith(b"0\r\n\r\n")
    s.close()


def splice():
    p = subprocess.run(["curl", "-sS", "--max-time", "30", "--cacert", CA, "https://sealed.test/"], capture_output=True)
    assert p.stdout == b"hello from the origin\n", p.stderr


def denied():
    for args in (["https://forbidden.test/"], ["http://forbidden.test/"], ["--http2", "-H", "Host: forbidden.test", "https://h2.test/"]):
        p = subprocess.run(["curl", "-sS", "--max-time", "30", *args], capture_output=True)
        assert b"egress_denied" in p.stdout, p.stdout + p.stderr


def odd():
    for path in ("short", "cutchunk", "garbage", "rst", "early", "close", "cltesmuggle", "bighead", "switch", "chunked"):
        subprocess.run(["curl", "-sS", "-o", "/dev/null", "--max-time", "20", f"https://strange.test/{path}"], capture_output=True)


# ---- what breaks off ----

def resets():
    for octets in (b"", b"\x16\3\1\2\0\1\0\1\xfc\3\3" + os.urandom(40)):
        s = socket.create_connection(("origin.test", 443), 20)
        s.sendall(octets)
        cut(s)
    for host, text in (("origin.test", b"GET / HTTP/1.1\r\nHo"), ("origin.test", b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n"), ("strange.test", b"POST /echo HTTP/1.1\r\nHost: strange.test\r\nContent-Length: 100000\r\n\r\nabc"),
                       ("strange.test", b"POST /echo HTTP/1.1\r\nHost: strange.test\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc"), ("origin.test", b"GET /big HTTP/1.1\r\nHost: origin.test\r\n\r\n"), ("strange.test", b"GET /slow HTTP/1.1\r\nHost: strange.test\r\n\r\n" * 5)):
        s = tls(host)
        s.sendall(text)
        if random.random() < 0.7:
            time.sleep(random.random() * 0.1)
        if text.startswith(b"GET /big"):
            s.recv(random.randrange(1, 100000))
        random.choice((cut, socket.socket.close))(s)
    s = socket.create_connection(("sealed.test", 443), 20)  # in a splice
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = context.wrap_bio(incoming, outgoing, server_hostname="sealed.test")
    try:
        t.do_handshake()
    except ssl.SSLWantReadError:
        s.sendall(outgoing.read())
    s.recv(100)
    cut(s)


def h2_resets():
    p = h2_raw.Peer(to=("h2.test", 443))
    for i in range(20):
        p.get(2 * i + 1, path=random.choice(("/", "/big")), fin=random.random() < 0.7, authority="h2.test")
        if i % 3 == 0:
            p.send(h2_raw.frame(h2_raw.RST, 0, 2 * i + 1, struct.pack(">I", 8)))
        p.pump(random.random() * 0.01)
    cut(p.s)
    p = h2_raw.Peer(struct.pack(">HI", 4, 0), to=("h2.test", 443))  # no window: what is queued must go with it
    for i in range(20):
        p.get(2 * i + 1, path="/big", authority="h2.test")
    p.pump(0.2)
    cut(p.s)


def ws_resets():
    for port in (9444, 9445):
        c = ws_raw.Client("origin.test", port)
        c.send(1, b"half a message", fin=False)
        c.s.sendall(ws_raw.frame(2, b"x" * 50000, key=b"abcd")[:random.randrange(1, 50000)])
        cut(c.s)


def slow():
    """Slowloris, on head and body; the daemon's patience ends them."""
    s = [tls() for _ in range(5)]
    for i, x in enumerate(s):
        x.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\nX: " if i % 2 else b"POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1000\r\n\r\n")
    end = time.time() + 25
    while s and time.time() < end:
        time.sleep(0.5)
        for x in s[:]:
            try:
                if x is s[0]:
                    x.sendall(b"y")
                x.setblocking(False)
                x.recv(1000)
                raise OSError
            except (ssl.SSLWantReadError, BlockingIOError):
                x.setblocking(True)
            except OSError:
                s.remove(x)
                x.close()
        if len(s) == 1:
            break
    assert len(s) <= 1, "%d live on" % len(s)  # the one that sends a little goes on
    for x in s:
        x.close()


WORK = [h1, upload, h2, websocket, events, splice, denied, odd]
BREAK = [resets, h2_resets, ws_resets, slow]


def loop(f, end):
    while time.time() < end:
        name = f.__name__
        try:
            f()
            with lock:
                done[name] = done.get(name, 0) + 1
        except Exception as e:
            if f in WORK or isinstance(e, AssertionError):
                with lock:
                    wrong.setdefault(name, repr(e)[:300])


def storm():
    end = time.time() + SECONDS
    threads = [threading.Thread(target=loop, args=(f, end)) for f in WORK + BREAK + [resets]]
    s = []
    for t in threads:
        t.start()
    for _ in range(500):  # handshakes that never go on
        x = socket.create_connection(("origin.test", 443), 20)
        x.sendall(b"\x16\3\1\2\0\1\0\1\xfc\3\3" + os.urandom(32))
        s.append(x)
    for t in threads:
        t.join()
    for x in s[:250]:
        cut(x)
    for x in s[250:]:
        x.close()


def idle(n=5000):
    """So many at once that say nothing, half of them after a request, a few hundred in TLS; afterwards each is answered."""
    every, lock = [], threading.Lock()

    def open_some(count, secure):
        for _ in range(count):
            s = tls() if secure else socket.create_connection(("origin.test", 80), 20)
            s.settimeout(60)
            s.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")
            with lock:
                every.append(s)

    threads = [threading.Thread(target=open_some, args=(n // 10, i == 0)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    def answers():
        n = 0
        for s in every:
            got = b""
            try:
                while not got.endswith(b"the origin\n"):
                    piece = s.recv(4096)
                    if not piece:
                        break
                    got += piece
                n += got.endswith(b"the origin\n")
            except OSError:
                pass
        return n

    first = answers()
    mark("idle")
    for s in every:
        try:
            s.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")
        except OSError:
            pass
    second = answers()
    report(f"{n} idle connections, all of them served before and after", first == second == n, f"{first} and {second}")
    for s in every:
        s.close()


def large():
    """A GiB each way, over TLS."""
    p = subprocess.run("curl -sS --max-time 100 --http1.1 https://origin.test/huge | wc -c", shell=True, capture_output=True, text=True)
    report("1 GiB down", p.stdout.strip() == str(1 << 30), p.stdout + p.stderr)
    # text, which every part of inspection reads
    line = '{"model":"m","text":"The server reads a file that the client has asked for,\\nand answers: a%20b &amp; c."}'
    p = subprocess.run(["sh", "-c", "yes \"$1\" | head -c 1073741824 | curl -sS --max-time 150 -T - https://strange.test/head", "up", line], capture_output=True, text=True)
    report("1 GiB of text up", f"body: {1 << 30}" in p.stdout, p.stdout[-300:] + p.stderr)
    p = subprocess.run("curl -sS --max-time 100 --http2 https://h2.test/huge | wc -c", shell=True, capture_output=True, text=True)
    report("1 GiB down by HTTP/2", p.stdout.strip() == str(1 << 30), p.stdout + p.stderr)


def mark(name):
    open(f"{DIRECTORY}/{name}", "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(f"{DIRECTORY}/{name}.seen") and time.monotonic() < end:
        time.sleep(0.05)


h2_raw.HOST = "h2.test"
for f in WORK:
    f()
mark("0")
storm()
mark("1")
idle()
large()
mark("2")
storm()
mark("3")
for f in WORK + BREAK:
    report(f"{f.__name__} went on through it all", done.get(f.__name__, 0) > 0 and f.__name__ not in wrong, f"{done.get(f.__name__)} times, {wrong.get(f.__name__)}")
