"""The hostile agent takes what it can get of connections, memory and time; somebody honest must still be served.

usage: attack_flood.py CALM-DIRECTORY      touches a file there before and after, so that the other side can count descriptors
"""
import os, random, resource, select, socket, ssl, struct, sys, threading, time, urllib.request

DIRECTORY = sys.argv[1]
ORIGIN, OPEN = "93.184.216.10", "93.184.216.12"
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
MANY = min(2000, hard - 200)


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def served(name, within):
    """A new client gets a page in time, though something is going on."""
    began = time.monotonic()
    try:
        fine = urllib.request.urlopen("https://origin.test/", timeout=within).read().startswith(b"hello")
        why = f"{time.monotonic() - began:.1f} s"
    except OSError as e:
        fine, why = False, repr(e)
    report(f"{name}: another client is served", fine, why)


def opened(n, port=443, first=b"", address=ORIGIN):
    out = []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((address, port))
        out.append(s)
    end = time.monotonic() + 20
    waiting = set(out)
    while waiting and time.monotonic() < end:
        for s in select_write(waiting):
            waiting.discard(s)
            try:
                if first:
                    s.send(first)
            except OSError:
                pass
    return out


def select_write(sockets):
    poll = select.poll()
    by = {s.fileno(): s for s in sockets}
    for fd in by:
        poll.register(fd, select.POLLOUT)
    return [by[fd] for fd, _ in poll.poll(500)]


def close(sockets, reset=False):
    for s in sockets:
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


def tls(host="origin.test", address=ORIGIN):
    c = ssl.create_default_context()
    s = c.wrap_socket(socket.create_connection((address, 443), 10), server_hostname=host)
    s.settimeout(20)
    return s


HELLO = b"\x16\3\1\2\0\1\0\1\xfc\3\3" + os.urandom(32)  # the beginning of one


def idle():
    s = opened(MANY)
    served(f"{MANY} connections that say nothing", 20)
    close(s)
    s = opened(500, first=HELLO)
    served("500 handshakes that never go on", 20)
    close(s, reset=True)
    s = opened(500, port=80, first=b"GET / HTTP/1.1\r\nHost: origin.test\r\nX: ")
    for _ in range(5):
        for c in s[:200]:
            try:
                c.send(b"y")
            except OSError:
                pass
        time.sleep(0.1)
    served("500 heads that never end", 20)
    close(s)
    s = opened(500, port=80, first=b"POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1000000\r\n\r\nx")
    served("500 bodies that never end", 20)
    close(s, reset=True)
    s = opened(500, port=80, first=b"POST /x HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n")
    served("500 chunks that never end", 20)
    close(s)
    s = opened(300, port=53, address="93.184.216.53", first=b"\xff\xff")
    served("300 questions over TCP that never end", 20)
    close(s)
    s = opened(300, port=80, first=b"GET /big HTTP/1.1\r\nHost: origin.test\r\n\r\n")
    time.sleep(1)
    served("300 downloads that nobody reads", 20)
    close(s, reset=True)


def churn():
    end = time.monotonic() + 3

    def loop(kind):
        while time.monotonic() < end:
            try:
                s = socket.create_connection((ORIGIN, random.choice((80, 443))), 2)
                if kind == 0:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif kind == 1:
                    s.send(os.urandom(100))
                elif kind == 2:
                    s.send(HELLO[:50])
                elif kind == 3:
                    s.send(b"GET /big HTTP/1.1\r\nHost: origin.test\r\n\r\n")
                s.close()
            except OSError:
                pass

    threads = [threading.Thread(target=loop, args=(i % 4,)) for i in range(16)]
    for t in threads:
        t.start()
    time.sleep(1)
    served("connections come and go as fast as they can", 10)
    for t in threads:
        t.join()
    for moment in range(0, 2000, 40):  # every state of an exchange, cut
        try:
            s = tls()
            s.sendall(b"GET /big HTTP/1.1\r\nHost: origin.test\r\n\r\n")
            got = 0
            while got < moment * 50:
                got += len(s.recv(65536))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        except OSError:
            pass
    served("resets in the middle of downloads", 5)


def refusals():
    def refused():
        for i in range(150):
            try:
                c = ssl._create_unverified_context()
                with c.wrap_socket(socket.create_connection((ORIGIN, 443), 5), server_hostname=f"n{random.random()}.forbidden.test"):
                    pass
            except OSError:
                pass

    def asked():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(20000):
            label = b"%x" % random.getrandbits(60)
            try:
                s.sendto(struct.pack(">HHHHHH", i & 0xFFFF, 0x100, 1, 0, 0, 0) + bytes([len(label)]) + label + b"\4test\0\0\1\0\1", ("8.8.8.8", 53))
            except OSError:
                pass

    def scanned():
        for port in range(1, 4000):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("93.184.216.20", port))
            s.close()
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for port in range(1, 20000):
            try:
                u.sendto(b"x", ("93.184.216.20", port))
            except OSError:
                pass

    threads = [threading.Thread(target=f) for f in (refused, refused, refused, asked, asked, scanned)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    served("floods of refused names, questions and packets", 12)
    for t in threads:
        t.join()
    served("...afterwards", 5)


def heavy():
    """Much, and slowly; the other side looks at the engines' memory."""
    s = tls()
    block = b"x" * 65536
    s.sendall(b"PUT /put/huge HTTP/1.1\r\nHost: origin.test\r\nContent-Length: %d\r\n\r\n" % (len(block) * 4096))
    for _ in range(4096):
        s.sendall(block)
    answer = s.recv(4096)
    report("256 MiB up", answer.startswith(b"HTTP/1.1 20"), repr(answer[:200]))
    s = tls("open.test", OPEN)
    s.settimeout(2)
    sent = 0
    try:
        while sent < 64 << 20:
            s.sendall(b"GET /pipelined HTTP/1.1\r\nHost: open.test\r\n\r\n" * 1000)
            sent += 42000
    except OSError:
        pass
    served(f"pipelined requests without end ({sent >> 20} MiB were taken)", 5)
    s.close()
    s = tls("open.test", OPEN)
    got = b""
    try:
        s.sendall(b"POST /tiny HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200000 + b"0\r\n\r\n")
        got = s.recv(4096)
    except OSError as e:
        got = repr(e).encode()
    report("200,000 chunks of an octet", b" 200 " in got, repr(got[:200]))


def bombs():
    children = []
    try:
        for _ in range(20000):
            pid = os.fork()
            if pid == 0:
                time.sleep(30)
                os._exit(0)
            children.append(pid)
            if len(children) >= 3000:
                break
    except OSError:
        pass
    served(f"{len(children)} processes", 12)
    for pid in children:
        os.kill(pid, 9)
    for pid in children:
        os.waitpid(pid, 0)


def mark(name):
    open(f"{DIRECTORY}/{name}", "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(f"{DIRECTORY}/{name}.seen") and time.monotonic() < end:
        time.sleep(0.05)


served("before", 5)
mark("before")
for part in (idle, churn, refusals, heavy, bombs):
    part()
mark("after")
served("after", 5)
