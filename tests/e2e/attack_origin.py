"""Writes down every octet that each connection brings, and answers what it can make of them, more leniently than it should.

usage: attack_origin.py ADDRESS CERT KEY DIRECTORY
A connection's octets are in DIRECTORY/N. Answers are 200 with the number of requests seen on this connection; /echo-head
gives the head back (which a redaction may change), /to?URL redirects there, /101 switches protocols whatever was asked;
/gzip, /cookies, /304 and /reject (a final answer instead of 100) are what their names say.
"""
import gzip, itertools, os, re, socket, ssl, sys, threading

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


def listen(port, context):
    server = socket.create_server((ADDRESS, port), backlog=128)
    while True:
        s, _ = server.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=connection, args=(s, context), daemon=True).start()


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERT, KEY)
tls.set_alpn_protocols(["http/1.1"])
threading.Thread(target=listen, args=(80, None), daemon=True).start()
listen(443, tls)
