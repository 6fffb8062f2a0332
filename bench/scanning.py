"""What scanning costs of an opened connection's throughput: the same texts through two hosts of one egressd, scanned and not, by turns."""
import random
import urllib.parse

import contenders as c
import measure as m
import world as w

SCANNED = "h00." + w.ZONE       # resolves to .1 of HOSTS_NET; all other hosts are not scanned
SIZES = {"100k": 102400, "1k": 1024}
TYPES = {"prose": "text/plain", "JSON": "application/json", "form": "application/x-www-form-urlencoded", "HTML": "text/html"}
OUT, IN = ("prose", "JSON", "form"), ("prose", "JSON", "HTML")
CASES = [(way, kind, size) for size in SIZES for way, kinds in (("out", OUT), ("in", IN)) for kind in kinds]

WORDS = ("the of server and a request that is to network which value in configuration for client reads with not when file an option are "
         "default you your can message it as connection on system returns this because language new process should output first description").split()


def sentences(rng, n):
    out = []
    for _ in range(n):
        words = [rng.choice(WORDS) for _ in range(rng.randint(6, 17))]
        out.append(" ".join(words).capitalize() + ".")
    return " ".join(out)


def piece(rng, kind):
    """Some hundred octets of a kind, as programs write them."""
    text = sentences(rng, 3)
    if kind == "JSON":      # half of it what a chat sends, half records
        return '{"role":"user","content":"' + text + '\\n\\nHe said \\"no\\" to it.\\n"},' \
               + "".join(f'{{"id":{rng.randint(1, 99999)},"name":"{rng.choice(WORDS)} {rng.choice(WORDS)}","ok":true,"size":1.5}},' for _ in range(4))
    if kind == "form":
        return f"field{rng.randint(1, 99)}={urllib.parse.quote_plus(text)}&"
    if kind == "HTML":
        return f'<div class="row main"><p id="p{rng.randint(1, 99)}">{text}</p><a href="/docs/page?id=1&amp;x=2">more&nbsp;text</a></div>\n'
    return text + "\n"


def body(kind, size):
    rng = random.Random(kind)
    out = {"JSON": '{"messages":[', "HTML": "<html>"}.get(kind, "")
    end = {"JSON": "{}]}"}.get(kind, "")
    while True:
        more = piece(rng, kind)
        if len(out) + len(more) + len(end) > size:
            return (out + " " * (size - len(out) - len(end) if kind != "form" else 0) + end).encode()
        out += more


def prepare(world):
    """Bodies where nginx serves them, one script of wrk's for each that is sent."""
    with open(f"/etc/netns/{world.agent}/hosts", "a") as f:
        f.write(f"{w.HOSTS_NET}.1 {SCANNED}\n")
    for kind in TYPES:
        for size, octets in SIZES.items():
            name = f"{size}.{kind.lower()}"
            with open(f"{world.dir}/origin/www/{name}", "wb") as f:
                f.write(body(kind, octets))
            c.write(f"{world.dir}/{name}.lua", f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "{TYPES[kind]}"\n'
                    f'wrk.body = io.open("{world.dir}/origin/www/{name}"):read("*a")\n')


def scanning(s, q):
    """CPU s / 10,000 requests of each case; a pair of turns a round, so that both meet the same load of the machine."""
    for way, kind, size in CASES:
        used = {host: [] for host in (w.HOST, SCANNED)}
        for turn in range(1 + q["scan_turns"]):
            for host in used:
                if way == "out":
                    n, cpu, _ = s.wrk("/sink", 16, 1, host, script=f"{s.world.dir}/{size}.{kind.lower()}.lua")
                else:
                    n, cpu, _ = s.wrk(f"/{size}.{kind.lower()}", 16, 1, host)
                if turn or q["scan_turns"] == 1:      # the first is to get warm
                    used[host].append(cpu / n * 1e4)
        for host, name in ((w.HOST, "off"), (SCANNED, "on")):
            yield f"{way}_{kind}_{size}_{name}", m.middle(used[host])
