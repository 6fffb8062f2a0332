"""The hostile agent sends whatever its user can make the kernel send. Nothing of it may reach the world, and what is
refused must be refused at once rather than hang.

usage: attack_packets.py SIDECAR HOST-UPLINK WORLD-GATEWAY ORIGIN FORBIDDEN DNS CANARY
"""
import os, random, socket, struct, sys, time
from concurrent.futures import ThreadPoolExecutor

SIDECAR, HOSTIP, GATEWAY, ORIGIN, FORBIDDEN, DNS = sys.argv[1:7]
CANARY = sys.argv[7].encode()


def own_address():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((ORIGIN, 9))
    return s.getsockname()[0]


OWN = own_address()
NET = OWN.rsplit(".", 1)[0]
STEP = int(os.environ.get("SCAN_STEP", "1"))
UPLINK = os.environ.get("SIDECAR_UPLINK", "")
ADDRESSES = {"an allowed host": ORIGIN, "a forbidden host": FORBIDDEN, "the host's uplink": HOSTIP, "the world's gateway": GATEWAY, "a foreign resolver": DNS, "the metadata service": "169.254.169.254",
             "a neighbour on the link": f"{NET}.254", "a private network": "192.168.1.1", "8.8.8.8": "8.8.8.8", "carrier-grade NAT": "100.64.0.1"}
PORTS = [1, 7, 21, 22, 23, 25, 110, 111, 135, 139, 143, 389, 445, 465, 587, 636, 853, 873, 993, 1080, 1433, 2049, 2375, 3128, 3306, 3389, 4443, 5000, 5353, 5432, 6379, 8080, 8443, 8888, 9000, 9050, 9418, 11211, 15001, 27017, 65535]


def report(name, fine, why=""):
    print(f"ok {name}" if fine else f"not ok {name}: {why}", flush=True)


def connects(address, port, family=socket.AF_INET, proto=0, timeout=4):
    """(connected, seconds)"""
    began = time.monotonic()
    try:
        s = socket.socket(family, socket.SOCK_STREAM, proto)
    except OSError:
        return False, 0
    s.settimeout(timeout)
    try:
        s.connect((address, port))
        try:
            s.sendall(CANARY + b" tcp\r\n\r\n")
        except OSError:
            pass
        return True, time.monotonic() - began
    except OSError:
        return False, time.monotonic() - began
    finally:
        s.close()


def tcp_ports():
    with ThreadPoolExecutor(32) as pool:
        for where, address in ADDRESSES.items():
            results = list(pool.map(lambda p: (p, *connects(address, p)), PORTS))
            opened = [p for p, c, _ in results if c]
            slow = [p for p, _, t in results if t > 3]
            report(f"TCP to {where}: every other port is closed", not opened, f"open: {opened}")
            report(f"TCP to {where}: and refused at once", not slow, f"slow: {slow}")
        for where, address in {"the sidecar": SIDECAR, "the sidecar's uplink": UPLINK}.items():
            if address:
                results = list(pool.map(lambda p: (p, *connects(address, p, timeout=8)), range(1, 65536, STEP if address == SIDECAR else 13)))
                opened = {p for p, c, _ in results if c}
                report(f"{where}: no port but DNS and web", opened <= {53, 80, 443}, f"open: {sorted(opened)[:20]}")
    for name, address in {"0.0.0.0": "0.0.0.0", "127.0.0.1": "127.0.0.1", "my own address": OWN}.items():
        opened = [p for p in (53, 80, 443, 15001, 8080) if connects(address, p)[0]]
        report(f"{name} leads nowhere", not opened, f"open: {opened}")
    for protocol, name in {262: "MPTCP", 132: "SCTP", 33: "DCCP"}.items():
        for port in (443, 8080):
            for address in (ORIGIN, FORBIDDEN):
                c, t = connects(address, port, proto=protocol, timeout=3)
                report(f"{name} to {address}:{port}", not c or (port == 443 and protocol == 262), "connected")
    s = socket.socket()
    s.settimeout(3)
    for address, port in ((FORBIDDEN, 443), (ORIGIN, 8080), (FORBIDDEN, 22)):
        s = socket.socket()
        s.settimeout(3)
        try:
            s.sendto(CANARY + b" in a SYN", 0x20000000, (address, port))  # MSG_FASTOPEN
        except OSError:
            pass
        s.close()
    report("TCP Fast Open data", True)
    for option in (b"\x83\x07\x04" + socket.inet_aton(FORBIDDEN) + b"\0", b"\x89\x07\x04" + socket.inet_aton(FORBIDDEN) + b"\0", b"\x07\x07\x04\0\0\0\0\0", b"\x94\x04\0\0", b"\x44\x08\x05\0\0\0\0\0"):
        for kind, port in ((socket.SOCK_STREAM, 443), (socket.SOCK_STREAM, 8080), (socket.SOCK_DGRAM, 5555), (socket.SOCK_DGRAM, 53)):
            s = socket.socket(socket.AF_INET, kind)
            s.settimeout(1)
            try:
                s.setsockopt(0, 4, option)  # IP_OPTIONS
                s.connect((ORIGIN, port))
                s.send(CANARY + b" with options")
                report(f"IP option {option[0]:#x}, {'TCP' if kind == 1 else 'UDP'} {port}", kind == socket.SOCK_DGRAM, "connected")
            except OSError:
                report(f"IP option {option[0]:#x}, {'TCP' if kind == 1 else 'UDP'} {port}", True)
            s.close()


def udp():
    quic = bytes([0xC3]) + struct.pack(">I", 1) + b"\x08" + os.urandom(8) + b"\0\0\x44\xb0" + CANARY + os.urandom(1200)
    stun = struct.pack(">HHI12s", 1, 0, 0x2112A442, os.urandom(12)) + CANARY
    payloads = {443: quic, 80: quic, 3478: stun, 19302: stun, 123: b"\x1b" + CANARY.ljust(47, b"\0"), 5353: CANARY, 5355: CANARY, 1900: b"M-SEARCH * HTTP/1.1\r\n" + CANARY, 137: CANARY, 67: CANARY, 69: CANARY, 161: CANARY, 500: CANARY, 514: CANARY, 853: CANARY, 1194: CANARY,
                1812: CANARY, 4500: CANARY, 4789: CANARY, 5060: CANARY, 51820: CANARY, 33434: CANARY, 65535: CANARY, 15001: CANARY}
    everywhere = dict(ADDRESSES, **{"the sidecar": SIDECAR, "limited broadcast": "255.255.255.255", "subnet broadcast": f"{NET}.255", "all hosts": "224.0.0.1", "mDNS": "224.0.0.251", "SSDP": "239.255.255.250", "class E": "240.0.0.1", "this network": "0.0.0.1"})
    for where, address in everywhere.items():
        for port, payload in payloads.items():
            for bind in (None, 53, 443):
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    if bind:
                        s.bind(("", bind))
                    s.sendto(payload, (address, port))
                except OSError:
                    pass
                s.close()
        report(f"UDP to {where}", True)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    time.sleep(1.2)  # the kernel says no at most a thousand times a second
    s.connect((ORIGIN, 4433))
    s.settimeout(3)
    began = time.monotonic()
    try:
        s.send(CANARY)
        s.recv(10)
        report("UDP is refused, not swallowed", False, "an answer came")
    except OSError as e:
        report("UDP is refused, not swallowed", not isinstance(e, TimeoutError) and time.monotonic() - began < 1, repr(e))
    for size in (1473, 4000, 30000, 65000):
        for address, port in ((ORIGIN, 53), (FORBIDDEN, 5000), (SIDECAR, 53)):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(0, 10, 0)  # IP_MTU_DISCOVER: fragments
            try:
                s.sendto(CANARY.ljust(size, b"x"), (address, port))
            except OSError:
                pass
    report("fragments", True)
    for source in (HOSTIP, ORIGIN, SIDECAR, "10.77.0.77", f"{NET}.250", "127.0.0.1"):
        for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 443), (socket.SOCK_STREAM, 443), (socket.SOCK_STREAM, 22)):
            s = socket.socket(socket.AF_INET, kind)
            s.settimeout(0.3)
            try:
                s.setsockopt(0, 15, 1)  # IP_FREEBIND
                s.bind((source, 0))
                s.connect((FORBIDDEN, port))
                s.send(CANARY + b" spoofed")
            except OSError:
                pass
            s.close()
    report("spoofed sources", True)
    for level, option, value in ((1, 25, b"eth0\0"), (1, 62, struct.pack("I", 2)), (0, 50, socket.htonl(2).to_bytes(4, sys.byteorder)), (0, 32, socket.inet_aton(OWN))):
        for address in everywhere.values():
            for kind, port in ((socket.SOCK_DGRAM, 5000), (socket.SOCK_STREAM, 22), (socket.SOCK_STREAM, 443)):
                s = socket.socket(socket.AF_INET, kind)
                s.settimeout(0.2)
                for more in (None, (1, 5, 1)):
                    try:
                        s.setsockopt(level, option, value)
                        if more:
                            s.setsockopt(*more)
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                        if kind == socket.SOCK_DGRAM:
                            s.sendto(CANARY + b" bound", 0x4 if more else 0, (address, port))
                        else:
                            s.connect((address, port))
                            s.send(CANARY + b" bound")
                    except OSError:
                        pass
                s.close()
    report("sockets bound to the interface", True)
    for packed in (0, 4):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136) if packed else socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for address in everywhere.values():
            try:
                info = struct.pack("i4s4s", 2, socket.inet_aton("0.0.0.0"), socket.inet_aton("0.0.0.0"))
                s.sendmsg([CANARY + b" pktinfo"], [(0, 8, info), (0, 2, struct.pack("i", 1))], 0, (address, 7777))
            except OSError:
                pass
    report("IP_PKTINFO, TTL 1, UDP-Lite", True)


def icmp():
    for kind, family in ((1, socket.AF_INET), (58, socket.AF_INET6)):
        try:
            s = socket.socket(family, socket.SOCK_DGRAM, kind)
        except OSError:
            report(f"ping sockets, protocol {kind}", True)
            continue
        s.settimeout(0.5)
        for address in (list(ADDRESSES.values()) + ["224.0.0.1", f"{NET}.255"]) if family == socket.AF_INET else ["ff02::1%eth0", "2001:4860:4860::8888", "::ffff:8.8.8.8"]:
            for size in (0, 56, 1000, 4000):
                try:
                    s.sendto(struct.pack("BBHHH", 8 if kind == 1 else 128, 0, 0, 1, 1) + CANARY.ljust(size, b"i"), (address, 0))
                except OSError:
                    pass
        report(f"ping sockets, protocol {kind}", True)


def ipv6():
    for address in ("2001:4860:4860::8888", "::1", "::ffff:93.184.216.20", "::ffff:10.77.0.2", "64:ff9b::5db8:d814", "2002:5db8:d814::1", "fe80::1%eth0", "ff02::1%eth0", "ff02::fb%eth0", "ff05::2%eth0", "fd00::1", "fec0::1", "::93.184.216.20"):
        opened = [p for p in (22, 53, 8080, 15001) if connects(address, p, socket.AF_INET6, timeout=1)[0]]
        report(f"TCP to {address}", not opened or (address.startswith("::ffff") and opened == [53]), f"open: {opened}")
        for port in (53, 443, 5353, 5000):
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            try:
                s.setsockopt(41, 17, 2)  # IPV6_MULTICAST_IF
                s.sendto(CANARY + b" v6", (address, port))
            except OSError:
                pass
            s.close()
    report("UDP over IPv6", True)


def name(*labels):
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"


def dns():
    def query(qname, qtype=1, qclass=1, flags=0x0100, counts=(1, 0, 0, 0), extra=b"", ident=None):
        return struct.pack(">HHHHHH", ident if ident is not None else random.randrange(65536), flags, *counts) + qname + struct.pack(">HH", qtype, qclass) + extra

    bad = [b"forbidden-" + CANARY, b"test"]
    queries = {f"type {t}": query(name(*bad), t) for t in (1, 2, 5, 6, 10, 12, 13, 15, 16, 24, 25, 28, 33, 35, 37, 41, 43, 44, 46, 48, 52, 64, 65, 99, 249, 250, 251, 252, 253, 255, 256, 257, 32769, 65280, 65399, 65535, 0)}
    allowed = [b"open", b"test"]
    queries.update({f"type {t} of an allowed name": query(name(b"x" + CANARY, *allowed), t) for t in (10, 16, 33, 255)})
    queries.update({f"class {c}": query(name(*bad), 1, c) for c in (0, 2, 3, 4, 254, 255, 0x8001)})
    queries.update({f"opcode {o}": query(name(*bad), 1, 1, o << 11) for o in range(1, 16)})
    queries.update({f"flags {f:#x}": query(name(*bad), 1, 1, f) for f in (0x8000, 0x8180, 0x0000, 0x0110, 0x0130, 0x01C0, 0x0300, 0x0500, 0x010F)})
    opt = b"\0\0\x29\x10\0\0\0\0\0" + struct.pack(">HHH", len(CANARY) + 4, 65001, len(CANARY)) + CANARY
    queries.update({
        "an allowed name with an option of ours": query(name(*allowed), counts=(1, 0, 0, 1), extra=opt),
        "an allowed name with a cookie": query(name(*allowed), counts=(1, 0, 0, 1), extra=b"\0\0\x29\x10\0\0\0\0\0" + struct.pack(">HHH", 12, 10, 8) + CANARY[:8]),
        "an allowed name with client subnet": query(name(*allowed), counts=(1, 0, 0, 1), extra=b"\0\0\x29\x10\0\0\0\0\0" + struct.pack(">HHHHBB", 11, 8, 7, 1, 24, 0) + b"\x5d\xb8\xd8"),
        "two OPT": query(name(*allowed), counts=(1, 0, 0, 2), extra=opt + opt),
        "two questions": query(name(*allowed), counts=(2, 0, 0, 0), extra=name(*bad) + b"\0\1\0\1"),
        "no question": struct.pack(">HHHHHH", 1, 0x100, 0, 0, 0, 0) + CANARY,
        "trailing octets": query(name(*allowed)) + CANARY,
        "records in the question": query(name(*allowed), counts=(1, 1, 1, 1), extra=(name(*bad) + struct.pack(">HHIH", 16, 1, 0, len(CANARY)) + CANARY) * 3),
        "a compression loop": query(b"\xc0\x0c"), "a pointer forward": query(b"\xc0\xff"), "a pointer to itself": query(b"\x01a\xc0\x0c"),
        "an extended label": query(b"\x41abc\0"), "a label of 64": query(b"\x40" + b"a" * 64 + b"\0"), "a name of 256": query(name(*[b"a" * 50] * 5, b"b" * 10, CANARY)),
        "upper case": query(name(CANARY.upper(), b"TEST")), "0x20": query(name(b"OpEn", b"TeSt")), "a dot in a label": query(name(b"open.test", CANARY)), "a NUL in a label": query(name(b"open\0" + CANARY, b"test")), "a space in a label": query(name(CANARY + b" x", b"test")),
        "an allowed name as a suffix": query(name(b"open", b"test", CANARY)), "an allowed name as a prefix": query(name(CANARY, b"open", b"test")), "an allowed name in one label": query(name(b"open.test")),
        "the root": query(b"\0"), "localhost": query(name(b"localhost")), "version.bind": query(name(b"version", b"bind"), 16, 3), "a reverse name": query(name(b"20", b"216", b"184", b"93", b"in-addr", b"arpa"), 12), "short": b"\1", "empty": b"", "12 octets": b"\0" * 12, "random": os.urandom(200),
        "64 KiB of names": query(name(*bad)) + os.urandom(60000), "ANY of an allowed name": query(name(*allowed), 255), "AXFR": query(name(b"test"), 252), "IXFR": query(name(b"test"), 251), "an update": query(name(b"test"), 6, 1, 5 << 11),
    })
    for what, q in queries.items():
        for target in (SIDECAR, DNS, "8.8.8.8"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                s.sendto(q, (target, 53))
            except OSError:
                pass
        if len(q) < 65536:
            try:
                t = socket.create_connection((DNS, 53), 2)
                t.sendall(struct.pack(">H", len(q)) + q)
                t.close()
            except OSError:
                pass
        report(f"DNS: {what}", True)
    for target in (SIDECAR, DNS):
        t = socket.create_connection((target, 53), 2)
        t.sendall(b"\xff\xff" + CANARY * 10)
        t.sendall(b"GET /" + CANARY + b" HTTP/1.1\r\nHost: forbidden.test\r\n\r\n")
        t.close()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    q = query(name(b"open", b"test"), ident=77)
    s.sendto(q, ("8.8.8.8", 53))
    try:
        answer, source = s.recvfrom(4096)
        report("the resolver still answers, from the asked address", answer[:2] == q[:2] and source[0] == "8.8.8.8" and struct.unpack(">H", answer[6:8])[0] == 1, f"{source} {answer!r}")
    except OSError as e:
        report("the resolver still answers, from the asked address", False, repr(e))


for part in (tcp_ports, udp, icmp, ipv6, dns):
    part()
