"""Credentials on routes with `auth`: the requests of an agent, and what the origin must have got of each.

usage: credentials.py ask                     inside the sandbox of credentials.sh: sends every case
       credentials.py check RECORD-DIRECTORY  outside: reads API_TOKEN and LOGIN from the environment
A case is (host, the agent's fields, [(name, value)...] that the origin must have got of what carries credentials).
"""
import base64, os, re, sys

CARRIERS = {"authorization", "proxy-authorization", "x-api-key", "cookie", "x-mine"}
HELD = "sk-placeholder"


def b64(s):
    return base64.b64encode(s.encode()).decode()


def cases(token, login):
    bearer, basic = ("authorization", "Bearer " + token), ("authorization", "Basic " + b64(login))
    own = [("Authorization", "Bearer mine"), ("AUTHORIZATION", "Basic bWluZQ=="), ("authorization", "mine")]
    return [
        ("bearer.auth.test", [], [bearer]),
        ("bearer.auth.test", own, [bearer]),
        ("bearer.auth.test", own[:1] + [("Proxy-Authorization", "Basic bWluZQ==")], [bearer]),
        ("bearer.auth.test", [("X-Api-Key", "kept"), ("Cookie", "a=kept")], [bearer, ("x-api-key", "kept"), ("cookie", "a=kept")]),
        ("bearer.auth.test", [("X-Mine", HELD)], [bearer, ("x-mine", HELD)]),
        ("token.auth.test", own, [("authorization", "token " + token)]),
        ("basic.auth.test", own, [basic]),
        ("key.auth.test", [("x-api-key", "mine"), ("X-API-KEY", "mine")] + own, [("x-api-key", token)]),
        ("role.auth.test", own + [("x-api-key", "mine"), ("Cookie", "session=mine"), ("COOKIE", "b=mine")], [bearer]),
        ("role.auth.test", [("Proxy-Authorization", "mine")], [bearer]),
        ("held.auth.test", [], [bearer]),
        ("held.auth.test", [("Authorization", "Bearer " + HELD)], [bearer]),
        ("held.auth.test", [("Authorization", "Basic " + b64("git:" + HELD))], [("authorization", "Basic " + b64("git:" + token))]),
        ("held.auth.test", [("Authorization", "Bearer mine")], [bearer]),
        ("held.auth.test", [("X-Mine", f"a {HELD} b {HELD}")], [("x-mine", f"a {token} b {token}"), bearer]),
        ("held.auth.test", [("X-Mine", HELD[:-1])], [("x-mine", HELD[:-1]), bearer]),
        ("open.test", [("Authorization", "Bearer mine"), ("Proxy-Authorization", "mine")], [("authorization", "Bearer mine")]),
        ("open.test", [("X-Mine", HELD)], [("x-mine", HELD)]),
        ("other.test", [], []),
    ]


def ask():
    import http.client, ssl

    for i, (host, fields, _) in enumerate(cases("", "")):
        c = http.client.HTTPSConnection(host, timeout=10, context=ssl.create_default_context())
        c.putrequest("GET", f"/case-{i}-")
        for n, v in fields:
            c.putheader(n, v)
        c.endheaders()
        print(c.getresponse().status)


def check(directory):
    got, bad = {}, 0
    for name in os.listdir(directory):
        octets = open(os.path.join(directory, name), "rb").read().decode("latin-1")
        for m in re.finditer(r"GET /case-(\d+)- HTTP/1.1\r\n(.*?)\r\n\r\n", octets, re.S):
            fields = [line.split(": ", 1) for line in m[2].split("\r\n")]
            got.setdefault(int(m[1]), []).append([(n.lower(), v) for n, v in fields if n.lower() in CARRIERS])
    for i, (host, fields, want) in enumerate(cases(os.environ["API_TOKEN"], os.environ["LOGIN"])):
        have = got.get(i, [])
        fine = len(have) == 1 and sorted(have[0]) == sorted(want)
        name = f"{host} with {[n + ': ' + v for n, v in fields]}"
        print(f"ok {name}" if fine else f"not ok {name}: {have}, not {want}")
        bad |= not fine
    return bad


sys.exit(ask() if sys.argv[1] == "ask" else check(sys.argv[2]))
