"""Reads what the recorder got as the strictest parser there is, and holds it against what was expected.

usage: attack_http_check.py RECORD-DIRECTORY EXPECTED.json TOKEN
"""
import json, os, re, sys

directory, expected, token = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3].encode()
TOKEN_CHARS = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
problems, seen = [], set()


def bad(where, what):
    problems.append(f"{where}: {what}")


def fields_of(where, lines):
    out = []
    for line in lines:
        m = re.fullmatch(rb"(" + TOKEN_CHARS + rb"): ?([\t\x20-\x7e\x80-\xff]*)", line)
        if not m:
            bad(where, f"field line {line!r}")
            continue
        out.append((m[1].lower(), m[2]))
    return out


def chunked(where, data):
    while True:
        m = re.match(rb"([0-9a-fA-F]+)\r\n", data)
        if not m:
            return None
        n = int(m[1], 16)
        data = data[m.end() :]
        if n == 0:
            end = data.find(b"\r\n") if data.startswith(b"\r\n") else data.find(b"\r\n\r\n") + 2
            for name, _ in fields_of(where, data[:end].split(b"\r\n")[:-1] if end > 0 else []):
                if name in (b"authorization", b"host", b"content-length", b"transfer-encoding", b"x-smuggled"):
                    bad(where, f"trailer {name!r}")
            return data[end + 2 :]
        if data[n : n + 2] not in (b"\r\n", b"\r", b""):
            bad(where, "a chunk without its CRLF")
        if len(data) < n + 2:
            return None
        data = data[n + 2 :]


def request(where, data):
    head, sep, rest = data.partition(b"\r\n\r\n")
    if not sep:
        return bad(where, f"half a head: {data[:100]!r}")
    lines = head.split(b"\r\n")
    m = re.fullmatch(rb"(" + TOKEN_CHARS + rb") (/[!-~]*|\*) HTTP/1\.1", lines[0])
    if not m:
        return bad(where, f"request line {lines[0]!r}")
    fields = fields_of(where, lines[1:])
    names = [n for n, _ in fields]
    value = dict(fields)
    host = value.get(b"host")
    here = f"{where} {m[1].decode()} {m[2].decode()[:60]}"
    if names.count(b"host") != 1 or host not in (b"open.test", b"other.test", b"auth.test", b"header.test", b"rules.test"):
        bad(here, f"host {host!r}")
    if names.count(b"content-length") + names.count(b"transfer-encoding") > 1:
        bad(here, "two framings")
    if any(n in names for n in (b"x-smuggled", b"upgrade", b"http2-settings", b"proxy-authorization", b"keep-alive", b"x-original-url")):
        bad(here, f"fields {names}")
    if b"agents-own" in head:
        bad(here, "the agent's own credential")
    if m[2].startswith(b"/smuggled") and b"case-" not in m[2] and host != b"open.test":
        bad(here, "a smuggled request")
    want = value.get(b"authorization") if host == b"auth.test" else value.get(b"x-api-key") if host == b"header.test" else None
    if host in (b"auth.test", b"header.test"):
        name = b"authorization" if host == b"auth.test" else b"x-api-key"
        if names.count(name) != 1 or token not in value[name]:
            bad(here, f"no credential: {fields}")
        if host == b"header.test" and any(n != name and re.sub(rb"[^a-z0-9]", b"-", n) == name for n in names):
            bad(here, f"a field that many servers take for {name!r}: {names}")
    elif token in head:
        bad(here, "the credential of another host")
    if host == b"rules.test" and not (m[1] == b"GET" and re.match(rb"/ok($|/|\?)|/r/[a-z]+$", m[2])):
        bad(here, "not what the rules allow")
    if host == b"rules.test" and (b".." in m[2].split(b"?")[0] or b"secret" in m[2].split(b"?")[0]):
        bad(here, "a way out of the prefix")
    for tag in re.findall(rb"case-\d+-", head):
        seen.add(tag.decode())
        e = expected.get(tag.decode())
        if e and e["expected"] == "400":
            bad(here, f"refused, yet it left: {e['name']}")
    length = value.get(b"content-length", b"0")
    if (m[2].startswith(b"/paused") or (m[2].startswith(b"/unread") and b"expect" in names)) and rest:
        bad(here, f"a body that nobody wanted: {rest[:60]!r}")
    if m[1] in (b"GET", b"HEAD", b"OPTIONS") and (length != b"0" or b"transfer-encoding" in names) and b"close" not in value.get(b"connection", b""):
        bad(here, "a body that some take for a request, on a connection that goes on")
    if b"transfer-encoding" in names:
        if value[b"transfer-encoding"] != b"chunked":
            bad(here, f"transfer-encoding {value[b'transfer-encoding']!r}")
        return chunked(here, rest)
    n = int(value.get(b"content-length", b"0"))
    return rest[n:] if len(rest) >= n else None


for name in sorted(os.listdir(directory), key=int):
    data = open(os.path.join(directory, name), "rb").read()
    while data:
        data = request(f"connection {name}", data)
missing = [e["name"] for t, e in expected.items() if e["expected"] == "200" and t not in seen and "/ok'" not in e["name"] and "/r/abc" not in e["name"] and "switch" not in e["name"]]
if not seen:
    problems.append("nothing was recorded: this proves nothing")
print("\n".join(problems))
if missing:
    print("allowed, but not recorded:", missing)
sys.exit(1 if problems or missing else 0)
