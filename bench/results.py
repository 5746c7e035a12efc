"""bench.json read, and the ratios that are judged: within one run, round by round.

A time says something about the machine that it was measured on, at that hour; a ratio of two
times that were measured in the same minutes says something about the program.
"""
import json
import math
import statistics

# name, numerator, denominator, and the goal ("<=" or ">=", value) or None.
RATIOS = [
    ("parse.invite / ref.lines", "parse.invite", "ref.lines", ("<=", 1.5)),
    ("peer.sofia / parse.invite", "peer.sofia.parse.invite", "parse.invite", (">=", 30)),
    ("peer.osip / parse.invite", "peer.osip.parse.invite", "parse.invite", None),
    ("peer.re / parse.invite", "peer.re.parse.invite", "parse.invite", None),
    ("digest.invite / ref.memcpy", "digest.invite", "ref.memcpy", None),
    ("pick.16 / pick.walk.16", "pick.16", "pick.walk.16", ("<=", 1.5)),
    ("pick.256 / pick.walk.256", "pick.256", "pick.walk.256", ("<=", 3.5)),
    ("table.lookup.1m / ref.miss", "table.lookup.1m", "ref.miss", ("<=", 0.5)),
    ("table churn / still", "table.churn", "table.churn.still", ("<=", 1.05)),
    ("request cold / parse.invite", "route.request.cold", "parse.invite", ("<=", 4)),
    ("ring 1m / cold", "route.ring.1m", "route.ring.cold", (">=", 0.85)),
    ("ring churn / cold", "route.ring.churn", "route.ring.cold", (">=", 0.95)),
    ("ring 2w / 1w", "route.ring.2w", "route.ring.1w", (">=", 1.7)),
    ("call / request cold", "route.call", "route.request.cold", None),
    ("e2e tandem / testpmd", "e2e.tandem", "e2e.testpmd", (">=", 0.9)),
    ("e2e tandem / kamailio", "e2e.tandem", "e2e.kamailio", (">=", 2.5)),
    ("e2e CPU kamailio / tandem", "e2e.kamailio.cpu", "e2e.tandem.cpu", (">=", 2.5)),
]

LEAST_MOVE = 0.03  # what differs less has not moved, whatever the spreads say


def load(path):
    with open(path) as f:
        data = json.load(f)
    return data, {r["name"]: r for r in data["results"]}


def spread(values):
    """Distance of the quartiles over the median, as the benchmark has it."""
    median = statistics.median(values)
    if len(values) < 2 or median == 0:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / median


def ratios(results):
    """[{name, value, spread, goal, holds, invalid}] of those whose both sides were measured."""
    out = []
    for name, above, below, goal in RATIOS:
        a, b = results.get(above), results.get(below)
        if not a or not b or not b["value"]:
            continue
        if len(a["values"]) == len(b["values"]) and all(b["values"]):
            by_round = [x / y for x, y in zip(a["values"], b["values"])]
        else:
            by_round = [a["value"] / b["value"]]
        value = statistics.median(by_round)
        holds = None
        if goal:
            holds = value <= goal[1] if goal[0] == "<=" else value >= goal[1]
        out.append({"name": name, "value": value, "spread": spread(by_round), "goal": goal, "holds": holds,
                    "invalid": bool(a.get("invalid") or b.get("invalid"))})
    return out


def goal_text(ratio):
    return f"{ratio['goal'][0]} {ratio['goal'][1]:g}" if ratio["goal"] else ""


def verdict(ratio):
    if ratio["invalid"]:
        return "invalid"
    return {None: "", True: "holds", False: "misses"}[ratio["holds"]]


def baseline_of(data, results):
    """What bench/baseline.json holds: ratios and what they were measured on, never a time."""
    return {"isa": data["host"]["isa"],
            "ratios": {r["name"]: {"value": float(f"{r['value']:.4g}"), "spread": float(f"{r['spread']:.2g}")}
                       for r in ratios(results) if not r["invalid"]}}


def compare(baseline, data, results):
    """[(name, before, now, moved)]: moved is the change where it exceeds both spreads, else None."""
    rows = []
    for ratio in ratios(results):
        before = baseline["ratios"].get(ratio["name"])
        if not before or ratio["invalid"]:
            continue
        change = ratio["value"] / before["value"] - 1
        allowed = max(ratio["spread"], before["spread"], LEAST_MOVE)
        moved = change if abs(math.log(ratio["value"] / before["value"])) > math.log1p(allowed) else None
        rows.append((ratio["name"], before["value"], ratio["value"], moved))
    return rows
