"""Streams on which nothing is said, and then nobody is there.

usage: idle.py serve ADDRESS CERT KEY     on 443 (http/1.1) and 9443 (h2): one event, then silence; on 9444 a WebSocket that says nothing
       idle.py SECONDS DIRECTORY          inside a sandbox: prints "ok NAME" and "not ok NAME: why"; touches DIRECTORY/silent, and waits
                                          for DIRECTORY/cut
"""
import os, re, socket, ssl, struct, sys, threading, time

import h2_raw, ws_raw


def serve(address, cert, key):
    def context(alpn):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(cert, key)
        c.set_alpn_protocols([alpn])
        return c

    def events(s):
        while b"\r\n\r\n" not in s.recv(65536):
            pass
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
        s.recv(1)

    def h2(s):
        s.sendall(h2_raw.frame(h2_raw.SETTINGS, 0, 0) + h2_raw.frame(h2_raw.SETTINGS, h2_raw.ACK, 0))
        got = b""
        while more := s.recv(65536):
            got = (got + more).removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            while len(got) >= 9 and len(got) >= 9 + (length := int.from_bytes(got[:3], "big")):
                kind, stream, got = got[3], int.from_bytes(got[5:9], "big"), got[9 + length:]
                if kind == h2_raw.HEADERS:
                    s.sendall(h2_raw.frame(h2_raw.HEADERS, h2_raw.END_HEADERS, stream, b"\x88") + h2_raw.frame(h2_raw.DATA, 0, stream, b"data: 1\n\n"))

    def websocket(s):
        st = ws_raw.Stream(s)
        key = ws_raw.fields(st.head())["sec-websocket-key"]
        s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % ws_raw.accept_of(key).encode())
        while True:
            op, fin, data, _ = st.frame()
            s.sendall(ws_raw.frame(op, data))

    def listen(port, alpn, f):
        server, c = socket.create_server((address, port), backlog=20), context(alpn)

        def one(raw):
            try:
                f(c.wrap_socket(raw, server_side=True))
            except (OSError, EOFError):
                raw.close()

        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    for args in ((443, "http/1.1", events), (9443, "h2", h2)):
        threading.Thread(target=listen, args=args, daemon=True).start()
    listen(9444, "http/1.1", websocket)


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def agent(seconds, directory):
    def get(port):
        c = ssl.create_default_context()
        s = c.wrap_socket(socket.create_connection(("quiet.test", port), 10), server_hostname="quiet.test")
        s.sendall(b"GET / HTTP/1.1\r\nHost: quiet.test:%d\r\n\r\n" % port)
        got = b""
        s.settimeout(10)
        while b"data: 1" not in got:
            got += s.recv(4096)
        return s

    streams = {"events by HTTP/1": get(443), "events by HTTP/1 from HTTP/2": get(9443)}
    p = h2_raw.Peer(to=("quiet.test", 9443))
    p.get(1, authority="quiet.test:9443")
    p.pump(10, lambda: b"data: 1" in p.body.get(1, b""))
    assert b"data: 1" in p.body[1], p.tell()
    streams["events by HTTP/2"] = p.s
    said = ws_raw.Client("quiet.test", 9444)
    silent = ws_raw.Client("quiet.test", 9444)
    streams["a WebSocket"] = silent.s
    ended = {}

    def watch(name, s):
        s.settimeout(seconds + 200)
        try:
            while s.recv(4096):
                pass
            ended[name] = time.monotonic()
        except OSError as e:
            ended[name] = "still there" if isinstance(e, TimeoutError) else time.monotonic()

    threads = [threading.Thread(target=watch, args=a) for a in streams.items()]
    for t in threads:
        t.start()
    time.sleep(seconds)
    for name in streams:
        report(f"silent for {seconds:.0f} s, while every other time is 2 s: {name}", name not in ended)
    said.send(1, b"still there?")
    report("...and it goes on", said.message() == (1, b"still there?"))
    open(f"{directory}/silent", "w").close()
    while not os.path.exists(f"{directory}/cut"):
        time.sleep(0.05)
    cut = time.monotonic()
    said.send(1, b"is anybody there?")  # octets under way
    threads.append(threading.Thread(target=watch, args=("a WebSocket with octets under way", said.s)))
    threads[-1].start()
    for t in threads:
        t.join()
    for name, when in ended.items():
        report(f"the upstream is gone: {name} ends within 150 s", isinstance(when, float) and 5 < when - cut < 150, str(when if isinstance(when, str) else when - cut))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        agent(float(sys.argv[1]), sys.argv[2])
