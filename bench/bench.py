#!/usr/bin/python3
"""The benchmark: egressd beside its peers on this machine, in one run, interleaved; medians. Writes docs/benchmarks.md and .svg.

    bench/run.sh [--quick] [--only egressd,haproxy] [--kinds bump,dns] [--reps N] [--out docs]
"""
import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import contenders as c
import measure as m
import report
import scanning
import world as w


def arguments():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--quick", action="store_true", help="one short round, under 3 minutes; prints, and writes only with --out")
    ap.add_argument("--only", help="names, with commas between")
    ap.add_argument("--kinds", default="bump,splice,dns,extra", help="also: scan, of extra only what scanning costs")
    ap.add_argument("--reps", type=int)
    ap.add_argument("--out", help="folder for benchmarks.md and benchmarks.svg")
    a = ap.parse_args()
    if not a.out and not a.quick:
        a.out = "docs"
    return a


def how_much(a):
    q = dict(full=False, reps=1, wrk=1, new=1, seq=2000, bulk=1, hold=300, dns=1, mib=64, scan_turns=1) if a.quick else \
        dict(full=True, reps=3, wrk=3, new=2, seq=4000, bulk=2, hold=1000, dns=2, mib=256, scan_turns=2)
    q["reps"] = a.reps or q["reps"]
    return q


ROUNDS_SECONDS = 9 * 60    # egressd alone takes two to three minutes more


class Bare(m.Contender):
    """No proxy: the kernel forwards."""

    def __enter__(self):
        self.world.new_side()
        return self

    def __exit__(self, *_):
        pass

    def pids(self):
        return []


class Run:
    def __init__(self, world, q):
        self.world, self.q = world, q
        self.samples, self.events = {}, []

    def note(self, kind, name, metric, value):
        self.samples.setdefault((kind, name), {}).setdefault(metric, []).append(value)

    def fail(self, kind, name, why):
        print(f"  {kind} {name}: {why}", flush=True)
        self.events.append((kind, name, str(why)))

    def measure(self, kind, name, how, asked):
        try:
            with (Bare if how is None else m.Contender)(self.world, how) as s:
                for what in asked:
                    try:
                        for metric, value in what(s, self.q):
                            self.note(kind, name, metric, value)
                    except (m.Failed, subprocess.TimeoutExpired, KeyError, ValueError, OSError) as e:
                        self.fail(kind, name, f"{what.__name__}: {e}")
        except m.Failed as e:
            self.fail(kind, name, e)

    def medians(self):
        return {k: {metric: statistics.median(v) for metric, v in got.items()} for k, got in self.samples.items()}


def present(a):
    """Those that are installed and asked for, and the names of those that are absent."""
    want = a.only.split(",") if a.only else None
    found, absent = [], []
    for kind, name, program, how in c.ALL:
        if (kind if kind != "ref" else "bump") not in a.kinds.split(",") or (want and name not in want):
            continue
        if not (program if os.sep in program else shutil.which(program)) or (os.sep in program and not os.path.exists(program)):
            absent.append(name)
        elif name == "nginx stream" and not os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"):
            absent.append(name)
        else:
            found.append((kind, name, program, how))
    return found, sorted(set(absent))


def event_streams(run):
    """How old the first event of a stream is when the client has it: without anything between, and scanned."""
    world = run.world
    origin = world.spawn(world.inside(world.up, w.LOAD_CPU, world.dir + "/load", "sse-origin", w.UP, str(w.EVENTS_PORT),
                                      world.pki + "/origin.crt", world.pki + "/leaf.key"), world.dir + "/events.log")
    time.sleep(0.3)
    for _ in range(run.q["reps"]):
        run.measure("extra", "events, bare", None, (m.events,))
        run.measure("extra", "events, scanned", lambda world, d: c.egressd(world, d, scan=True), (m.events,))
    world.end(origin)


def texts(run):
    scanning.prepare(run.world)
    run.measure("extra", "texts", lambda world, d: c.egressd(world, d, scanned_too=scanning.SCANNED), (scanning.scanning,))


def matcher(run):
    """What a core inspects, without any connection."""
    r = subprocess.run(["bash", "bench/inspect_speed.sh", "0.3"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    prose = re.search(r"^prose +(\d+) +(\d+)$", r.stdout, re.M)
    if not prose:
        run.fail("extra", "matcher", r.stdout.strip()[-160:])
        return
    run.note("extra", "matcher", "out_mbs", float(prose[1]))
    run.note("extra", "matcher", "in_mbs", float(prose[2]))


def extras(run):
    """What only egressd has: many routes, scanning, first packets, its whole start; and many idle connections."""
    q = run.q
    for _ in range(q["reps"]):     # turn about: what is compared are differences of a few per cent
        for name, how in (("10 routes", lambda world, d: c.egressd(world, d, routes=10)),
                          ("10,000 routes", lambda world, d: c.egressd(world, d, routes=10000)),
                          ("scanning", lambda world, d: c.egressd(world, d, scan=True))):
            run.measure("extra", name, how, (m.keep_alive,))
        if shutil.which("h2load"):
            run.measure("extra", "egressd, h2", c.egressd, (m.http2,))
            if shutil.which("nginx"):
                run.measure("extra", "nginx, h2", c.nginx_static, (m.http2,))
    run.measure("extra", "refusals", c.egressd, (m.first_packets,))
    texts(run)
    event_streams(run)
    matcher(run)
    if q["full"]:
        many = dict(q, hold=5000)
        for name, how in (("egressd", c.egressd), ("haproxy", c.haproxy)):
            if name == "egressd" or shutil.which(name):
                with_many = Run(run.world, many)
                with_many.measure("extra", f"5,000 idle, {name}", how, (m.held,))
                run.samples.update(with_many.samples)
                run.events += with_many.events
    run.world.new_side()
    for _ in range(5):
        start = time.monotonic()
        r = subprocess.run(["ip", "netns", "exec", run.world.up, c.EGRESSCTL, "run", "--dns-upstream", w.DNS, "--", "true"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                           env={**os.environ, "EGRESSD_STATE_DIR": run.world.dir + "/states"})
        if r.returncode:
            run.fail("extra", "egressctl run", r.stdout.strip()[-160:])
            break
        run.note("extra", "egressctl run", "run_ms", (time.monotonic() - start) * 1e3)


def everything(a, q, world):
    run = Run(world, q)
    found, absent = present(a)
    kinds = a.kinds.split(",")
    started = time.monotonic()
    for rep in range(q["reps"]):
        if rep and (time.monotonic() - started) * (rep + 1) / rep > ROUNDS_SECONDS:
            break       # a slow machine gets fewer rounds
        q["done"] = rep + 1
        if {"bump", "splice"} & set(kinds):
            run.measure("bare", "bare", None, (m.keep_alive, m.latency, m.first_visits))
        shift = rep * 2 % max(1, len(found))
        for kind, name, _, how in found[shift:] + found[:shift]:
            print(f"round {rep + 1}: {kind} {name}", flush=True)
            asked = m.ASKED[kind]
            if name == "mitmproxy" and not q["full"]:     # a hundred times slower in some
                asked = (m.idle, m.first_visits, m.keep_alive)
            run.measure(kind, name, how, asked)
    if "scan" in kinds:
        texts(run)
    if "extra" in kinds:
        print("egressd alone", flush=True)
        extras(run)
    return run, found, absent


def main():
    a = arguments()
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/..")
    q = how_much(a)
    world = w.World(q["mib"])
    os.sched_setaffinity(0, {int(w.LOAD_CPU)})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.time()
    try:
        world.make()
        w.sh("gcc", "-O2", "-D_GNU_SOURCE", "bench/load.c", "-o", world.dir + "/load", "-lssl", "-lcrypto", "-lpthread")
        time.sleep(0.5)
        run, found, absent = everything(a, q, world)
    finally:
        world.unmake()
    versions = {name: c.version(program) for _, name, program, _ in found}
    text = report.markdown(run.medians(), run.samples, run.events, versions, absent, q, time.time() - started)
    if a.out:
        with open(a.out + "/benchmarks.md", "w") as f:
            f.write(text)
        with open(a.out + "/benchmarks.svg", "w") as f:
            f.write(report.svg(run.medians()))
        print(f"written: {a.out}/benchmarks.md, {a.out}/benchmarks.svg")
    else:
        print(text)


if __name__ == "__main__":
    main()
