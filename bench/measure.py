"""What is measured of one contender, and how: CPU from the scheduler's own nanoseconds, memory from smaps_rollup."""
import glob
import json
import os
import re
import select
import subprocess
import time

import contenders as c
import world as w


class Failed(Exception):
    pass


class Contender:
    """One running contender in a fresh `side`; a context manager."""

    def __init__(self, world, how):
        self.world, self.how = world, how

    def __enter__(self):
        self.world.new_side()
        self.dir = self.world.dir + "/contender"
        w.sh("rm", "-rf", self.dir)
        os.makedirs(self.dir)
        argv, port = self.how(self.world, self.dir)
        if port == c.PORT:
            self.world.redirect(port)
        ready, theirs = os.pipe()
        if port == 0:
            argv = [*argv, "--ready-fd", str(theirs)]
        start = time.monotonic()
        self.process = self.world.spawn(self.world.inside(self.world.side, w.PROXY_CPU, *argv), self.dir + "/log", pass_fds=[theirs])
        os.close(theirs)
        try:
            self.wait(ready, port, start + 30)
        except Failed:
            self.__exit__()
            raise
        finally:
            os.close(ready)
        self.start_ms = (time.monotonic() - start) * 1e3
        return self

    def wait(self, ready, port, until):
        while time.monotonic() < until and self.process.poll() is None:
            if port == 0 and select.select([ready], [], [], 0.5)[0] and os.read(ready, 6):
                return
            if port and self.listens(port):
                return
            if port:
                time.sleep(0.002)
        said = ""
        for name in ("/log", "/cache.log"):
            if os.path.exists(self.dir + name):
                with open(self.dir + name, errors="replace") as f:
                    said += f.read()
        raise Failed("does not start: " + " / ".join(said.strip().splitlines()[-2:])[:200])

    def listens(self, port):
        proto = "udp" if port == 53 else "tcp"
        text = w.sh("ip", "netns", "exec", self.world.side, "cat", f"/proc/net/{proto}", f"/proc/net/{proto}6")
        return re.search(rf":{port:04X} \S+ {'07' if port == 53 else '0A'} ", text)

    def __exit__(self, *_):
        self.world.end(self.process)

    # ---- accounts

    def pids(self, of=None):
        """Those that are of one session with the contender (or another process)."""
        out = []
        for d in os.listdir("/proc"):
            try:
                if d.isdigit() and os.getsid(int(d)) == (of or self.process).pid:
                    out.append(int(d))
            except ProcessLookupError:
                pass
        return out

    def cpu(self):
        total = 0
        for pid in self.pids():
            for f in glob.glob(f"/proc/{pid}/task/*/schedstat"):
                try:
                    with open(f) as s:
                        total += int(s.read().split()[0])
                except OSError:
                    pass
        return total / 1e9

    def memory(self, key="Pss"):
        """MiB of all its processes."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M)[1])
            except OSError:
                pass
        return total / 1024

    # ---- loads

    def load(self, *args, cpu=w.LOAD_CPU):
        cmd = self.world.inside(self.world.agent, cpu, *map(str, args))
        before, start = self.cpu(), time.monotonic()
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return r.stdout, self.cpu() - before, time.monotonic() - start

    def ask(self, *args, cpu=w.LOAD_CPU):
        text, used, _ = self.load(self.world.dir + "/load", *args, cpu=cpu)
        try:
            got = json.loads(text)
        except ValueError:
            raise Failed(f"{args[0]}: {text.strip()[-160:]}") from None
        if "error" in got:
            raise Failed(f"{args[0]}: {got['error']}")
        if got.get("n") == 0:
            raise Failed(f"{args[0]}: nothing succeeded")
        if got.get("failed"):
            raise Failed(f"{args[0]}: {got['failed']} of {got['n'] + got['failed']} failed")
        return got, used

    def wrk(self, path, connections, seconds, host=w.HOST, script=None):
        text, used, took = self.load("wrk", "-t2", f"-c{connections}", f"-d{seconds}s", *(("-s", script) if script else ()), f"https://{host}{path}")
        n = re.search(r"(\d+) requests in", text)
        if not n or int(n[1]) == 0 or "Non-2xx" in text:
            raise Failed("wrk: " + " / ".join(text.strip().splitlines()[-3:])[:160])
        return int(n[1]), used, took

    def dnsperf(self, names, *args):
        text, used, _ = self.load("dnsperf", "-s", w.GATEWAY, "-d", f"{self.world.dir}/dns/{names}", "-c", 8, "-q", 400, *args)
        n, rate = re.search(r"Queries completed:\s+(\d+)", text), re.search(r"Queries per second:\s+([\d.]+)", text)
        if not n or int(n[1]) == 0:
            raise Failed("dnsperf: " + " / ".join(text.strip().splitlines()[-3:])[:160])
        return int(n[1]), float(rate[1]), used


    def paced(self, rate):
        """us: the 99th percentile of questions for names not seen before, so many a second. Client, contender and name server
        run before all else, since one in a hundred waits for whatever else the machine does."""
        servers = self.pids() + self.pids(self.world.dns)
        for pid in servers:
            w.sh("chrt", "-a", "-f", "-p", "1", str(pid), ok=False)
        text, _, _ = self.load("chrt", "-f", "1", "dnsperf", "-v", "-s", w.GATEWAY, "-d", f"{self.world.dir}/dns/paced", "-c", 8, "-q", 400, "-n", 1, "-Q", rate)
        for pid in servers:
            w.sh("chrt", "-a", "-o", "-p", "0", str(pid), ok=False)
        times = sorted(float(t) for t in re.findall(r"^> \S+ \S+ A ([\d.]+)$", text, re.M))
        if len(times) < w.PACED * 0.9:
            raise Failed(f"paced: {len(times)} of {w.PACED} answers: " + text.strip()[-160:])
        return times[len(times) * 99 // 100] * 1e6

    def h2load(self, seconds):
        text, used, _ = self.load("h2load", "-c", 4, "-m", 100, "-t", 1, "-D", seconds, f"https://{w.HOST}/1k")
        n = re.search(r"(\d+) succeeded, (\d+) failed", text)
        if not n or int(n[1]) == 0 or "Application protocol: h2" not in text:
            raise Failed("h2load: " + " / ".join(text.strip().splitlines()[-3:])[:160])
        return int(n[1]), used


def middle(values):
    return sorted(values)[len(values) // 2]


# ---- what each kind is asked; each yields (metric, value)

def keep_alive(s, q):
    try:
        s.wrk("/1k", 64, 1)
    except Failed:      # a slow one has not accepted all of them yet
        time.sleep(2)
    n, used, took = s.wrk("/1k", 64, q["wrk"])
    yield "ka_rps", n / took
    yield "ka_cpu", used / n * 1e4
    if q["full"]:
        n, used, _ = s.wrk("/100k", 16, 1)
        yield "k100_cpu", used / n * 1e4


def http2(s, q):
    s.h2load(1)
    n, used = s.h2load(q["wrk"])
    yield "h2_cpu", used / n * 1e4


def new_connections(s, q):
    got, used = s.ask("new", w.HOST, w.UP, 16, q["new"])
    yield "new_cpu", used / got["n"] * 1e3


def latency(s, q):
    for pid in s.pids():
        w.sh("taskset", "-a", "-p", "-c", w.LOAD_CPU, str(pid), ok=False)
    got, _ = s.ask("seq", w.HOST, w.UP, q["seq"])
    for pid in s.pids():
        w.sh("taskset", "-a", "-p", "-c", w.PROXY_CPU, str(pid), ok=False)
    yield "seq_us", got["p50_ms"] * 1e3


def first_visits(s, _q):
    got, used = s.ask("first", w.ZONE, w.HOSTS_NET, w.HOSTS)
    yield "first_ms", got["p50_ms"]
    yield "first_cpu", used / got["n"] * 1e3


def bulk(s, q):
    gib = s.world.bulk / (1 << 30)
    for name, args in (("down_cpu", ("down", w.HOST, w.UP, "/big")), ("up_cpu", ("up", w.HOST, w.UP, "/sink", s.world.bulk))):
        used = [s.ask(*args)[1] / gib for _ in range(q["bulk"])]
        yield name, middle(used)


def held(s, q):
    before = s.memory("Pss_Anon")
    p = subprocess.Popen(s.world.inside(s.world.agent, w.LOAD_CPU, s.world.dir + "/load", "hold", w.HOST, w.UP, str(q["hold"]), "16"),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        got = json.loads(p.stdout.readline() or "{}")
        time.sleep(0.5)
        if got.get("failed", 1):
            raise Failed(f"hold: {got.get('failed')} of {q['hold']} failed")
        yield "hold_kib", (s.memory("Pss_Anon") - before) * 1024 / q["hold"]
    finally:
        p.stdin.close()
        p.wait()


def idle(s, _q):
    time.sleep(0.3)
    yield "start_ms", s.start_ms
    yield "idle_pss", s.memory()


def dns(s, q):
    n, rate, used = s.dnsperf("cold", "-n", 1)
    yield "miss_qps", rate
    yield "names_pss", s.memory()       # of those 10,000, so before any others
    yield "miss_p99", s.paced(4000)
    s.dnsperf("hot", "-l", 1)
    n, rate, used = s.dnsperf("hot", "-l", q["dns"])
    yield "hot_qps", rate
    yield "hot_cpu", used / n * 1e5


def events(s, _q):
    got, _ = s.ask("sse", w.HOST, w.UP, w.EVENTS_PORT, 200)
    yield "sse_p50", got["p50_ms"]
    yield "sse_p99", got["p99_ms"]


def first_packets(s, q):
    got, used = s.ask("syn", w.UP, 9999, 16, q["new"])
    yield "syn_rate", got["n"] / got["seconds"]
    yield "syn_cpu", used / got["n"] * 1e4


TLS = (idle, first_visits, keep_alive, new_connections, latency, bulk, held)
ASKED = {"bump": TLS, "ref": TLS, "splice": TLS, "dns": (idle, dns)}
