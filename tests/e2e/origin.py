"""An origin for odd behaviour, one thread a connection: what it was sent, byte for byte, and answers no nginx would give.

usage: origin.py ADDRESS CERT KEY GITROOT
Serves TLS on 443 and plain HTTP on 80 of ADDRESS. Paths:
  /head          the request head as it came, escaped, with its body's length
  /chunked       three chunks, half a second of them       /close       a body that ends with the connection
  /short         Content-Length 100, ten octets, end        /cutchunk    a chunked body without its last chunk
  /garbage       no HTTP at all                             /rst         a reset in mid-body
  /early         103, then 200                              /sse         five events, 100 ms apart
  /slow          one octet a 100 ms                         /echo        the request body, as it comes
  /cltesmuggle   a response with both CL and TE             /bighead     a 200 KiB response head
  /switch        101 to a protocol nobody asked for         /git/...     git http-backend below GITROOT, and LFS
  /lfs/OID       an LFS object of GITROOT/lfs: GET, PUT
"""
import json, os, socket, struct, subprocess, sys, time

from serving import listen_http

ADDRESS, CERT, KEY, GITROOT = sys.argv[1:5]


class Request:
    def __init__(self, stream):
        self.stream = stream
        self.raw = b""
        while b"\r\n\r\n" not in self.raw:
            piece = stream.recv(65536)
            if not piece:
                raise EOFError
            self.raw += piece
        self.head, self.rest = self.raw.split(b"\r\n\r\n", 1)
        lines = self.head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.fields = [(n.strip().lower(), v.strip()) for n, v in (l.split(":", 1) for l in lines[1:])]
        self.field = dict(self.fields)

    def read(self, n):
        while len(self.rest) < n:
            piece = self.stream.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def line(self):
        while b"\r\n" not in self.rest:
            piece = self.stream.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        out, self.rest = self.rest.split(b"\r\n", 1)
        return out

    def body(self):
        if self.field.get("transfer-encoding", "").lower() == "chunked":
            while True:
                n = int(self.line().split(b";")[0], 16)
                if n == 0:
                    while self.line():
                        pass
                    return
                yield self.read(n)
                self.read(2)
        left = int(self.field.get("content-length", 0))
        while left:
            if not self.rest:
                self.rest = self.stream.recv(65536)
                if not self.rest:
                    raise EOFError
            piece, self.rest = self.rest[:left], self.rest[left:]
            left -= len(piece)
            yield piece


def answer(s, body, kind="text/plain", extra=""):
    s.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)


def git(s, r, path, query):
    env = {
        "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": GITROOT, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path[4:],
        "QUERY_STRING": query, "REQUEST_METHOD": r.method, "CONTENT_TYPE": r.field.get("content-type", ""),
        "REMOTE_USER": "tester", "REMOTE_ADDR": "127.0.0.1", "HTTP_CONTENT_ENCODING": r.field.get("content-encoding", ""),
        "GIT_PROTOCOL": r.field.get("git-protocol", ""), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    body = b"".join(r.body())
    env["CONTENT_LENGTH"] = str(len(body))
    out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
    head, _, rest = out.partition(b"\r\n\r\n")
    status, fields = "200 OK", []
    for line in head.decode("latin-1").split("\r\n"):
        if line.lower().startswith("status:"):
            status = line.split(":", 1)[1].strip()
        elif line:
            fields.append(line)
    fields.append(f"Content-Length: {len(rest)}")
    s.sendall(f"HTTP/1.1 {status}\r\n".encode() + "\r\n".join(fields).encode("latin-1") + b"\r\n\r\n" + rest)


def lfs_batch(s, r):
    """LFS's batch API: where the objects are, for a download as for an upload."""
    asked = json.loads(b"".join(r.body()))
    href = "https://" + r.field["host"] + "/lfs/"
    objects = [{**o, "actions": {asked["operation"]: {"href": href + o["oid"]}}} for o in asked["objects"]]
    answer(s, json.dumps({"transfer": "basic", "objects": objects}).encode(), "application/vnd.git-lfs+json")


def lfs_object(s, r, oid):
    path = os.path.join(GITROOT, "lfs", oid)
    if r.method == "PUT":
        with open(path, "wb") as f:
            f.writelines(r.body())
        return answer(s, b"")
    with open(path, "rb") as f:
        answer(s, f.read(), "application/octet-stream")


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise EOFError


def serve_one(s, r):
    path, _, query = r.target.partition("?")
    if path.endswith("/info/lfs/objects/batch"):
        return lfs_batch(s, r)
    if path.startswith("/lfs/"):
        return lfs_object(s, r, path[5:])
    if path.startswith("/git/"):
        return git(s, r, path, query)
    if path == "/echo":
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n\r\n")
        for piece in r.body():
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        return s.sendall(b"0\r\n\r\n")
    if r.field.get("expect", "").lower() == "100-continue":
        s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    size = sum(len(p) for p in r.body())
    if path == "/head":
        return answer(s, r.head.decode("latin-1").encode("unicode_escape") + b"\nbody: %d\n" % size)
    if path == "/chunked":
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in (b"one ", b"two ", b"three\n"):
            s.sendall(b"%x;ext=1\r\n%s\r\n" % (len(word), word))
            time.sleep(0.15)
        return s.sendall(b"0\r\n\r\n")
    if path == "/sse":
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(int(query or 5)):
            event = b": keep-alive\n\ndata: %d %.6f\n\n" % (i, time.time())
            s.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(0.1)
        return s.sendall(b"0\r\n\r\n")
    if path == "/slow":
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for i in range(10):
            s.sendall(b"%d" % i)
            time.sleep(0.1)
        return
    if path == "/early":
        s.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n")
        return answer(s, b"after the hints\n")
    if path == "/bighead":
        s.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * 1000) for i in range(200)))
        return s.sendall(b"Content-Length: 0\r\n\r\n")
    endings = {
        "/close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end\n",
        "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten octets",
        "/cutchunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "/garbage": b"\x00\x01\x02 this is not HTTP\r\n\r\n",
        "/rst": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000,
        "/cltesmuggle": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "/switch": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nhello",
    }
    if path in endings:
        s.sendall(endings[path])
        if path == "/rst":
            time.sleep(0.1)
            reset(s)
        raise EOFError
    answer(s, b"strange, but fine\n")


def connection(s, context):
    try:
        if context:
            s = context.wrap_socket(s, server_side=True)
        while True:
            serve_one(s, Request(s))
    except (EOFError, OSError, ValueError):
        pass
    finally:
        s.close()


listen_http(ADDRESS, CERT, KEY, connection)
