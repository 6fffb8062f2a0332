"""Says `egressctl policy test` what the daemon did? Of each well-formed request that attack_http.py sent.

usage: attack_http_offline.py EGRESSCTL POLICY EXPECTED.json
"""
import json, re, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

egressctl, policy, expected = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))


def question(case):
    """The command's words, or None where a command line cannot say it."""
    head = case["octets"].partition("\r\n\r\n")[0].split("\r\n")
    m = re.fullmatch(r"(\S+) (/[^#\s]*) HTTP/1\.1", head[0])
    fields = [h for h in head[1:] if not re.match(r"(?i)host:", h)]
    if not m or len(head) - len(fields) != 2 or any("\0" in h or not h[:1].strip() for h in head) or len(head) > 60 or len(head[0]) > 65000:
        return None
    words = [egressctl, "policy", "test", policy, "--url", f"https://{case['host']}{m[2]}", "--method", m[1]]
    for h in head[1:]:
        words += ["--header", h]
    return [w.encode("latin-1") for w in words]


def ask(case):
    words = question(case)
    if not words:
        return None
    said = subprocess.run(words, capture_output=True).stdout.decode(errors="replace")
    m = re.search(r"^(?:deny \((\w+)\)|(allow))", said, re.M)
    return (m[1] or m[2]) if m else said


def live(case):
    if (case["reason"] or "").startswith("upstream"):
        return None
    return case["reason"] or ("allow" if case["status"][:1] in ("1", "2", "3") else None)


# What is wrong with a body only comes with it.
cases = [c for c in expected.values() if c["octets"] and live(c) and not c["name"].startswith(("chunk ", "the end of a chunk")) and "\n" not in c["octets"].replace("\r\n", "")]
with ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(ask, cases))
asked = [(c, a) for c, a in zip(cases, answers) if a]
problems = [f"{c['name']}: live {live(c)}, offline {a}" for c, a in asked if a != live(c)]
print(len(asked), "compared")
print("\n".join(problems))
sys.exit(1 if problems or len(asked) < 100 else 0)
