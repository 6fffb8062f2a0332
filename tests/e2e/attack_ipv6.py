"""The hostile agent's IPv6, where the host has some: every way past the gateway, every odd header its user can ask for.

usage: attack_ipv6.py GATEWAY CANARY ADDRESS...
"""
import os, socket, struct, sys, time
from concurrent.futures import ThreadPoolExecutor

GATEWAY, CANARY, ADDRESSES = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
INDEX = socket.if_nametoindex("eth0")
NEAR = [f"fe80::{x}%eth0" for x in ("1", "2", "dead")] + ["ff02::1%eth0", "ff02::2%eth0", "ff02::fb%eth0", "ff02::1:2%eth0", "ff05::1:3%eth0", "ff08::1%eth0", "ff0e::1%eth0", "ff01::1%lo"]
FAR = ["2001:4860:4860::8888", "64:ff9b::5db8:d814", "2002:5db8:d814::1", "::ffff:93.184.216.20", "::ffff:0:93.184.216.20", "::93.184.216.20", "2001:0:5db8:d814::1", "fd00::1", "fec0::1", "fd00:ec2::254", "100::1", "::1", "::", "fc00::1", "3fff::1", GATEWAY.rsplit(":", 1)[0] + ":77"]
EVERYWHERE = ADDRESSES + [GATEWAY] + FAR + NEAR


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def target(address, port):
    return socket.getaddrinfo(address, port, socket.AF_INET6, socket.SOCK_DGRAM)[0][4]


def attempt(action):
    try:
        return action()
    except OSError:
        return None


def connects(item):
    address, port, options = item
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.settimeout(3)
    try:
        for option in options:
            s.setsockopt(*option)
        began = time.monotonic()
        s.connect(target(address, port))
        attempt(lambda: s.sendall(CANARY + b" v6 tcp\r\n\r\n"))
        return address, port, True, 0
    except OSError:
        return address, port, False, time.monotonic() - began
    finally:
        s.close()


def tcp():
    ports = (1, 22, 25, 53, 123, 853, 5353, 8080, 8443, 15001, 65535)
    with ThreadPoolExecutor(32) as pool:
        results = list(pool.map(connects, [(a, p, ()) for a in EVERYWHERE for p in ports]))
        opened = [(a, p) for a, p, c, _ in results if c and p != 53]
        report("TCP over IPv6: other ports are closed", not opened, str(opened))
        slow = [(a, p, round(t, 1)) for a, p, _, t in results if t > 2.5 and a in ADDRESSES + [GATEWAY]]
        report("...and refused at once", not slow, str(slow))
        bound = [(1, 25, b"eth0\0")]
        unrouted = bound + [(41, 16, 64)]
        results = list(pool.map(connects, [(a, p, o) for a in EVERYWHERE for p in (22, 8080) for o in (bound, unrouted)]))
        opened = [(a, p) for a, p, c, _ in results if c]
        report("TCP over IPv6, bound to the interface", not opened, str(opened))
        results = list(pool.map(connects, [(GATEWAY, p, ()) for p in range(1, 65536, 7)]))
        opened = [p for _, p, c, _ in results if c]
        report("the gateway: no port but DNS and web", set(opened) <= {53, 80, 443}, str(opened))


def udp():
    for address in EVERYWHERE:
        for port in (53, 67, 123, 443, 547, 853, 1900, 3478, 5353, 5355, 33434, 65535):
            for bind in (0, 53, 123, 546):
                s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                attempt(lambda: s.bind(("::", bind)))
                attempt(lambda: s.sendto(CANARY + b" v6 udp", target(address, port)))
                s.close()
    report("UDP over IPv6", True)
    for address in EVERYWHERE:
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        attempt(lambda: s.setsockopt(41, 24, 1280))  # IPV6_MTU
        attempt(lambda: s.setsockopt(41, 23, 0))
        for size in (1400, 4000, 60000):
            for port in (53, 5000):
                attempt(lambda: s.sendto(CANARY.ljust(size, b"f"), target(address, port)))
        s.close()
    report("IPv6 fragments", True)
    home = [b"\0\0\1\4\0\0\0\0", b"\0\2\0\0\0\0\0\0" + socket.inet_pton(socket.AF_INET6, ADDRESSES[-1]), b"\0\2\2\1\0\0\0\0" + socket.inet_pton(socket.AF_INET6, ADDRESSES[-1]), b"\0\2\4\0\0\0\0\0" + socket.inet_pton(socket.AF_INET6, ADDRESSES[-1]), b"\0\2\3\0\0\0\0\0" + bytes(16)]
    for option in (57, 54, 59, 55):  # RTHDR, HOPOPTS, DSTOPTS, RTHDRDSTOPTS
        for value in home:
            for kind, port in ((socket.SOCK_DGRAM, 5000), (socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 443), (socket.SOCK_STREAM, 22)):
                for address in ADDRESSES + [GATEWAY]:
                    s = socket.socket(socket.AF_INET6, kind)
                    s.settimeout(0.3)
                    if attempt(lambda: s.setsockopt(41, option, value) or True):
                        attempt(lambda: s.connect(target(address, port)))
                        attempt(lambda: s.send(CANARY + b" extension header"))
                    s.close()
    report("extension headers", True)
    for source in ADDRESSES + [GATEWAY, "fe80::77", "::1", "fd00::9", "::ffff:10.77.0.2"]:
        for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 5000), (socket.SOCK_STREAM, 443)):
            s = socket.socket(socket.AF_INET6, kind)
            s.settimeout(0.3)
            attempt(lambda: s.setsockopt(41, 78, 1))  # IPV6_FREEBIND
            attempt(lambda: s.bind((source, 0, 0, INDEX if source.startswith("fe80") else 0)))
            attempt(lambda: s.connect(target(ADDRESSES[-1], port)))
            attempt(lambda: s.send(CANARY + b" spoofed"))
            s.close()
            info = socket.inet_pton(socket.AF_INET6, source) + struct.pack("I", INDEX)
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            attempt(lambda: s.sendmsg([CANARY + b" pktinfo"], [(41, 50, info)], 0, target(ADDRESSES[-1], port)))
            s.close()
    report("spoofed sources", True)
    for level, option, value in ((1, 25, b"eth0\0"), (41, 76, socket.htonl(INDEX)), (41, 17, INDEX), (41, 20, socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("I", INDEX))):
        for address in EVERYWHERE:
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            attempt(lambda: s.setsockopt(level, option, value))
            attempt(lambda: s.setsockopt(41, 18, 64))
            attempt(lambda: s.sendto(CANARY + b" bound", target(address, 7777)))
            s.close()
    report("sockets bound to the interface", True)
    for protocol in (132, 136, 33, 262):
        for address in ADDRESSES:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
                s = attempt(lambda: socket.socket(socket.AF_INET6, kind, protocol))
                if s:
                    s.settimeout(0.3)
                    attempt(lambda: s.connect(target(address, 5000)))
                    attempt(lambda: s.send(CANARY + b" protocol"))
                    s.close()
    report("other protocols", True)
    s = attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, 58))
    for address in EVERYWHERE if s else []:
        for size in (8, 1000, 4000):
            attempt(lambda: s.sendto(struct.pack(">BBHHH", 128, 0, 0, 1, 1) + CANARY.ljust(size, b"p"), target(address, 0)))
    report("echo requests", True)
    q = b"\0\7\1\0\0\1\0\0\0\0\0\0" + bytes([len(CANARY)]) + CANARY + b"\4test\0\0\x1c\0\1"
    for address in EVERYWHERE:
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        attempt(lambda: s.sendto(q, target(address, 53)))
        s.close()
        c = attempt(lambda: socket.create_connection(target(address, 53)[:2], 0.5))
        if c:
            attempt(lambda: c.sendall(struct.pack(">H", len(q)) + q))
            c.close()
    report("questions to anybody", True)


tcp()
udp()
