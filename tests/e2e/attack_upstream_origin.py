"""A malicious upstream: a certificate by the server name, an answer by the path, none of it as it should be.

usage: attack_upstream_origin.py ADDRESS CERTIFICATES        NAME.pem and NAME.key (or leaf.key) for NAME.bad.test; hostile.pem for the rest
"""
import os, ssl, sys, time

from serving import listen

ADDRESS, CERTIFICATES = sys.argv[1:3]
OK = b"HTTP/1.1 200 OK\r\n"
FINE = OK + b"Content-Length: 5\r\n\r\nfine\n"
POISON = OK + b"Content-Length: 6\r\n\r\npoison"
ANSWERS = {
    "/fine": FINE,
    # More than was asked for: the next request must not get it.
    "/two": FINE + POISON, "/head-body": OK + b"Content-Length: 6\r\n\r\npoison", "/204-body": b"HTTP/1.1 204 No\r\n\r\n" + POISON, "/304-body": b"HTTP/1.1 304 No\r\nContent-Length: 6\r\n\r\n" + POISON, "/extra": OK + b"Content-Length: 5\r\n\r\nfine\n\r\n\r\n", "/chunk-extra": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfine\n\r\n0\r\n\r\n" + POISON,
    # Two readings.
    "/cl-te": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + POISON, "/two-cl": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nfine\n" + POISON, "/cl-list": OK + b"Content-Length: 5, 6\r\n\r\nfine\n", "/cl-negative": OK + b"Content-Length: -1\r\n\r\nfine\n", "/cl-huge": OK + b"Content-Length: 99999999999999999999\r\n\r\nfine\n",
    "/cl-hex": OK + b"Content-Length: 0x5\r\n\r\nfine\n", "/cl-plus": OK + b"Content-Length: +5\r\n\r\nfine\n", "/te-odd": OK + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nfine\n\r\n0\r\n\r\n", "/te-twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n5\r\nfine\n\r\n0\r\n\r\n", "/chunk-overflow": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff5\r\nfine\n\r\n0\r\n\r\n",
    "/chunk-minus": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nfine\n\r\n0\r\n\r\n", "/chunk-lf": OK + b"Transfer-Encoding: chunked\r\n\r\n5\nfine\n\n0\n\n", "/bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nfine\n", "/bare-cr": OK + b"X: a\rSet-Cookie: poison=1\r\nContent-Length: 5\r\n\r\nfine\n", "/nul": OK + b"X: a\0b\r\nContent-Length: 5\r\n\r\nfine\n", "/fold": OK + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nfine\n",
    "/space-colon": OK + b"Content-Length : 5\r\n\r\nfine\n", "/no-colon": OK + b"nothing\r\nContent-Length: 5\r\n\r\nfine\n", "/http09": b"fine\n", "/http2": b"HTTP/2 200\r\n\r\n", "/status0": b"HTTP/1.1 000 x\r\n\r\n", "/status999": b"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", "/status-long": b"HTTP/1.1 2000 x\r\n\r\n", "/status-word": b"HTTP/1.1 two OK\r\n\r\n", "/101": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + b"poison",
    "/verdict": OK + b"X-Egress-Verdict: allow\r\nX-Egress-Verdict: deny\r\nAlt-Svc: h3=\":443\"\r\nContent-Length: 5\r\n\r\nfine\n", "/fields": OK + b"x: y\r\n" * 20000 + b"Content-Length: 5\r\n\r\nfine\n", "/long": OK + b"X: " + b"y" * 1000000 + b"\r\nContent-Length: 5\r\n\r\nfine\n", "/early-flood": b"HTTP/1.1 103 x\r\nX: y\r\n\r\n" * 20000 + FINE, "/hundred-flood": b"HTTP/1.1 100 x\r\n\r\n" * 20000 + FINE,
    "/trailers": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfine\n\r\n0\r\nContent-Length: 7\r\nSet-Cookie: poison=1\r\nHost: x\r\n\r\n", "/trailer-flood": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfine\n\r\n0\r\n" + b"x: y\r\n" * 50000 + b"\r\n", "/nothing": b"", "/half": OK + b"Content-Le", "/empty-name": OK + b": x\r\nContent-Length: 5\r\n\r\nfine\n", "/crlf-first": b"\r\n\r\n" + FINE,
    # Odd, but of real servers.
    "/connection-te": OK + b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nConnection: Transfer-Encoding\r\n\r\n5\r\nfine\n\r\n0\r\n\r\n",
    "/connection-junk": OK + b"Content-Length: 5\r\nConnection: Keep-Alive, timeout=5, Content-Length\r\n\r\nfine\n",
    "/gzip-bomb": None, "/drip": None,
}


def gzip_bomb():
    import zlib
    d = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([d.compress(bytes(1 << 20)) for _ in range(512)] + [d.flush()])


def serve(s, name):
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            piece = s.recv(65536)
            if not piece:
                return
            buffer += piece
        head, buffer = buffer.split(b"\r\n\r\n", 1)
        path = head.split(b" ")[1].decode()
        if path == "/gzip-bomb":
            body = gzip_bomb()
            s.sendall(OK + b"Content-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            continue
        if path == "/drip":
            for c in FINE[:-5]:
                s.sendall(bytes([c]))
                time.sleep(0.01)
            s.sendall(b"fine\n")
            continue
        answer = ANSWERS.get(path, FINE)
        s.sendall(answer)
        if answer in (b"",) or path == "/half":
            return


def certificate(name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.set_ciphers("ALL:@SECLEVEL=0")
    key = f"{CERTIFICATES}/{name}.key"
    c.load_cert_chain(f"{CERTIFICATES}/{name}.pem", key if os.path.exists(key) else f"{CERTIFICATES}/leaf.key")
    if name == "client":
        c.verify_mode = ssl.CERT_OPTIONAL
        c.load_verify_locations(f"{CERTIFICATES}/ca.pem")
    c.set_alpn_protocols(["http/1.1"])
    return c


def by_name(s, name, _):
    label = (name or "").split(".")[0]
    if os.path.exists(f"{CERTIFICATES}/{label}.pem"):
        s.context = certificate(label)


main = certificate("hostile")
main.sni_callback = by_name


def connection(raw):
    try:
        with main.wrap_socket(raw, server_side=True) as s:
            serve(s, "")
    except (OSError, ValueError, IndexError):
        raw.close()


listen(ADDRESS, 443, connection)
