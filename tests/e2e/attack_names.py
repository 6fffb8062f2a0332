"""The hostile agent's names: SNI, Host, leases, addresses and ClientHellos that do not agree, or that parsers read in two ways.

usage: attack_names.py ORIGIN RECORDER FORBIDDEN
"""
import os, re, socket, ssl, struct, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

ORIGIN, RECORDER, FORBIDDEN = sys.argv[1:4]
GOT = re.compile(rb"^HTTP/1\.1 (\d{3})")


def report(name, fine, why=""):
    os.write(1, (f"ok {name}\n" if fine else f"not ok {name}: {why}\n").encode(errors="replace"))


def each(action, items):
    """Side by side, since most of a refusal is waiting for what must not come."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: action(*item), items))


def u16(*lists):
    body = b"".join(lists)
    return struct.pack(">H", len(body)) + body


def sni(name, kind=0):
    name = name if isinstance(name, bytes) else name.encode("latin-1")
    return 0, u16(bytes([kind]) + u16(name))


GROUPS = (10, u16(b"\0\x1d\0\x17"))
SIGS = (13, u16(b"\4\3\x08\4\4\1\5\3\6\3"))
VERSIONS = (43, b"\2\3\4")
NO_SHARE = (51, u16())
SHARE = (51, u16(b"\0\x1d", u16(bytes(range(1, 33)))))
ALPN = (16, u16(b"\x08http/1.1"))


def hello(*extensions, version=0x0303, session=b"", ciphers=b"\x13\1\x13\2\xc0\x2b\xc0\x2f", compression=b"\1\0", tail=b"", raw=None):
    body = struct.pack(">H", version) + os.urandom(32) + bytes([len(session)]) + session + u16(ciphers) + compression
    body += raw if raw is not None else u16(*[struct.pack(">H", t) + u16(d) for t, d in extensions])
    return b"\1" + struct.pack(">I", len(body))[1:] + body + tail


def record(payload, kind=22, version=0x0301, size=16384):
    return b"".join(bytes([kind]) + struct.pack(">HH", version, len(payload[i : i + size])) + payload[i : i + size] for i in range(0, len(payload), size))


def exchange(octets, address=ORIGIN, port=443, pieces=None, wait=1.5):
    s = socket.create_connection((address, port), 5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(wait)
    got = b""
    try:
        for i in range(0, len(octets), pieces or len(octets) or 1):
            s.sendall(octets[i : i + (pieces or len(octets))])
        while len(got) < 65536:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
            if got[:1] == b"\x16" and len(got) > 100:
                break
    except OSError:
        pass
    s.close()
    return got


def https(name, host, path="/names", address=ORIGIN, alpn=("http/1.1",), extra="", **options):
    """(status, body) with SNI `name` (None: none), or the error's text."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    for key, value in options.items():
        setattr(context, key, value)
    try:
        with socket.create_connection((address, 443), 5) as raw, context.wrap_socket(raw, server_hostname=name) as s:
            s.settimeout(5)
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{extra}Connection: close\r\n\r\n".encode("latin-1"))
            got = b""
            while piece := s.recv(65536):
                got += piece
            m = GOT.match(got)
            return (m[1].decode() if m else "?"), got.decode("latin-1")
    except (OSError, ValueError, UnicodeError) as e:
        return "error", repr(e)


def agreement():
    """One name through SNI, Host, lease and certificate."""
    for name, host, address, want in [
        ("origin.test", "origin.test", ORIGIN, "200"), ("ORIGIN.Test", "oRiGiN.tEsT", ORIGIN, "200"), ("origin.test", "origin.test:443", ORIGIN, "200"),
        ("origin.test", "origin.test.", ORIGIN, "200"), ("origin.test", "open.test", ORIGIN, "403"), ("origin.test", "forbidden.test", ORIGIN, "403"), ("open.test", "origin.test", RECORDER, "403"),
        ("forbidden.test", "origin.test", ORIGIN, "403"), ("forbidden.test", "forbidden.test", ORIGIN, "403"), ("forbidden.test", "origin.test", FORBIDDEN, "403"), (None, "origin.test", ORIGIN, "403"), (None, "forbidden.test", FORBIDDEN, "403"),
        ("origin.test", "origin.test", FORBIDDEN, "200"), ("origin.test", "origin.test", "8.8.8.8", "200"), ("origin.test", "origin.test", RECORDER, "200"), ("open.test", "open.test", ORIGIN, "200"), ("origin.test", "origin.test", "169.254.169.254", "200"), ("origin.test", "origin.test", "10.77.0.2", "200"),
        ("a.wild.test", "a.wild.test", ORIGIN, "200"), ("a.b.wild.test", "a.b.wild.test", ORIGIN, "200|502|504"), ("wild.test", "wild.test", ORIGIN, "403"), ("awild.test", "awild.test", ORIGIN, "403"), ("a.wild.test.evil.test", "a.wild.test.evil.test", ORIGIN, "403"), ("a.wild.test", "b.wild.test", ORIGIN, "403"),
        ("x.origin.test", "x.origin.test", ORIGIN, "403"), ("origin.test.evil.test", "origin.test.evil.test", ORIGIN, "403"), ("xn--rigin-0qa.test", "xn--rigin-0qa.test", ORIGIN, "403"), ("mixed.test", "mixed.test", "10.77.0.1", "403|502"), ("cnamed.test", "cnamed.test", ORIGIN, "403"), ("private.test", "private.test", ORIGIN, "403"),
        ("metadata.test", "metadata.test", "169.254.169.254", "403"), ("nulled.test", "nulled.test", ORIGIN, "403"), ("looped.test", "looped.test", "127.0.0.2", "403|error"), ("origin.test", "93.184.216.10", ORIGIN, "403"), ("origin.test", "[::ffff:93.184.216.10]", ORIGIN, "403"), ("origin.test", "origin.test\t", ORIGIN, "200|400"),
    ]:
        status, detail = https(name, host, address=address)
        report(f"SNI {name}, Host {host!r}, at {address}", status in want.split("|"), f"{status} {detail[:300]}")
    for address in ("93.184.216.10", "127.0.0.1", "0x7f.1", "[::1]"):
        status, detail = https("origin.test", address, address=ORIGIN)
        report(f"an address as Host: {address}", status in ("400", "403"), f"{status} {detail[:300]}")
    for header in ("X-Forwarded-Host: forbidden.test", "Forwarded: host=forbidden.test", "X-Host: forbidden.test"):
        status, detail = https("origin.test", "origin.test", extra=header + "\r\n")
        report(f"{header} changes nothing", status == "200", f"{status} {detail[:300]}")


def plain_to(host):
    got = exchange(f"GET /names HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), port=80)
    m = GOT.match(got)
    report(f"plain HTTP to {host!r}", m is not None and m[1] in (b"400", b"403"), repr(got[:200]))


def other_protocol(octets, port):
    got = exchange(octets, port=port, wait=0.5)
    m = GOT.match(got)
    report(f"other protocols: {octets[:24]!r} to {port}", not m or m[1] in (b"400", b"403"), repr(got[:200]))


def refused_hello(name, octets):
    got = exchange(octets, wait=2)
    report(f"ClientHello refused: {name}", got[:1] in (b"\x15", b""), repr(got[:60]))


def plain():
    """HTTP without TLS: Host alone says where; an address is never a name."""
    s = socket.create_connection((ORIGIN, 80), 5)
    s.settimeout(5)
    seen = []
    for host, want in (("origin.test", "200"), ("open.test", "200"), ("auth.test", "403"), ("forbidden.test", "403"), ("origin.test", "200")):
        s.sendall(f"GET /names HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        got = b""
        try:
            while not re.search(rb"(?i)\r\n\r\n.*[}\n]$", got, re.S):
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError as e:
            got = got or repr(e).encode()
        m = GOT.match(got)
        seen.append(m[1].decode() if m else got[:80])
        if seen[-1] != want:
            break
    s.close()
    report("one plain connection, five hosts, each judged", seen in (["200", "200", "403", "403", "200"], ["200", "200", "403"], ["200", "200", "403", b""]), str(seen))
    hosts, others = [], []
    for host in ["93.184.216.10", "93.184.216.20", "1572395018", "0x5db8d80a", "0135.0270.0330.024", "93.184.55316", "93.12113940", "[::ffff:93.184.216.20]", "[::ffff:5db8:d814]", "[64:ff9b::5db8:d814]", "127.1", "127.0.0.1", "localhost", "localhost.", "0", "0.0.0.0", "[::]", "[::1]", "169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe",
                 "[fd00:ec2::254]", "metadata.google.internal", "instance-data", "host.docker.internal", "gateway.docker.internal", "kubernetes.default.svc", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021", "origin.test\u3002evil.test", "origin\uff0etest", "[fe80::1%25eth0]", "10.77.0.2", "10.77.0.1", "1.1.1.1", "8.8.8.8:80",
                 "origin.test:8080", "origin.test:22", "origin.test:443", "origin.test@forbidden.test", "origin.test#@forbidden.test", "forbidden.test\\@origin.test", "forbidden.test;origin.test", "forbidden.test,origin.test", "forbidden.test%00.origin.test", "forbidden.test%2eorigin.test", "origin.test\u00ad", "origin.te\u017ft", "\u2134rigin.test", "origin.test\x7f", "origin_.test", "-origin.test"]:
        hosts.append((host,))
    each(plain_to, hosts)
    for octets in [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1\2\3\4" * 3, b"\x05\1\0", b"\x04\1\0\x50" + socket.inet_aton(FORBIDDEN) + b"x\0", b"SSH-2.0-x\r\n", b"EHLO x\r\n", b"USER x\r\n", b"* OK\r\n", b"\x12\1\0\x2f", b"\0\0\0\x08\4\xd2\x16\x2f",
                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"CONNECT forbidden.test:443 HTTP/1.1\r\nHost: forbidden.test\r\n\r\n", b"CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n", b"GET http://forbidden.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n", b"GET /\r\n", b"GET / HTTP/1.0\r\n\r\n",
                   b"\0" * 1000, b"A" * 100000, os.urandom(5000), b"<policy-file-request/>\0", b"{\"jsonrpc\":\"2.0\"}\n", b"\x16\3\1", b"\x80\x2e\1\0\2\0\x15\0\0\0\x10", b"NICK x\r\nUSER x\r\n", b"\x13BitTorrent protocol", b"\x10\x20\0\4MQTT\4\2\0\x3c\0\2id", b"GIOP\1\2"]:
        for port in (80, 443):
            others.append((octets, port))
    each(other_protocol, others)


def hellos():
    """ClientHellos. A server's handshake record (0x16) means that somebody goes on with it."""
    go_on = [
        ("plain", record(hello(sni("origin.test"), GROUPS, SIGS, VERSIONS, SHARE)), None),
        ("in pieces of one octet", record(hello(sni("origin.test"), GROUPS, SIGS, VERSIONS, SHARE)), 1),
        ("in records of five octets", record(hello(sni("origin.test"), GROUPS, SIGS, VERSIONS, SHARE), size=5), None),
        ("in records of one octet, and pieces of three", record(hello(sni("origin.test"), GROUPS, SIGS, VERSIONS, SHARE), size=1), 3),
        ("padded to 8 KB", record(hello((21, b"\0" * 8000), sni("origin.test"), GROUPS, SIGS, VERSIONS, SHARE)), 1300),
        ("with GREASE ECH where it is opened", record(hello(sni("origin.test"), (0xFE0D, b"\0\0\1\0\1\7\0\x20" + b"k" * 32 + u16(b"p" * 144)), GROUPS, SIGS, VERSIONS, SHARE)), None),
        ("TLS 1.2 only", record(hello(sni("origin.test"), GROUPS, SIGS)), None),
        ("an upper-case name with a trailing dot", record(hello(sni("ORIGIN.TEST."), GROUPS, SIGS, VERSIONS, SHARE)), None),
    ]
    for name, octets, pieces in go_on:
        got = exchange(octets, pieces=pieces, wait=5)
        report(f"ClientHello: {name}", got[:1] == b"\x16", repr(got[:60]))
    F, O = sni("forbidden.test"), sni("origin.test")
    common = (GROUPS, SIGS, VERSIONS, SHARE)
    bad = [
        ("two server names in one list", hello((0, u16(b"\0" + u16(b"origin.test") + b"\0" + u16(b"forbidden.test"))), *common)), ("two server name extensions", hello(O, F, *common)), ("an empty list", hello((0, u16()), *common)), ("an empty name", hello(sni(""), *common)),
        ("a name of another type", hello(sni("origin.test", 1), *common)), ("octets behind the list", hello((0, u16(b"\0" + u16(b"origin.test")) + b"x"), *common)), ("a list longer than its extension", hello((0, b"\0\xff\0" + u16(b"origin.test")), *common)), ("a name longer than its list", hello((0, u16(b"\0\0\xfforigin.test")), *common)),
        ("SSL 2", None), ("a message behind it", hello(O, *common) + hello(F, *common)), ("a finished message first", b"\x14\0\0\x0c" + b"x" * 12 + hello(O, *common)), ("no null compression", hello(O, *common, compression=b"\1\1")), ("an odd cipher list", hello(O, *common, ciphers=b"\x13\1\x13")), ("a session id of 33", hello(O, *common, session=b"s" * 33)),
        ("extensions cut short", hello(raw=b"\0\x20\0\0\0\x10")), ("octets behind the extensions", hello(raw=u16(struct.pack(">H", 0) + u16(O[1])) + b"xx")), ("version 2", hello(O, *common, version=0x0203)), ("the inner form of ECH", hello(O, (0xFE0D, b"\1"), *common)), ("a message of 17 KB", hello(O, (21, b"\0" * 17000), *common)),
        ("a hundred extensions", hello(O, *common, *[(1000 + i, b"") for i in range(100)])),
    ]
    for what in ["origin.test\0.forbidden.test", "origin.test\0", "\0origin.test", "origin.test/", "origin.test:443", " origin.test", "origin.test ", "origin.test\r\n", "origin..test", ".origin.test", "origin.test..", "*.wild.test", "a" * 64 + ".wild.test", ("a." * 130) + "wild.test", "forbidden.test@origin.test", "origin.test\\", "orig\xedn.test", "origin\xe3\x80\x82test",
                 "%6frigin.test", "[origin.test]", "origin.test?", "origin.test#", "'origin.test'", "origin,test", "origin.test,forbidden.test"]:
        bad.append((f"name {what[:40]!r}", hello(sni(what), *common)))
    ssl2 = b"\x80\x2e\1\3\1\0\x15\0\0\0\x10" + b"\1\0\x80" * 7 + b"c" * 16
    each(refused_hello, [(name, ssl2 if message is None else record(message)) for name, message in bad])
    each(refused_hello, [
        ("a heartbeat first", record(b"\1\x40\0", 24) + record(hello(O, *common))), ("application data first", record(b"GET / HTTP/1.1\r\n\r\n", 23) + record(hello(O, *common))), ("a change of cipher first", record(b"\1", 20) + record(hello(O, *common))), ("an alert first", record(b"\1\0", 21) + record(hello(O, *common))),
        ("an empty record", b"\x16\3\1\0\0" + record(hello(O, *common))), ("a record of version 5", record(hello(O, *common), version=0x0500)), ("a record of 20 KB", b"\x16\3\1\x50\0" + hello(O, *common)), ("a hello of 16 MB", b"\x16\3\1\x40\0\1\xff\xff\xff" + b"x" * 16380),
    ])
    # A HelloRetryRequest, answered with another name.
    s = socket.create_connection((ORIGIN, 443), 5)
    s.settimeout(3)
    s.sendall(record(hello(O, GROUPS, SIGS, VERSIONS, NO_SHARE)))
    try:
        first = s.recv(4096)
        s.sendall(record(hello(F, GROUPS, SIGS, VERSIONS, SHARE), version=0x0303))
        second = s.recv(4096)
    except OSError as e:
        first, second = first if "first" in dir() else b"", repr(e).encode()
    report("another name after a HelloRetryRequest", first[:1] == b"\x16" and second[:1] != b"\x16", f"{first[:60]!r} {second[:60]!r}")
    s.close()


def sessions():
    """Resumption, old versions, early data, client certificates, renegotiation."""
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    first = context.wrap_socket(socket.create_connection((ORIGIN, 443), 5), server_hostname="origin.test")
    session = first.session
    first.close()
    again = context.wrap_socket(socket.create_connection((ORIGIN, 443), 5), server_hostname="origin.test", session=session)
    report("a session is resumed for its own name", again.session_reused)
    again.close()
    for other in ("open.test", "forbidden.test"):
        try:
            s = context.wrap_socket(socket.create_connection((ORIGIN, 443), 5), server_hostname=other, session=session)
            report(f"...but not for {other}", not s.session_reused)
            s.close()
        except OSError:
            report(f"...but not for {other}", True)

    def s_client(*words, say="GET /names HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n", timeout=8):
        try:
            p = subprocess.run(["openssl", "s_client", "-connect", f"{ORIGIN}:443", "-servername", "origin.test", *words], input=say.encode(), capture_output=True, timeout=timeout)
            return p.stdout + p.stderr
        except subprocess.TimeoutExpired as e:
            return (e.stdout or b"") + b" timeout"

    for old in ("-tls1", "-tls1_1"):
        got = s_client(old, "-cipher", "ALL:@SECLEVEL=0", "-quiet")
        report(f"s_client {old}", b"HTTP/1.1 200" not in got, got[-300:].decode(errors="replace"))
    for cipher in ("AES128-SHA", "NULL:eNULL:@SECLEVEL=0", "ADH:aNULL:@SECLEVEL=0", "RC4:DES:EXPORT:@SECLEVEL=0", "AES256-GCM-SHA384"):
        got = s_client("-tls1_2", "-cipher", cipher, "-quiet")
        report(f"s_client with {cipher}", b"HTTP/1.1 200" not in got, got[-300:].decode(errors="replace"))
    got = s_client("-tls1_2", "-legacy_renegotiation", say="R\nGET /names HTTP/1.1\r\nHost: origin.test\r\n\r\n", timeout=5)
    report("renegotiation", b"HTTP/1.1 200" not in got, got[-300:].decode(errors="replace"))
    for alpn in ("acme-tls/1", "h2c", "http/0.9", "spdy/3", "xmpp-client", "x" * 200):
        got = s_client("-alpn", alpn, "-quiet", "-ign_eof")
        report(f"ALPN {alpn[:20]} is not passed on", b"ALPN protocol: " + alpn.encode() not in got and b"HTTP/2" not in got, got[-300:].decode(errors="replace"))
    session_file = f"/tmp/sess.{os.getpid()}"
    s_client("-sess_out", session_file, "-ign_eof", "-quiet")
    early = f"{session_file}.early"
    with open(early, "w") as f:
        f.write("GET /early-data HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
    got = s_client("-sess_in", session_file, "-early_data", early)
    report("early data is not taken", b"Early data was accepted" not in got, got[-300:].decode(errors="replace"))
    for path in (session_file, early):
        if os.path.exists(path):
            os.unlink(path)


for name in ("origin.test", "open.test"):
    socket.getaddrinfo(name, 443)
for part in (agreement, plain, hellos, sessions):
    part()
