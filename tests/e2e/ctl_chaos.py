"""Sandboxes of which one process, whichever, is killed at an instant between the start and the end.

usage: ctl_chaos.py ROUNDS SEED NAME EGRESSCTL ARGS...    ARGS: options and CMD, which ends with status 7 by itself
Prints "ok" or "not ok" and the rounds in which egressctl hung, or failed without a word.
"""
import collections, os, random, signal, subprocess, sys, time

ROUNDS, SEED, NAME, CTL = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
chance = random.Random(SEED)


def below(pid):
    try:
        children = [int(c) for t in os.listdir(f"/proc/{pid}/task") for c in open(f"/proc/{pid}/task/{t}/children").read().split()]
    except OSError:
        return []
    return children + [d for c in children for d in below(c)]


def name(pid):
    try:
        return open(f"/proc/{pid}/comm").read().strip()
    except OSError:
        return "?"


began = time.monotonic()
subprocess.run(CTL, stderr=subprocess.DEVNULL)
LIFE = time.monotonic() - began  # as long as it takes here
faults = []
seen = collections.Counter()
for i in range(ROUNDS):
    p = subprocess.Popen(CTL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(chance.random() * LIFE)
    victims = below(p.pid)
    who, how = "nobody", chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV))
    if victims:
        victim = chance.choice(victims)
        who = name(victim)
        try:
            os.kill(victim, how)
        except OSError:
            who = "nobody"
    try:
        err = p.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        p.kill()
        faults.append(f"round {i}: {who}, signal {how}: it hangs")
        continue
    seen[who] += 1
    # CMD's own, or that of CMD killed; else a reason.
    if p.returncode not in (7, 128 + how) and not (p.returncode == 125 and err.strip()):
        faults.append(f"round {i}: {who}, signal {how}: status {p.returncode}, {err!r}")
if len(seen) < 5:
    faults.append(f"too few victims: {dict(seen)}")
print(f"not ok {NAME}: {'; '.join(faults)}" if faults else f"ok {NAME}")
sys.exit(bool(faults))
