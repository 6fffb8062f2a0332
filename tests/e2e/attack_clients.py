"""What must not break: the things that honest clients do.

usage: attack_clients.py DIRECTORY        a folder of one's own
"""
import hashlib, http.client, os, re, socket, ssl, subprocess, sys, threading, time, urllib.request
from concurrent.futures import ThreadPoolExecutor

os.chdir(sys.argv[1])
context = ssl.create_default_context()


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def run(*words, stdin=b"", timeout=40):
    try:
        p = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout)
        return p.returncode, p.stdout, p.stderr.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return -1, e.stdout or b"", "timeout"


def curl(name, want, *words, stdin=b"", status=0):
    """`want`: a regex that stdout must hold."""
    code, out, err = run("curl", "-sS", "--max-time", "30", *words, stdin=stdin)
    report(f"curl: {name}", code in (status, 7 * (status == 6)) and re.search(want.encode(), out) is not None, f"status {code}, {err[:300]} {out[:300]!r}")


def curls():
    o, r, s = "https://origin.test", "https://open.test", "https://strange.test"
    curl("five requests on one connection", r"^1\n0\n0\n0\n0\n$", *[w for _ in range(5) for w in ("-o", "/dev/null", "-w", "%{num_connects}\\n", f"{o}/")])
    curl("HEAD, then GET on the same connection", "200 1\n.*200 0\n", "-I", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", f"{o}/", "--next", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", f"{o}/")
    curl("a range", "^hello", "-r", "0-4", f"{o}/")
    curl("a range's status", "206", "-r", "2-9", "-o", "/dev/null", "-w", "%{http_code}", f"{o}/")
    curl("two ranges", "206", "-r", "0-1,3-4", "-o", "/dev/null", "-w", "%{http_code}", f"{o}/")
    curl("the rest of a download", "206", "-C", "5", "-o", "rest", "-w", "%{http_code}", f"{o}/")
    curl("304 with a length, then another on the connection", "304 1\n.*200 0\n", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", f"{r}/304", "--next", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", f"{r}/x")
    curl("gzip", "^zipped\n", "--compressed", f"{r}/gzip")
    curl("gzip as it is", "", "-H", "Accept-Encoding: gzip", f"{r}/gzip")
    curl("two cookies", "(?s)set-cookie: a=1.*set-cookie: b=2", "-i", f"{r}/cookies")
    curl("cookies are sent", "(?i)cookie: a=1; b=2", "-b", "a=1; b=2", f"{r}/echo-head")
    curl("a redirect to another allowed host", "hello from the origin", "-L", f"{r}/to?https://origin.test/")
    curl("an address of 8 KB", "200", "-o", "/dev/null", "-w", "%{http_code}", f"{r}/" + "a" * 8000)
    curl("a query of 12 KB", "200", "-o", "/dev/null", "-w", "%{http_code}", f"{r}/?" + "q" * 12000)
    curl("ninety fields", "(?i)x-89: v", *[w for i in range(90) for w in ("-H", f"X-{i}: v")], f"{r}/echo-head")
    curl("a cookie of 8 KB", "(?i)cookie: c=v{8000}", "-H", "Cookie: c=" + "v" * 8000, f"{r}/echo-head")
    curl("fields that are empty, or not ASCII", "(?is)x-empty:.*x-utf:", "-H", "X-Empty;", "-H", "X-Utf: \u00e4\u00f6", f"{r}/echo-head")
    curl("a scoped package", "200", "-o", "/dev/null", "-w", "%{http_code}", f"{r}/@scope%2fname")
    curl("odd characters in a query", "200", "-g", "-o", "/dev/null", "-w", "%{http_code}", r + "/x?a[]=1&b={x}|y^z`&c='\"<>&d=\\&e=%&f=%zz&g=..//../&h=@:;,/?!$*()")
    curl("a path with odd characters", "200", "-g", "-o", "/dev/null", "-w", "%{http_code}", r + "/a+b/c,d;e=f/(g)!$&'*:@/~x/%E2%82%AC/%20/\u20ac")
    curl("a name and a password in the URL", "(?i)authorization: Basic dTpw", "https://u:p@open.test/echo-head")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "MKCOL", "LOCK", "SEARCH", "MERGE", "PURGE", "QUERY", "VERSION-CONTROL"):
        curl(f"{method}", f"^{method} ", "-X", method, f"{r}/echo-head")
        curl(f"{method} with a body", f"^{method} ", "-X", method, "-d", "a=b", f"{r}/echo-head")
    curl("an empty POST has its length", "(?i)content-length: 0", "-X", "POST", "-d", "", f"{r}/echo-head")
    with open("up", "wb") as f:
        f.write(os.urandom(3 << 20))
    digest = hashlib.sha256(open("up", "rb").read()).hexdigest()

    def echoed(name, *words, stdin=b""):
        code, out, err = run("curl", "-sS", "--max-time", "30", *words, f"{s}/echo", stdin=stdin)
        report(f"curl: {name}", code == 0 and hashlib.sha256(out).hexdigest() == digest, f"status {code}, {err[:300]}, {len(out)} octets")

    up = open("up", "rb").read()
    echoed("3 MB up and down", "--data-binary", "@up")
    echoed("chunked, from a pipe", "-T", "-", stdin=up)
    echoed("100-continue", "-H", "Expect: 100-continue", "--data-binary", "@up")
    echoed("without Expect", "-H", "Expect:", "--data-binary", "@up")
    echoed("HTTP/1.0", "-0", "--data-binary", "@up")
    echoed("slowly", "--limit-rate", "3M", "--data-binary", "@up")
    echoed("TLS 1.2", "--tls-max", "1.2", "--data-binary", "@up")
    echoed("no ALPN", "--no-alpn", "--data-binary", "@up")
    echoed("HTTP/2 if there is any", "--http2", "--data-binary", "@up")
    curl("a form with files", "request", "-F", "f=@up", "-F", "x=y", f"{r}/form")
    curl("an upload refused before it begins", "413", "-H", "Expect: 100-continue", "-T", "up", "-o", "/dev/null", "-w", "%{http_code}", f"{r}/reject")
    curl("chunks", "^one two three\n$", f"{s}/chunked")
    curl("a body that ends with the connection", "until the end", f"{s}/close")
    curl("early hints", "after the hints", f"{s}/early")
    curl("a slow body", "^0123456789$", f"{s}/slow")
    curl("events", "(?s)data: 4", "-N", f"{s}/sse")
    for path, codes in (("short", (18, 56)), ("cutchunk", (18, 56)), ("rst", (18, 56)), ("garbage", (0, 1, 52, 56)), ("bighead", (0, 52, 56)), ("cltesmuggle", (0, 52, 56))):
        began = time.monotonic()
        code, out, err = run("curl", "-sS", "--max-time", "20", "-w", "%{http_code}", f"{s}/{path}")
        report(f"curl: an upstream's /{path} ends in a failure", code in codes and (code or out.endswith((b"502", b"504"))) and time.monotonic() - began < 15, f"{code} {err} {out[-200:]!r}")
    curl("the first resort of scripts", "hello", "-fsSL", f"{o}/")
    curl("plain HTTP", "hello", "http://origin.test/")
    curl("plain HTTP/1.0", "hello", "-0", "http://origin.test/")
    curl("Connection: close", "hello", "-H", "Connection: close", f"{o}/")
    curl("a hundred at once", "", "-Z", "--parallel-max", "100", "--parallel-immediate", "-o", "p_#1", "-f", f"{o}/?[1-100]")
    report("curl: ...all of them whole", all(os.path.exists(f"p_{i}") and open(f"p_{i}").read().startswith("hello") for i in range(1, 101)))
    curl("--resolve to an address of one's own", "hello", "--resolve", "origin.test:443:93.184.216.99", f"{o}/")
    curl("-4", "hello", "-4", f"{o}/")
    curl("-6 fails at once", "", "-6", "--connect-timeout", "5", f"{o}/", status=6)
    code, out, err = run("wget", "-q", "-O-", f"{o}/")
    report("wget", out.startswith(b"hello"), err)
    code, out, err = run("wget", "-q", "-O-", "-6", "-T", "5", "-t", "1", f"{o}/", timeout=8)
    report("wget -6 fails at once", code not in (0, -1), err)
    code, out, err = run("openssl", "s_client", "-connect", "origin.test:443", "-servername", "origin.test", "-verify_return_error", "-ign_eof", "-quiet", stdin=b"GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
    report("openssl s_client", b"hello" in out, err[-300:])
    for words in (["-reconnect", "-tls1_2"], ["-tls1_2"], ["-tls1_3"], ["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"], ["-groups", "P-256"], ["-groups", "P-384"], ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-tls1_2"], ["-no_ticket"], ["-split_send_frag", "512"], ["-maxfraglen", "512"]):
        code, out, err = run("openssl", "s_client", "-connect", "origin.test:443", "-servername", "origin.test", "-verify_return_error", *words, timeout=10)
        report(f"openssl s_client {' '.join(words)}", b"Verify return code: 0" in out, out[-300:].decode(errors="replace") + err[-300:])


def tls(host="origin.test", alpn=("http/1.1",)):
    c = ssl.create_default_context()
    if alpn:
        c.set_alpn_protocols(list(alpn))
    s = c.wrap_socket(socket.create_connection((host, 443), 5), server_hostname=host)
    s.settimeout(10)
    return s


def read_all(s):
    got = b""
    try:
        while piece := s.recv(65536):
            got += piece
    except ssl.SSLEOFError:
        pass
    return got


def raw():
    s = tls()
    s.sendall(b"".join(b"GET /?%d HTTP/1.1\r\nHost: origin.test\r\n%s\r\n" % (i, b"Connection: close\r\n" if i == 9 else b"") for i in range(10)))
    report("ten pipelined requests", read_all(s).count(b"hello from the origin") == 10)
    s = tls("open.test")
    s.sendall(b"POST /a HTTP/1.1\r\nHost: open.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n")
    got = read_all(s)
    report("a chunked POST and a GET behind it", got.count(b"200 OK") == 2, repr(got))
    s = tls("open.test")
    for octet in b"POST /slowly HTTP/1.1\r\nHost: open.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello":
        s.sendall(bytes([octet]))
    report("a request octet by octet", b"200 OK" in read_all(s))
    s = tls("open.test")
    s.sendall(b"POST / HTTP/1.1\r\nHost: open.test\r\nTransfer-Encoding: Chunked\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n00A;x=y\r\n0123456789\r\n0\r\nX-Trailer: yes\r\n\r\n")
    report("chunk extensions and trailers", b"200 OK" in read_all(s))
    for version, extra, closes in ((b"1.0", b"", True), (b"1.0", b"Connection: keep-alive\r\n", False), (b"1.1", b"Connection: close\r\n", True), (b"1.1", b"Connection: Keep-Alive\r\nKeep-Alive: 300\r\n", False)):
        s = tls()
        s.settimeout(3)
        s.sendall(b"GET / HTTP/" + version + b"\r\nHost: origin.test\r\n" + extra + b"\r\n")
        got, closed = b"", False
        try:
            while not got.endswith(b"the origin\n") or not closed:
                piece = s.recv(65536)
                closed = not piece
                got += piece
                if closed:
                    break
                s.settimeout(1)
        except OSError:
            pass
        report(f"HTTP/{version.decode()} {extra.decode().strip()}: {'closed' if closes else 'kept open'}", b"hello" in got and closed == closes, repr(got))
        s.close()
    # Half-closes: plain, and inside TLS (close_notify, then FIN).
    s = socket.create_connection(("origin.test", 80), 5)
    s.settimeout(5)
    s.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n")
    s.shutdown(socket.SHUT_WR)
    report("a half-close behind a plain request", b"hello" in read_all(s))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = context.wrap_bio(incoming, outgoing, server_hostname="strange.test")
    s = socket.create_connection(("strange.test", 443), 5)
    s.settimeout(5)
    while True:
        try:
            t.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(outgoing.read())
            incoming.write(s.recv(65536))
    t.write(b"GET /slow HTTP/1.1\r\nHost: strange.test\r\n\r\n")
    s.sendall(outgoing.read())
    try:
        t.unwrap()
    except ssl.SSLError:
        pass
    s.sendall(outgoing.read())
    s.shutdown(socket.SHUT_WR)
    # OpenSSL does not read behind its own close_notify; but the slow body's records come, to the last one.
    began, octets = time.monotonic(), 0
    try:
        while piece := s.recv(65536):
            octets += len(piece)
    except OSError:
        pass
    report("a half-close behind a request in TLS", octets > 250 and time.monotonic() - began > 0.7, f"{octets} octets in {time.monotonic() - began:.1f} s")
    s = tls()
    s.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
    read_all(s)
    first = s.session
    c = s.context
    s2 = c.wrap_socket(socket.create_connection(("origin.test", 443), 5), server_hostname="origin.test", session=first)
    report("a TLS 1.3 session is resumed", s2.session_reused)
    s2.close()
    for alpn in (("h2", "http/1.1"), ("http/1.1",), ("http/1.0", "http/1.1"), ("spdy/1", "h2", "http/1.1"), ()):
        s = tls(alpn=alpn)
        if s.selected_alpn_protocol() in ("http/1.1", None):
            s.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
            report(f"ALPN {alpn}", b"hello" in read_all(s))
        else:
            report(f"ALPN {alpn}", s.selected_alpn_protocol() == "h2" and "h2" in alpn)

    def one(i):
        try:
            return urllib.request.urlopen(f"https://origin.test/?{i}", timeout=20).read().startswith(b"hello")
        except OSError as e:
            return repr(e)

    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(one, range(300)))
    report("urllib, 300 requests, 50 at a time", all(r is True for r in results), str([r for r in results if r is not True][:3]))
    h = http.client.HTTPSConnection("open.test", timeout=10, context=context)
    answers = []
    for i in range(50):
        h.request("POST" if i % 2 else "GET", f"/{i}", body=b"x" * i * 100 if i % 2 else None)
        answers.append(h.getresponse().read())
    report("http.client, 50 on one connection", len(answers) == 50 and all(a.startswith(b"request") for a in answers))


def resolvers():
    for words, want in [
        (["getent", "hosts", "origin.test"], "93.184.216.10"), (["getent", "ahosts", "origin.test"], "93.184.216.10"), (["getent", "ahostsv4", "origin.test"], "93.184.216.10"), (["dig", "+short", "origin.test"], "^93.184.216.10$"), (["dig", "+short", "+tcp", "origin.test"], "^93.184.216.10$"),
        (["dig", "+short", "@8.8.8.8", "origin.test"], "^93.184.216.10$"), (["dig", "+short", "+tcp", "@8.8.8.8", "origin.test"], "^93.184.216.10$"), (["dig", "origin.test", "AAAA"], "NOERROR"), (["dig", "+noedns", "origin.test"], "93.184.216.10"), (["dig", "+dnssec", "+bufsize=512", "origin.test"], "93.184.216.10"),
        (["dig", "+cookie=0123456789abcdef", "origin.test"], "93.184.216.10"), (["dig", "+subnet=1.2.3.0/24", "origin.test"], "93.184.216.10"), (["dig", "+norecurse", "origin.test"], "status"), (["dig", "ORIGIN.TEST."], "93.184.216.10"), (["dig", "HTTPS", "origin.test"], "status"), (["dig", "MX", "origin.test"], "status"),
        (["dig", "+short", "alias.test"], "93.184.216.10"), (["dig", "-x", "93.184.216.10"], "status"), (["dig", "origin.test", "open.test"], "93.184.216.12"), (["nslookup", "origin.test"], "93.184.216.10"), (["host", "origin.test"], "93.184.216.10"), (["host", "-t", "A", "origin.test"], "93.184.216.10"),
        (["dig", "forbidden.test"], "status"), (["dig", "ANY", "origin.test"], "status"), (["dig", "+notcp", "+ignore", "origin.test"], "93.184.216.10"), (["dig", "+qr", "+multiline", "SOA", "origin.test"], "status"), (["dig", "localhost"], "status"), (["dig", "."], "status"),
    ]:
        began = time.monotonic()
        code, out, err = run(*words, timeout=10)
        took = time.monotonic() - began
        report(" ".join(words), re.search(want, out.decode(errors="replace"), re.M) is not None and took < 4, f"{took:.1f} s, {code} {out[:300]!r} {err[:200]}")
    began = time.monotonic()
    found = socket.getaddrinfo("origin.test", 443, 0, socket.SOCK_STREAM)
    report("both families asked at once", [f[4][0] for f in found] == ["93.184.216.10"] and time.monotonic() - began < 1, str(found))


NODE = """
import https from "node:https";
const agent = new https.Agent({ keepAlive: true, maxSockets: 5 });
const one = (i) => new Promise((good, bad) => https.get({ host: "origin.test", path: "/?" + i, agent }, (r) => { let b = ""; r.on("data", (d) => (b += d)); r.on("end", () => good(b)); }).on("error", bad));
const all = await Promise.all([...Array(40).keys()].map(one));
if (!all.every((b) => b.startsWith("hello"))) throw new Error("not all");
const r = await fetch("https://open.test/echo-head", { method: "POST", body: new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode("a stream")); c.close(); } }), duplex: "half" });
if (!/transfer-encoding: chunked/i.test(await r.text())) throw new Error("no stream");
const z = await (await fetch("https://open.test/gzip")).text();
if (!z.startsWith("zipped")) throw new Error("no gzip");
const denied = await fetch("https://forbidden.test/");
if (denied.status !== 403 || (await denied.json()).error !== "egress_denied") throw new Error("no reason");
agent.destroy();
console.log("fine");
"""


def node():
    with open("clients.mjs", "w") as f:
        f.write(NODE)
    code, out, err = run("node", "clients.mjs")
    report("node: keep-alive agent, streams, gzip, a refusal", out == b"fine\n", err[-600:])


parts = [threading.Thread(target=p) for p in (curls, raw, resolvers, node)]
for p in parts:
    p.start()
for p in parts:
    p.join()
