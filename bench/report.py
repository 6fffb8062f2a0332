"""docs/benchmarks.md and docs/benchmarks.svg from the medians. What is said about the figures is in bench/notes.md."""
import os
import time

import scanning

# metric, label, digits, more is better, goal: ("peer", x) times the best peer, ("bare", x), ("is", x)
BUMP = [
    ("ka_cpu", "keep-alive 1 KiB, CPU s / 10,000 requests", 3, 0, ("peer", 0.84)),
    ("k100_cpu", "keep-alive 100 KiB, CPU s / 10,000 requests", 2, 0, ("peer", 0.90)),
    ("new_cpu", "new connection, CPU ms", 3, 0, ("peer", 0.60)),
    ("first_cpu", "first visit to a host, CPU ms", 2, 0, ("peer", 0.57)),
    ("first_ms", "first visit, time to first byte p50, ms", 2, 0, ("bare", 2.4)),
    ("seq_us", "one request after another, p50 µs, all on one core", 0, 0, ("peer", 0.91)),
    ("down_cpu", "download, CPU s / GiB", 2, 0, ("peer", 0.83)),
    ("up_cpu", "upload, CPU s / GiB", 2, 0, ("peer", 0.89)),
    ("hold_kib", "memory of an idle connection, KiB", 1, 0, ("peer", 0.75)),
    ("idle_pss", "memory of all processes, idle, Pss MiB", 1, 0, ("is", 12)),
    ("start_ms", "start to listening, ms", 0, 0, ("is", 25)),
    ("ka_rps", "keep-alive 1 KiB, requests/s (the client's core is the limit)", 0, 1, None),
]
SPLICE_GOALS = {"ka_cpu": ("peer", 0.90), "new_cpu": ("peer", 0.87), "seq_us": ("peer", 0.91), "down_cpu": ("peer", 0.65),
                "up_cpu": ("peer", 0.69), "hold_kib": ("peer", 0.86)}
SPLICE = [(k, label, d, up, SPLICE_GOALS.get(k)) for k, label, d, up, _ in BUMP if k in SPLICE_GOALS or k in ("k100_cpu", "first_ms", "ka_rps")]
DNS = [
    ("hot_qps", "100 names cached, queries/s (the client's core is the limit)", 0, 1, ("unbound", 1.2)),
    ("hot_cpu", "… CPU s / 100,000 queries", 3, 0, ("unbound", 0.85)),
    ("miss_qps", "10,000 names, all missing, queries/s", 0, 1, ("dnsmasq", 1.1)),
    ("miss_p99", "8,000 more, 4,000 a second, p99 µs", 0, 0, ("is", 250)),
    ("names_pss", "memory with 10,000 names, Pss MiB", 1, 0, ("is", 8)),
    ("start_ms", "start to listening, ms", 0, 0, None),
]
COLOURS = {"egressd": "#1a7f37", "haproxy": "#57606a", "sslsplit": "#6e7781", "squid": "#8c959f", "mitmproxy": "#afb8c1", "nginx, static": "#d0d7de",
           "nginx stream": "#57606a", "unbound": "#57606a", "dnsmasq": "#8c959f"}


def best(values, up):
    return (max if up else min)(values.values()) if values else None


def goal(metric, up, g, peers, bare, mine):
    """(text, met) or None."""
    if not g or mine is None:
        return None
    kind, x = g
    base = 1 if kind == "is" else bare.get(metric) if kind == "bare" else best(peers, up) if kind == "peer" else peers.get(kind)
    if base is None:
        return None
    met = mine >= x * base if up else mine <= x * base
    what = {"is": "", "bare": "× bare", "peer": "× best peer"}.get(kind, f"× {kind}")
    return f"{'≥' if up else '≤'} {x:g} {what}".strip(), met


def shown(v, digits):
    return "–" if v is None else f"{v:,.{digits}f}"


def table(medians, kinds, rows):
    names = [n for k, n in medians if k in kinds]
    if not names:
        return ["(not measured)"]
    names.sort(key=lambda n: (n != "egressd", n == "nginx, static", list(COLOURS).index(n) if n in COLOURS else 99))
    bare = medians.get(("bare", "bare"), {})
    of = {n: next(medians[k, n] for k in kinds if (k, n) in medians) for n in names}
    peers_only = [n for n in names if n != "egressd" and n != "nginx, static"]
    out = ["| | " + " | ".join(names) + (" | bare" if bare and "dns" not in kinds else "") + " | egressd / best peer | goal |",
           "|---|" + "---:|" * (len(names) + 1 + bool(bare and "dns" not in kinds)) + "---|"]
    for metric, label, digits, up, g in rows:
        mine = of.get("egressd", {}).get(metric)
        peers = {n: of[n][metric] for n in peers_only if metric in of[n]}
        if mine is None and not peers:
            continue
        b = best(peers, up)
        judged = goal(metric, up, g, peers, bare, mine)
        cells = [("**" + shown(of[n].get(metric), digits) + "**") if n == "egressd" else shown(of[n].get(metric), digits) for n in names]
        if bare and "dns" not in kinds:
            cells.append(shown(bare.get(metric), digits))
        ratio = f"{mine / b:.2f}" if b and mine is not None else "–"
        out.append(f"| {label} | " + " | ".join(cells) + f" | {ratio} | " + (f"{judged[0]}: {'met' if judged[1] else '**missed**'}" if judged else "") + " |")
    return out


def alone(medians):
    def of(name, metric):
        return medians.get(("extra", name), {}).get(metric)
    out = ["| | |", "|---|---|"]

    def row(label, v, digits, extra=""):
        if v is not None:
            out.append(f"| {label} | {v:,.{digits}f}{extra} |")
    ten, many, scan = (of(n, "ka_cpu") for n in ("10 routes", "10,000 routes", "scanning"))
    row("keep-alive, CPU s / 10,000 requests, 10 routes", ten, 3)
    row("… 10,000 routes", many, 3, f" ({many / ten:.2f} ×)" if ten and many else "")
    row("… scanning in both directions on", scan, 3, f" ({scan / ten:.2f} ×)" if ten and scan else "")
    ten, scan = of("10 routes", "k100_cpu"), of("scanning", "k100_cpu")
    row("keep-alive 100 KiB, CPU s / 10,000 requests", ten, 2)
    row("… scanning in both directions on", scan, 2, f" (throughput a core falls by {(1 - ten / scan) * 100:.0f} %; goal ≤ 15)" if ten and scan else "")
    row("scanning alone, MB/s a core: prose that leaves (tokens, keys, secrets; goal ≥ 1,000)", of("matcher", "out_mbs"), 0)
    row("… prose that comes (phrases that give orders)", of("matcher", "in_mbs"), 0)
    for p, limit in (("sse_p50", 2), ("sse_p99", 5)):
        bare, scanned = of("events, bare", p), of("events, scanned", p)
        row(f"server-sent events, scanned: first event later than without us, {p[4:]} ms", scanned - bare if bare and scanned else None, 2,
            f" ({scanned:.2f} instead of {bare:.2f}; goal < {limit})" if bare and scanned else "")
    h2, nginx = of("egressd, h2", "h2_cpu"), of("nginx, h2", "h2_cpu")
    row("HTTP/2 (100 streams a connection), CPU s / 10,000 requests", h2, 3)
    row("… nginx as a static proxy, HTTP/1.1 behind it", nginx, 3, f" (egressd: {nginx / h2:.2f} × its requests a core)" if h2 and nginx else "")
    row("refused first packets (NFQUEUE, judged, answered, audited) / s", of("refusals", "syn_rate"), 0)
    row("… CPU s / 10,000", of("refusals", "syn_cpu"), 2)
    row("`egressctl run -- true`, ms", of("egressctl run", "run_ms"), 0)
    row("5,000 idle connections, KiB each", of("5,000 idle, egressd", "hold_kib"), 1)
    row("… haproxy", of("5,000 idle, haproxy", "hold_kib"), 1)
    return out


def scanned(medians):
    """Throughput a core with scanning, as a part of that without."""
    got = medians.get(("extra", "texts"), {})
    if not got:
        return ["(not measured)"]
    out = ["| CPU s / 10,000 requests | not scanned | scanned | throughput a core falls by |", "|---|---:|---:|---:|"]
    for way, kind, size in scanning.CASES:
        off, on = (got.get(f"{way}_{kind}_{size}_{x}") for x in ("off", "on"))
        if off and on:
            out.append(f"| {kind} that {'leaves' if way == 'out' else 'comes'}, {size[:-1]} KiB | {off:.2f} | {on:.2f} | {(1 - off / on) * 100:.0f} % |")
    return out


def spread(samples):
    """The widest of each metric of egressd's, as a part of its median."""
    out = []
    for (kind, name), got in samples.items():
        if name == "egressd" and kind in ("bump", "splice", "dns"):
            out += [f"{kind} {k}: {', '.join(f'{x:.3g}' for x in v)}" for k, v in got.items() if len(v) > 1]
    return out


def markdown(medians, samples, events, versions, absent, q, took):
    here = os.path.dirname(os.path.abspath(__file__))
    with open("/proc/cpuinfo") as f:
        cpu = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), "?")
    o = ["# Benchmarks", "", "Written by `make bench`; do not edit (what is said about the figures is `bench/notes.md`).", "",
         "![CPU of egressd and its peers](benchmarks.svg)", "",
         f"{time.strftime('%Y-%m-%d')}, Linux {os.uname().release.split('-')[0]}, {os.cpu_count()} cores ({cpu}); {q['done']} round(s), interleaved, medians; "
         f"{took / 60:.0f} minutes; load average at the end {os.getloadavg()[1]:.1f}.", "",
         "One core is the contender's, the other the client's and the servers'. egressd runs with its policy, its one-name checks and its audit log on "
         "(scanning off, as the peers have none), one engine; the peers' access logs are off. Of two figures of one run the ratio is what counts: "
         "CPU is the scheduler's account of all processes of the contender.", "",
         "## TLS opened (bump)", "", *table(medians, ("bump", "ref"), BUMP), "",
         "*nginx, static* is no peer: a reverse proxy with its certificates made beforehand, no minting and no policy. sslsplit relays bytes and looks at no HTTP.", "",
         "## TLS passed on (splice)", "", *table(medians, ("splice",), SPLICE), "",
         "## DNS", "", *table(medians, ("dns",), DNS), "", "egressd's memory is that of all its processes; the others have no log of the queries.", "",
         "## egressd alone", "", *alone(medians), "",
         "## What scanning costs", "", "One egressd, two hosts, one of them scanned (every detector on), by turns; goal: at most 15 % of the throughput for bodies of 100 KiB.", "",
         *scanned(medians), ""]
    with open(here + "/notes.md") as f:
        o += [f.read().rstrip(), ""]
    o += ["## Compared", "", *(f"- {n}: {v}" for n, v in sorted(versions.items())), *(f"- {n}: not installed, so absent" for n in absent), ""]
    if events:
        o += ["What failed during the run:", "", *(f"- {k} {n}: {t}" for k, n, t in events), ""]
    lines = spread(samples)
    if lines:
        o += ["<details><summary>egressd, round by round</summary>", "", *(f"- {x}" for x in lines), "", "</details>", ""]
    return "\n".join(o)


# ---- the plot: bars of CPU as a part of the best peer's

PLOT = [("bump", "ka_cpu", "request (opened)"), ("bump", "new_cpu", "new connection"), ("bump", "first_cpu", "first visit"), ("bump", "down_cpu", "GiB down"),
        ("bump", "up_cpu", "GiB up"), ("splice", "ka_cpu", "request (passed on)"), ("splice", "down_cpu", "GiB down (passed on)"), ("dns", "hot_cpu", "DNS query, cached")]


def svg(medians):
    bar, gap, left, width, limit = 15, 16, 190, 860, 3.0
    scale = (width - left - 150) / limit
    body, y = [], 46
    for kind, metric, label in PLOT:
        got = {n: v[metric] for (k, n), v in medians.items() if k == kind and metric in v}
        peers = {n: v for n, v in got.items() if n != "egressd"}
        if "egressd" not in got or not peers:
            continue
        base = min(peers.values())
        body.append(f'<text x="{left - 10}" y="{y + 12}" text-anchor="end" font-weight="600">{label}</text>')
        for n in ["egressd"] + sorted(peers, key=peers.get)[:3]:
            x = got[n] / base
            end = left + min(x, limit) * scale
            body.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="{bar}" rx="2" fill="{COLOURS.get(n, "#8c959f")}"/>'
                        f'<text x="{end + 6:.1f}" y="{y + 12}">{n} {x:.2f}{" …" if x > limit else ""}</text>')
            y += bar + 2
        y += gap
    line = left + scale
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 8}" viewBox="0 0 {width} {y + 8}" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n<text x="{left}" y="20" font-size="14" font-weight="700">CPU per unit of work; the best peer is 1 (shorter is better)</text>\n'
            f'<line x1="{line:.1f}" y1="32" x2="{line:.1f}" y2="{y}" stroke="#d1242f" stroke-dasharray="3 3"/>\n' + "\n".join(body) + "\n</svg>\n")
