"""The hostile agent has an upstream give back what was injected, in every way that an honest server might: one that works
with the agent has the credential anyway, and could spell it as it likes.

usage: attack_secrets.py DIGEST        SHA-256 of the credential's first part: it can be recognised without being held
"""
import base64, gzip, hashlib, html, os, re, socket, ssl, sys, urllib.parse, zlib
from concurrent.futures import ThreadPoolExecutor

DIGEST = sys.argv[1]
KINDS = ["raw", "split", "chunk1", "chunk7", "trailer", "late", "gzip", "deflate", "twice", "members", "stored", "header", "location", "cookie", "etag", "challenge", "phrase", "hints", "error", "close", "multipart", "image", "untyped", "octets", "events", "coded",
         "base64", "base64-1", "base64-2", "base64url", "hex", "HEX", "percent", "percent-lower", "json", "json-slash", "html", "basic", "header64", "quote", "component", "json-go", "json-net", "json-json", "html-go", "html-mustache"]


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def get(path, extra=b""):
    c = ssl.create_default_context()
    s = c.wrap_socket(socket.create_connection(("auth.test", 443), 5), server_hostname="auth.test")
    s.settimeout(6)
    s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: auth.test\r\nTE: trailers\r\nConnection: close, TE\r\n" + extra + b"\r\n")
    got = b""
    try:
        while piece := s.recv(65536):
            got += piece
    except OSError:
        pass
    return got


def dechunk(body):
    out = b""
    while m := re.match(rb"([0-9a-fA-F]+)[^\r\n]*\r\n", body):
        n = int(m[1], 16)
        if n == 0:
            return out
        out += body[m.end() : m.end() + n]
        body = body[m.end() + n + 2 :]
    return out


def unpacked(body, depth=0):
    """The body, and whatever can be made of it."""
    yield body
    if depth > 3:
        return
    tries = [lambda: b"".join(iter_gzip(body)), lambda: zlib.decompress(body), lambda: zlib.decompressobj(-15).decompress(body), lambda: bytes.fromhex(body.decode()), lambda: urllib.parse.unquote_to_bytes(body), lambda: html.unescape(body.decode()).encode(),
             lambda: re.sub(rb"\\u00(..)", lambda m: bytes([int(m[1], 16)]), body), lambda: base64.b64decode(body, validate=True), lambda: base64.urlsafe_b64decode(body)]
    for attempt in tries:
        try:
            out = attempt()
        except (ValueError, OSError, EOFError, zlib.error):
            continue
        if out and out != body:
            yield from unpacked(out, depth + 1)


def iter_gzip(body):
    while body:
        d = zlib.decompressobj(31)
        yield d.decompress(body)
        body = d.unused_data


def holds(octets):
    return any(hashlib.sha256(m).hexdigest() == DIGEST for m in re.findall(rb"(?=(bait-token-[0-9a-f]{32}))", octets))


def one(kind):
    got = get(b"/leak/" + kind.encode(), b"Accept-Encoding: gzip, deflate\r\nRange: bytes=0-99\r\nIf-Range: x\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 103"):
        more, _, body = body.partition(b"\r\n\r\n")
        head += more
    seen = [got, head]
    for text in (body, dechunk(body)):
        for part in unpacked(text[:200000] if kind != "late" else text):
            seen.append(part)
            seen += [b for b in (try64(t) for t in re.findall(rb"[A-Za-z0-9+/_-]{24,}", part[:10000])) if b]
    for t in re.findall(rb"[A-Za-z0-9+/=_-]{24,}", head):
        seen.append(try64(t))
    report(f"leak: {kind}", got and not any(holds(part) for part in seen), repr(got[:250]))


def try64(t):
    out = b""
    for skip in range(4):
        try:
            out += base64.urlsafe_b64decode(t[skip:].replace(b"+", b"-").replace(b"/", b"_") + b"=" * (-len(t[skip:]) % 4)) + b" "
        except ValueError:
            pass
    return out


with ThreadPoolExecutor(8) as pool:
    list(pool.map(one, KINDS))
