#!/usr/bin/python3
"""From bench.json: the page with all plots, and README's table and plot.

usage: bench/report.py BENCH.JSON --html FILE
       bench/report.py BENCH.JSON --readme README.md --plot docs/bench.svg
       bench/report.py BENCH.JSON --baseline bench/baseline.json
"""
import argparse
import json
import os
import re
import sys
import textwrap
from html import escape

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import results as measured  # noqa: E402
import svg  # noqa: E402

BEGIN, END = "<!-- bench: written by `make bench-readme` -->", "<!-- bench: end -->"

# Rows of README's table: name, what it is.
README_ROWS = [
    ("parse.invite", "parse a 720-octet INVITE, all that routing needs, validated"),
    ("parse.corpus", "parse a mixed corpus, each message"),
    ("parse.corpus.rate", "the same, octets of messages"),
    ("peer.sofia.parse.invite", "the same messages and fields, sofia-sip"),
    ("peer.osip.parse.invite", "oSIP"),
    ("peer.re.parse.invite", "libre"),
    ("ref.lines", "a memchr loop over its header lines, nothing else"),
    ("digest.invite", "both keyed digests"),
    ("pick.16", "pick among 16 records"),
    ("pick.256", "among 256"),
    ("pick.walk.256", "RFC 2782's linear draw among 256"),
    ("pick.alias.256", "an alias table's"),
    ("pick.maglev.256", "Maglev's"),
    ("pick.moved.rendezvous", "calls that move when one of 16 targets dies"),
    ("pick.moved.maglev", "with Maglev"),
    ("pick.moved.alias", "with an alias table"),
    ("pick.moved.walk", "with the linear draw"),
    ("pick.worst_share_error", "worst error of a share, weights 1:1 to 1:65535"),
    ("pick.worst_share_error.kamailio", "of Kamailio's 100 slots"),
    ("pick.worst_share_error.haproxy", "of HAProxy's rounding"),
    ("table.lookup.1m", "look up one of 1 M names"),
    ("table.bytes_per_name.1m", "memory of a name"),
    ("table.publish", "publish a version"),
    ("ref.miss", "one dependent memory miss"),
    ("route.ring.cold", "the whole engine, one worker, packets not in the cache"),
    ("route.ring.1m", "with 1 M names"),
    ("route.ring.churn", "with 1,000 publications/s"),
    ("route.ring.1w", "as a thread of its own"),
    ("route.ring.2w", "two workers, steering included"),
    ("route.ring.2w.local", "two workers, each packet at its owner"),
    ("route.source", "what the source costs beside it, in the same thread"),
    ("route.call", "a call: INVITE, 100, 180, 200, ACK, BYE, 200"),
    ("route.latency.p50", "latency at half load, median"),
    ("route.latency.p99", "p99"),
    ("route.latency.p999", "p99.9"),
    ("e2e.tandem", "over veth and af_packet (kernel-bound), one core"),
    ("e2e.testpmd", "testpmd macswap, same wire"),
    ("e2e.kamailio", "Kamailio 5.6, stateless, same wire"),
    ("e2e.tandem.cpu", "CPU of a request there, kernel included"),
    ("e2e.kamailio.cpu", "Kamailio's"),
]


def show(result):
    unit, value = result["unit"], result["value"]
    if unit == "ns":
        return svg.ns(value)
    if unit == "requests/s":
        return svg.number(value) + ("/s" if svg.number(value)[-1].isalpha() else " /s")
    if unit in ("bytes", "bytes/s"):
        text = svg.number(value)
        return text + ("" if text[-1].isalpha() else " ") + unit.replace("bytes", "B")
    return svg.percent(value) if unit == "share" else f"{svg.number(value)} {unit}"


def mark(result):
    return "invalid" if result.get("invalid") else "noisy" if result.get("noisy") else ""


def machine(data):
    host = data["host"]
    pages = f"{host['hugepages']} hugepages" if host["hugepages"] else "no hugepages"
    return (f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, kernels {host['isa']}, {pages}; "
            f"commit {data['commit']}")


# ---- Plots ----------------------------------------------------------------------------

def plot_pick(by_name):
    kinds = [("Tandem (rendezvous)", r"pick\.(\d+)$"), ("linear walk (RFC 2782)", r"pick\.walk\.(\d+)$"),
             ("alias table", r"pick\.alias\.(\d+)$"), ("Maglev", r"pick\.maglev\.(\d+)$")]
    series = []
    for name, pattern in kinds:
        points = sorted((int(m.group(1)), r["value"]) for n, r in by_name.items() if (m := re.match(pattern, n)))
        if points:
            series.append((name, points))
    return series and svg.lines("Time of a pick over the size of the set", series, lambda x: f"{x:g}", svg.ns,
                                "records in the set")


def throughput_rows(by_name):
    rows = [("route.ring.hot", "1 name, in the cache", 0), ("route.ring.cold", "1 name, cold", 0),
            ("route.ring.1k", "1 k names", 0), ("route.ring.100k", "100 k names", 0),
            ("route.ring.1m", "1 M names", 0), ("route.ring.churn", "1,000 publications/s", 0),
            ("route.ring.1w", "1 worker, own thread", 2), ("route.ring.2w", "2 workers, steered", 2),
            ("e2e.tandem", "af_packet: Tandem", 1), ("e2e.testpmd", "af_packet: testpmd", 5),
            ("e2e.kamailio", "sockets: Kamailio", 5)]
    return [(label, by_name[n]["value"], mark(by_name[n]), colour) for n, label, colour in rows if n in by_name]


def plot_throughput(by_name, own_style=False):
    rows = throughput_rows(by_name)
    return rows and svg.bars("Requests per second: ring to ring, and over veth (kernel-bound)", rows,
                             lambda v: svg.number(v) + "/s", own_style)


def plot_stages(by_name):
    prefix = "route.stage."
    rows = [(name[len(prefix):], r["value"], mark(r), 0) for name, r in by_name.items() if name.startswith(prefix)]
    if not rows:
        return ""
    whole = by_name["route.request.cold"]["value"]
    told = sum(value for _, value, _, _ in rows)
    rows.append(("between stages", max(whole - told, 0), "", 5))
    for name, label in (("route.source", "source (beside it)"), ("route.sink", "sink (beside it)")):
        if name in by_name:
            rows.append((label, by_name[name]["value"], mark(by_name[name]), 5))
    return svg.bars(f"Where the {svg.ns(whole)} of a request go (packets not in the cache)", rows, svg.ns)


def plot_latency(by_name):
    points = [(1 / (1 - q), by_name[f"route.latency.{p}"]["value"])
              for p, q in (("p50", .5), ("p90", .9), ("p99", .99), ("p999", .999), ("p9999", .9999))
              if f"route.latency.{p}" in by_name]
    if not points:
        return ""
    note = mark(by_name["route.latency.p50"])
    return svg.lines("Latency at half load" + (f" ({note})" if note else ""), [("ring to ring", points)],
                     lambda x: f"{100 * (1 - 1 / x):.4g} %", svg.ns, "of the requests took no longer")


def plot_shares(by_name):
    rows = []
    for i in range(16):
        got, wanted = by_name.get(f"route.share.{i}"), by_name.get(f"route.share.{i}.wanted")
        if got and wanted:
            rows.append((f"target {i}: wanted", wanted["value"], "", 5))
            rows.append((f"target {i}: measured", got["value"], "", 0))
    return rows and svg.bars("Share of the requests, wanted and measured", rows, svg.percent)


def plot_parsers(by_name):
    rows = [(label, by_name[n]["value"], mark(by_name[n]), colour)
            for n, label, colour in (("ref.lines", "memchr over the lines", 5), ("parse.invite", "Tandem", 0),
                                     ("peer.sofia.parse.invite", "sofia-sip", 1), ("peer.osip.parse.invite", "oSIP", 1),
                                     ("peer.re.parse.invite", "libre", 1)) if n in by_name]
    return len(rows) > 1 and svg.bars("Parsing a 720-octet INVITE, same messages, same fields", rows, svg.ns)


def plot_cpu(by_name):
    rows = [(label, by_name[n]["value"], mark(by_name[n]), colour)
            for n, label, colour in (("e2e.tandem.cpu", "Tandem", 0), ("e2e.testpmd.cpu", "testpmd (polls always)", 5),
                                     ("e2e.kamailio.cpu", "Kamailio", 1)) if n in by_name]
    return rows and svg.bars("CPU time of a request over veth, kernel included", rows, svg.ns)


# ---- The page -------------------------------------------------------------------------

PAGE_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1f2430; --faint: #5c6575; --line: #d9dde5; }
@media (prefers-color-scheme: dark) { :root { --ground: #151922; --ink: #e7eaf0; --faint: #a3adbd; --line: #3a4150; } }
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 780px;
       margin: 32px auto; padding: 0 16px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 8px; } p { margin: 4px 0 12px; }
.faint { color: var(--faint); } figure { margin: 28px 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th { text-align: left; color: var(--faint); font-weight: 600; }
th, td { padding: 3px 12px 3px 0; border-bottom: 1px solid var(--line); }
.n { text-align: right; } .misses, .invalid, .noisy { color: #c2570c; font-weight: 600; }
@media (prefers-color-scheme: dark) { .misses, .invalid, .noisy { color: #ffa057; } }
"""


def html_table(head, rows, numbers):
    def cells(tag, row):
        return "".join(f'<{tag} class="{"n" if i in numbers else escape(str(c)) if tag == "td" else ""}">'
                       f"{escape(str(c))}</{tag}>" for i, c in enumerate(row))
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', head)}</tr>{body}</table>"


def page(data, by_name):
    plots = [plot_parsers(by_name), plot_pick(by_name), plot_throughput(by_name), plot_stages(by_name),
             plot_latency(by_name), plot_shares(by_name), plot_cpu(by_name)]
    figures = "".join(f"<figure>{p}</figure>" for p in plots if p)
    ratio_rows = [(r["name"], f"{r['value']:.3g}", svg.percent(r["spread"]), measured.goal_text(r), measured.verdict(r))
                  for r in measured.ratios(by_name)]
    all_rows = [(r["name"], show(r), svg.percent(r["spread"]), r["runs"], mark(r)) for r in data["results"]]
    notes = "".join(f"<p class=faint>{escape(r['name'])}: {escape(r['note'])}</p>"
                    for r in data["results"] if r.get("note"))
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tandem: benchmarks</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{PAGE_STYLE}{svg.STYLE}</style></head><body>
<h1>Tandem: benchmarks</h1>
<p class="faint">{escape(machine(data))}. Medians; the spread is the distance of the quartiles over the median;
above 10 % a result is noisy. Times differ from machine to machine and hour to hour: compare ratios.</p>
{figures}
<h2>Ratios within this run</h2>
{html_table(("ratio", "value", "spread", "goal", ""), ratio_rows, (1, 2, 3))}
<h2>All results</h2>
{html_table(("name", "median", "spread", "runs", ""), all_rows, (1, 2, 3))}
{notes}
</body></html>
"""


# ---- README ---------------------------------------------------------------------------

def readme_block(data, by_name, plot):
    goals = {}
    for r in measured.ratios(by_name):
        if r["goal"]:
            above = next(a for name, a, _, _ in measured.RATIOS if name == r["name"])
            below = next(b for name, _, b, _ in measured.RATIOS if name == r["name"])
            row = below if above.startswith("peer.") or above == "e2e.kamailio.cpu" else above
            goals.setdefault(row, []).append(
                f"{r['name']} {r['value']:.3g}, goal {measured.goal_text(r)}: {measured.verdict(r)}")
    intro = (f"`make bench` on {machine(data)}. Medians of {max(r['runs'] for r in data['results'])} runs; times are "
             "this machine's, ratios are within the run. What the names mean is in "
             "[docs/benchmarks.md](docs/benchmarks.md).")
    lines = [BEGIN, *textwrap.wrap(intro, 116, break_on_hyphens=False), "",
             "| what | name | median | spread | beside it |", "|---|---|--:|--:|---|"]
    for name, what in README_ROWS:
        r = by_name.get(name)
        if not r:
            continue
        marks = [mark(r)] if mark(r) and not (mark(r) == "invalid" and name in goals) else []
        remarks = "; ".join(goals.get(name, []) + marks)
        lines.append(f"| {what} | `{name}` | {show(r)} | {svg.percent(r['spread'])} | {remarks} |")
    lines += ["", f"![Requests per second]({plot})", ""]
    two, one = by_name.get("route.ring.2w"), by_name.get("route.ring.1w")
    if two and one:
        factor = two["value"] / one["value"]
        valid = "" if not two.get("invalid") else f" That figure is invalid: {two['note']}."
        lines += textwrap.wrap(
            f"Two workers do {factor:.2f} times what one does, steering included; the machine has "
            f"{data['host']['cores']} cores, so nothing beyond two was measured.{valid}", 116)
    lines.append(END)
    return "\n".join(lines)


def write_readme(data, by_name, readme, plot):
    with open(readme) as f:
        text = f.read()
    if BEGIN not in text or END not in text:
        sys.exit(f"report: {readme}: no place for the figures; it needs the lines '{BEGIN}' and '{END}'")
    block = readme_block(data, by_name, os.path.relpath(plot, os.path.dirname(os.path.abspath(readme))))
    with open(readme, "w") as f:
        f.write(text[:text.index(BEGIN)] + block + text[text.index(END) + len(END):])
    with open(plot, "w") as f:
        f.write(plot_throughput(by_name, own_style=True) + "\n")


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    p.add_argument("json")
    p.add_argument("--html")
    p.add_argument("--readme")
    p.add_argument("--plot")
    p.add_argument("--baseline")
    args = p.parse_args()
    try:
        data, by_name = measured.load(args.json)
    except FileNotFoundError:
        sys.exit(f"report: {args.json}: not there; `make bench` writes it")
    if args.html:
        with open(args.html, "w") as f:
            f.write(page(data, by_name))
    if args.readme:
        write_readme(data, by_name, args.readme, args.plot)
    if args.baseline:
        with open(args.baseline, "w") as f:
            json.dump(measured.baseline_of(data, by_name), f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
