"""Writes down every octet that each connection brings, and answers what it can make of them, more leniently than it should.

usage: attack_origin.py ADDRESS CERT KEY DIRECTORY
A connection's octets are in DIRECTORY/N. Answers are 200 with the number of requests seen on this connection; /echo-head
gives the head back (which a redaction may change), /to?URL redirects there, /101 switches protocols whatever was asked;
/gzip, /cookies, /304, /reject (a final answer instead of 100) and /unread (so, but the body is a request to it) are what their names say; /leak/KIND gives the
credential of the request back in one of many ways.
"""
import base64, gzip, html, itertools, json, os, re, sys, time, urllib.parse, zlib

from serving import listen_http

ADDRESS, CERT, KEY, DIRECTORY = sys.argv[1:5]
number = itertools.count(1)


def requests(s, log):
    """Yields (method, target, head); ends lines at LF, as the lenient do."""
    buffer = b""

    def more():
        nonlocal buffer
        piece = s.recv(65536)
        if not piece:
            raise EOFError
        log.write(piece)
        log.flush()
        buffer += piece

    while True:
        while not (m := re.search(rb"\r?\n\r?\n", buffer)):
            more()
        head, buffer = buffer[: m.start()], buffer[m.end() :]
        if re.search(rb"(?im)^expect:", head):
            if b" /reject " in head:
                s.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n")
                raise EOFError
            if b" /unread" in head:  # and what follows is the next request
                s.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n")
                continue
            s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if re.search(rb"(?im)^transfer-encoding\s*:.*chunked", head):
            while True:
                while b"\n" not in buffer:
                    more()
                line, buffer = buffer.split(b"\n", 1)
                n = int(line.split(b";")[0].strip() or b"0", 16)
                while len(buffer) < n + 2:
                    more()
                buffer = buffer[n + 2 :] if n else buffer
                if n == 0:
                    while not re.match(rb"\r?\n", buffer) and not re.search(rb"\r?\n\r?\n", buffer):
                        more()
                    m = re.match(rb"\r?\n", buffer) or re.search(rb"\r?\n\r?\n", buffer)
                    buffer = buffer[m.end() :]
                    break
        elif m := re.search(rb"(?im)^content-length\s*:\s*(\d+)", head):
            n = int(m[1])
            while len(buffer) < n:
                more()
            buffer = buffer[n:]
        words = head.split(b"\n", 1)[0].split()
        yield words[0] if words else b"", words[1] if len(words) > 1 else b"", head


def chunks(body, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + size]), body[i : i + size]) for i in range(0, len(body), size)) + b"0\r\n"


def written(text, how):
    return "".join(how.get(c, c) for c in text).encode()


def leak(s, kind, head):
    """The credential that came, given back."""
    m = re.search(rb"(?im)^authorization: bearer ([^\r\n]+)", head)
    t = m[1] if m else b"none"
    ok, plain = b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/plain\r\n"

    def whole(body, fields=plain):
        s.sendall(ok + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    body = b"before " + t + b" after"
    encodings = {
        "raw": body, "base64": base64.b64encode(body), "base64-1": base64.b64encode(b"x" + body), "base64-2": base64.b64encode(b"xx" + body), "base64url": base64.urlsafe_b64encode(body), "hex": body.hex().encode(), "HEX": body.hex().upper().encode(),
"percent": urllib.parse.quote(body, safe="").encode(), "percent-lower": re.sub(rb"%..", lambda m: m[0].lower(), urllib.parse.quote(body, safe="").encode()), "json": json.dumps({"a": body.decode()}).encode(), "json-slash": json.dumps({"a": body.decode()}).replace("/", "\\/").encode(),
        "quote": urllib.parse.quote(body).encode(), "component": urllib.parse.quote(body, safe="!'()*").encode(), "json-go": written(json.dumps(body.decode()), {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}), "json-net": written(body.decode(), {c: "\\u%04X" % ord(c) for c in "\"&'+<>`"}), "json-json": json.dumps(json.dumps(body.decode())).encode(),
        "html-go": written(body.decode(), {"&": "&amp;", '"': "&#34;", "+": "&#43;"}), "html-mustache": written(body.decode(), {"&": "&amp;", '"': "&quot;", "/": "&#x2F;", "=": "&#x3D;"}),
        "html": html.escape(body.decode()).encode(), "basic": b"Basic " + base64.b64encode(b"u:" + t),
    }
    if kind in encodings:
        return whole(encodings[kind])
    if kind in ("image", "untyped", "octets"):
        return whole(body, {"image": b"Content-Type: image/png\r\n", "untyped": b"", "octets": b"Content-Type: application/octet-stream\r\n"}[kind])
    if kind == "split":
        s.sendall(ok + plain + b"Content-Length: %d\r\n\r\n" % len(body))
        for c in body:
            s.sendall(bytes([c]))
            time.sleep(0.002)
        return
    if kind in ("chunk1", "chunk7"):
        return s.sendall(ok + plain + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(body, int(kind[5:])) + b"\r\n")
    if kind == "trailer":
        return s.sendall(ok + plain + b"Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"x", 9) + b"X-T: " + t + b"\r\n\r\n")
    if kind == "late":
        return whole(b"x" * 3000000 + t + b"x" * 100000 + t)
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "twice": gzip.compress(gzip.compress(body)), "members": gzip.compress(body[:20]) + gzip.compress(body[20:]), "stored": gzip.compress(body, 0)}
    if kind in packed:
        coding = {"deflate": b"deflate", "twice": b"gzip, gzip"}.get(kind, b"gzip")
        return whole(packed[kind], plain + b"Content-Encoding: " + coding + b"\r\n")
    if kind == "coded":
        return whole(body, plain + b"Content-Encoding: x-unknown\r\n")
    lines = {"header": b"X-Echo: " + t, "location": b"Location: https://open.test/?" + t, "cookie": b"Set-Cookie: a=" + t, "header64": b"X-Echo: " + base64.b64encode(t), "etag": b'ETag: "' + t + b'"', "challenge": b'WWW-Authenticate: Bearer error="' + t + b'"'}
    if kind in lines:
        return s.sendall((ok if kind != "location" else b"HTTP/1.1 302 Found\r\n") + lines[kind] + b"\r\nContent-Length: 0\r\n\r\n")
    if kind == "phrase":
        return s.sendall(b"HTTP/1.1 200 " + t + b"\r\nContent-Length: 0\r\n\r\n")
    if kind == "hints":
        s.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <" + t + b">\r\n\r\n")
        return whole(b"x")
    if kind == "error":
        return s.sendall(b"HTTP/1.1 500 No\r\n" + plain + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    if kind == "close":
        s.sendall(ok + plain + b"Connection: close\r\n\r\n" + body)
        raise EOFError
    if kind == "multipart":
        return whole(b"--b\r\nContent-Type: text/plain\r\n\r\n" + body + b"\r\n--b--\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n")
    if kind == "events":
        return whole(b"".join(b"data: %c\n\n" % c for c in body) + b"data: " + body + b"\n\n", b"Content-Type: text/event-stream\r\n")
    whole(body)


def connection(s, context):
    try:
        if context:
            s = context.wrap_socket(s, server_side=True)
        with open(os.path.join(DIRECTORY, str(next(number))), "wb") as log:
            for n, (method, target, head) in enumerate(requests(s, log), 1):
                body = b"request %d\n" % n
                if target.startswith(b"/echo-head"):
                    body = head + b"\n"
                if target.startswith(b"/to?"):
                    s.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target[4:])
                    continue
                if target.startswith(b"/leak/"):
                    leak(s, target[6:].decode(), head)
                    continue
                if target == b"/101":
                    s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
                    continue
                if target == b"/304":
                    s.sendall(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 1000\r\n\r\n")
                    continue
                extra = b""
                if target == b"/gzip":
                    body, extra = gzip.compress(b"zipped\n" * 1000), b"Content-Encoding: gzip\r\n"
                if target == b"/cookies":
                    extra = b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n"
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n" % (extra, len(body)))
                if method != b"HEAD":
                    s.sendall(body)
    except (EOFError, OSError, ValueError):
        pass
    finally:
        s.close()


listen_http(ADDRESS, CERT, KEY, connection)
