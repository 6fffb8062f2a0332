"""The agent's side of a malicious upstream: what of it reaches a client, and what the next request gets."""
import os, re, socket, ssl, sys, time, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


context = ssl.create_default_context()


def ask(s, path, method=b"GET", wait=4):
    s.settimeout(wait)
    s.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: hostile.test\r\nAccept-Encoding: gzip\r\n\r\n")
    got = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got, True
            got += piece
            head, end, body = got.rpartition(b"\r\n\r\n") if method == b"HEAD" else got.partition(b"\r\n\r\n")
            m = re.search(rb"(?i)content-length: (\d+)", head)
            if end and (method == b"HEAD" or b" 204 " in head or b" 304 " in head or (m and len(body) >= int(m[1])) or body.endswith(b"0\r\n\r\n")) and b" 103 " not in head[:20]:
                return got, False
    except OSError:
        return got, True


def connect():
    return context.wrap_socket(socket.create_connection(("hostile.test", 443), 5), server_hostname="hostile.test")


def answer(path, want, method=b"GET"):
    """The answer's status is one of `want` (or it is cut), and the next two requests get their own answers."""
    s = connect()
    began = time.monotonic()
    got, closed = ask(s, path, method)
    m = re.match(rb"HTTP/1\.1 (\d{3})", got)
    status = m[1].decode() if m else "cut"
    report(f"upstream {method.decode()} {path.decode()}", status in want and b"poison" not in got and time.monotonic() - began < 8, f"{status} {got[:200]!r}")
    for again in (s, None):
        if again is None or closed:
            again = connect()
        time.sleep(0.05)
        got, closed = ask(again, b"/fine")
        report(f"...and the next request after {path.decode()}", got.endswith(b"fine\n") and b"poison" not in got, f"{got[:200]!r}")
        again.close()


def certificate(name, want):
    try:
        status = urllib.request.urlopen(f"https://{name}.bad.test/fine", timeout=8).status
    except urllib.error.HTTPError as e:
        status = e.code
        why = e.read()
    except OSError as e:
        status = repr(e)
    report(f"an upstream's certificate: {name}", status == want, str(status))


def answers():
    for path in ("/fine", "/two", "/extra", "/chunk-extra", "/204-body", "/304-body", "/verdict", "/drip", "/trailers", "/crlf-first"):
        answer(path.encode(), ("200", "204", "304", "502", "cut"))
    for path in ("/connection-te", "/connection-junk"):
        answer(path.encode(), ("200",))
    answer(b"/head-body", ("200",), b"HEAD")
    for path in ("/cl-te", "/two-cl", "/cl-list", "/cl-negative", "/cl-huge", "/cl-hex", "/cl-plus", "/te-odd", "/te-twice", "/bare-lf", "/bare-cr", "/nul", "/fold", "/space-colon", "/no-colon", "/http09", "/http2", "/status0", "/status-long", "/status-word", "/101", "/fields", "/long", "/nothing", "/half", "/empty-name"):
        answer(path.encode(), ("502", "504"))
    for path in ("/chunk-overflow", "/chunk-minus", "/chunk-lf", "/trailer-flood", "/status999", "/early-flood", "/hundred-flood"):
        answer(path.encode(), ("200", "502", "504", "999", "103", "100", "cut"))


def bombs():
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        bombs = [pool.submit(lambda: ask(connect(), b"/gzip-bomb", wait=20)) for _ in range(8)]
        time.sleep(0.5)
        started = time.monotonic()
        got, _ = ask(connect(), b"/fine", wait=15)
        report("eight compression bombs: another client is served", got.endswith(b"fine\n") and time.monotonic() - started < 10, f"{time.monotonic() - started:.1f} s {got[:100]!r}")
        for b in bombs:
            b.result()
    report("...and they end", time.monotonic() - began < 60, f"{time.monotonic() - began:.0f} s")


for name, want in [("good", 200), ("client", 200), ("star", 200), ("under_score", 200), ("under_hyphen", 502), ("expired", 502), ("future", 502), ("eku", 502), ("cn", 502), ("partial", 502), ("weak", 502), ("sha1", 502), ("signedbyleaf", 502), ("nul", 502), ("ipsan", 502), ("other", 502), ("constrained", 502), ("loose", 502), ("cbc", 200), ("rsakx", 200), ("null", 502)]:
    certificate(name, want)
answers()
bombs()
