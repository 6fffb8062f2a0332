#!/usr/bin/env python3
"""Uploads that pause, to an origin that echoes each chunk as it comes.

usage: pauses.py HOST SECRET        prints "CASE: ok", or what went wrong
"""
import socket, ssl, sys, time

HOST, SECRET = sys.argv[1], sys.argv[2].encode()
PATIENCE = 0.3  # seconds for there and back

TAILS = {
    "a word": [b"hello wor", b"ld"],
    "a secret's first letters": [SECRET[:3], b" and no more"],
    "base64": [b"SGVsbG8gV29ybGQhIEhlbGxvIFdvcmxk", b"IQ=="],
    "hex": [b"48656c6c6f20576f726c642148656c6c6f", b"20"],
    "half an escape": [b"caf\\u00", b"e9"],
    "half a JSON string": [b'{"jsonrpc": "2.0", "method": "not', b'ify"}'],
    "JSON with escapes": [b'{"a": "x\\n\\u00e9", "b": "two\\nlin', b'es"}'],
    "event stream": [b"data: 1\n\n", b"data: 2\n\n"],
    "binary": [bytes(range(256)), b"\0\1"],
    "a gRPC message": [b"\0\0\0\0\5hello", b"\0\0\0\0\1x"],
    "octet by octet": [b"%c" % c for c in b"abcABC0123_-/+"],
}


class Upload:
    def __init__(self):
        raw = socket.create_connection((HOST, 443), timeout=10)
        self.s = ssl.create_default_context().wrap_socket(raw, server_hostname=HOST)
        self.s.sendall(b"POST /echo HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % HOST.encode())
        self.got = b""
        while b"\r\n\r\n" not in self.got:
            self.more(10)
        self.got = self.got.split(b"\r\n\r\n", 1)[1]

    def more(self, seconds):
        self.s.settimeout(max(seconds, 0.001))
        piece = self.s.recv(65536)
        if not piece:
            raise EOFError
        self.got += piece

    def send(self, data):
        self.s.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def echoed(self, n, seconds):
        """The first n octets of the echoed body; fewer where no more come in time."""
        end = time.monotonic() + seconds
        while True:
            out, rest = b"", self.got
            while b"\r\n" in rest:
                size, rest = rest.split(b"\r\n", 1)
                out += rest[:int(size, 16)]
                rest = rest[int(size, 16) + 2:]
            if len(out) >= n:
                return out
            try:
                self.more(end - time.monotonic())
            except (TimeoutError, EOFError, OSError):
                return out


def passes(parts):
    u, sent = Upload(), b""
    for part in parts:
        u.send(part)
        sent += part
        got = u.echoed(len(sent), PATIENCE)
        if got != sent:
            return "%r came of %r" % (got, sent)
    return "ok"


def held(first, spare):
    """What has begun to be a secret does not go on."""
    u = Upload()
    u.send(b"key: " + first)
    got = u.echoed(5 + len(first), PATIENCE)
    return "ok" if got == b"key: " + first[:spare] else "%r came" % got


for name, parts in TAILS.items():
    print("goes on at once, %s: %s" % (name, passes(parts)), flush=True)
print("held, half a secret: %s" % held(SECRET[:12], 0))
print("held, half a token: %s" % held(b"ghp_zQWBuTSOoRi4A9sp", 0))
print("the end: ok")
