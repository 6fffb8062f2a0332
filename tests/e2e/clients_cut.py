"""Answers that end too early, in every way that a protocol has, to agents of every protocol: what is cut must look cut.

usage: clients_cut.py serve ADDRESS CERT KEY     HTTP/1 over TLS on 443, plain on 80, HTTP/2 on 9443
       clients_cut.py                            inside a sandbox: prints "ok NAME" and "not ok NAME: why"
"""
import os, re, socket, ssl, struct, sys, threading, time

import h2_raw

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LENGTH, CHUNKED, CLOSE = HEAD + b"Content-Length: 100\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"Connection: close\r\n\r\n"
WHOLE = {"/length": HEAD + b"Content-Length: 4\r\n\r\nbody", "/chunked": CHUNKED + b"4\r\nbody\r\n0\r\n\r\n", "/close": CLOSE + b"body"}
PARTS = {"length": LENGTH + b"body", "length-none": LENGTH, "chunk": CHUNKED + b"9\r\nbody", "between": CHUNKED + b"4\r\nbody\r\n", "size": CHUNKED + b"4\r\nbody\r\n1", "last": CHUNKED + b"4\r\nbody\r\n0\r\n", "trailer": CHUNKED + b"4\r\nbody\r\n0\r\nx: y\r\n", "close": CLOSE + b"body", "head": HEAD}
ENDS = ("fin", "notify", "rst")  # a FIN alone, close_notify before it, RST


def serve(address, cert, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    tls.set_alpn_protocols(["http/1.1"])
    h2 = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    h2.load_cert_chain(cert, key)
    h2.set_alpn_protocols(["h2"])

    def finish(s, how):
        time.sleep(0.1)
        if how == "notify" and isinstance(s, ssl.SSLSocket):
            s.settimeout(2)
            try:
                s = s.unwrap()
            except OSError:
                pass
        if how == "rst":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def one(s):
        while True:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = s.recv(65536)
                if not piece:
                    return s.close()
                got += piece
            path = got.split(b" ")[1].decode()
            if path in WHOLE:
                s.sendall(WHOLE[path])
                if path == "/close":
                    return finish(s, "notify")
                continue
            part, _, how = path[1:].rpartition("-")
            s.sendall(PARTS[part])
            return finish(s, how)

    def two(s):
        s.sendall(h2_raw.frame(h2_raw.SETTINGS, 0, 0) + h2_raw.frame(h2_raw.SETTINGS, h2_raw.ACK, 0))
        time.sleep(0.2)
        s.sendall(h2_raw.frame(h2_raw.HEADERS, h2_raw.END_HEADERS, 1, b"\x88") + h2_raw.frame(h2_raw.DATA, 0, 1, b"body"))
        finish(s, "notify")

    def listen(port, context, f):
        server = socket.create_server((address, port), backlog=100)

        def run(raw):
            try:
                f(context.wrap_socket(raw, server_side=True) if context else raw)
            except (OSError, KeyError):
                raw.close()

        while True:
            threading.Thread(target=run, args=(server.accept()[0],), daemon=True).start()

    for args in ((443, tls, one), (9443, h2, two)):
        threading.Thread(target=listen, args=args, daemon=True).start()
    listen(80, None, one)


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def judge(got, end):
    """As the strictest client: "whole", "cut", or the status of a refusal."""
    head, sep, body = got.partition(b"\r\n\r\n")
    status = head[9:12].decode()
    if not sep:
        return "cut"
    if status != "200":
        return status
    if b"transfer-encoding: chunked" in head:
        return "whole" if re.fullmatch(rb"([0-9a-f]+\r\n[a-z]+\r\n)*0\r\n([^\r\n]+\r\n)*\r\n", body) else "cut"
    if m := re.search(rb"content-length: (\d+)", head):
        return "whole" if len(body) == int(m[1]) else "cut"
    return "whole" if end == "orderly" else "cut"


def h1(path, port, secure):
    s = socket.create_connection(("cut.test", port), 10)
    if secure:
        c = ssl.create_default_context()
        c.set_alpn_protocols(["http/1.1"])
        c.options &= ~0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
        s = c.wrap_socket(s, server_hostname="cut.test", suppress_ragged_eofs=False)
    s.settimeout(8)
    s.sendall(b"GET %s HTTP/1.1\r\nHost: cut.test:%d\r\nConnection: close\r\n\r\n" % (path.encode(), port))
    got, end = b"", "orderly"
    try:
        while piece := s.recv(65536):
            got += piece
    except TimeoutError:
        end = "hung"
    except OSError as e:
        end = type(e).__name__
    return "hung" if end == "hung" else judge(got, end)


def h2(path, port=443):
    p = h2_raw.Peer(to=("cut.test", port))
    p.get(1, path=path, authority="cut.test" if port == 443 else f"cut.test:{port}")
    p.pump(8, p.over(1))
    if p.status.get(1) not in (200, None):
        return str(p.status[1])
    if 1 in p.reset:
        return "cut"
    return "whole" if 1 in p.ended else "cut" if p.closed or p.went else "hung"


def agent():
    for name, f, plain in (("HTTP/1 over TLS", lambda path: h1(path, 443, True), False), ("plain HTTP/1", lambda path: h1(path, 80, False), True), ("HTTP/2", h2, False)):
        for path in WHOLE:
            what = f(path)
            report(f"{name}: {path[1:]} is whole", what == "whole", what)
        for part in PARTS:
            for end in ENDS:
                # what ends with the connection is whole if the connection's end is orderly: with TLS, if it said so
                orderly = part == "close" and (end == "notify" or (end == "fin" and plain))
                what = f(f"/{part}-{end}")
                report(f"{name}: {part}, {end}: {'whole' if orderly else 'cut'}", what == "whole" if orderly else what in ("cut", "502"), what)
    what = h1("/x", 9443, True)
    report("HTTP/1 over TLS, the upstream's HTTP/2 session ends: cut", what == "cut", what)
    what = h2("/x", 9443)
    report("HTTP/2, the upstream's HTTP/2 session ends: cut", what == "cut", what)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
    else:
        agent()
