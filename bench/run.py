#!/usr/bin/python3
"""All benchmarks of a build folder: measure, tell, write bench.json and report.html beside.

usage: bench/run.py --build FOLDER [--only NAME] [--quick] [--compare] [--runs N] [--out F]

Part one is the program `bench`, which needs no privilege. Part two (e2e.*) forwards requests over
veth in network namespaces: root, Linux, and the packages of `tools/install-deps bench`.
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import report  # noqa: E402
import results as measured  # noqa: E402
import svg  # noqa: E402


def run_part(argv, path):
    """Its parsed JSON, or None when it failed (it has said why)."""
    if os.path.exists(path):
        os.unlink(path)
    code = subprocess.run(argv + ["--json", path], stdin=subprocess.DEVNULL).returncode
    if code != 0 or not os.path.exists(path):
        return None
    with open(path) as f:
        return json.load(f)


def commit():
    told = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return told.stdout.strip() if told.returncode == 0 else "unknown"


def host(program):
    return json.loads(subprocess.run([program, "--host"], capture_output=True, check=True).stdout)


def print_ratios(by_name):
    rows = measured.ratios(by_name)
    if not rows:
        return
    width = max(len(r["name"]) for r in rows)
    print(f"\n{'RATIO':{width}}    VALUE    SPREAD     GOAL")
    for r in rows:
        print(f"{r['name']:{width}}  {r['value']:7.3g}  {svg.percent(r['spread']):>8}  {measured.goal_text(r):>7}  "
              f"{measured.verdict(r)}".rstrip())


def print_moves(data, by_name):
    path = os.path.join(HERE, "baseline.json")
    with open(path) as f:
        baseline = json.load(f)
    rows = measured.compare(baseline, data, by_name)
    print(f"\nagainst bench/baseline.json ({baseline['isa']} there, {data['host']['isa']} here):")
    moved = [(name, before, now, m) for name, before, now, m in rows if m is not None]
    for name, before, now, m in moved:
        print(f"  {name}: {before:.3g} -> {now:.3g} ({m * 100:+.1f} %)")
    print(f"  {len(rows) - len(moved)} of {len(rows)} ratios did not move by more than their spread")


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    p.add_argument("--build", required=True)
    p.add_argument("--only", default="")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--compare", action="store_true")
    p.add_argument("--runs")
    p.add_argument("--out", help="folder of what is written; FOLDER/bench without")
    args = p.parse_args()
    folder = args.out or os.path.join(args.build, "bench")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(args.build, "bench", "bench")
    more = (["--quick"] if args.quick else []) + (["--runs", args.runs] if args.runs else [])
    env_commit = os.environ.setdefault("TANDEM_COMMIT", commit())
    data = None
    if not args.only.startswith("e2e"):
        only = ["--only", args.only] if args.only else []
        data = run_part([program] + only + more, os.path.join(folder, "rings.json"))
        if data is None:
            return 1
    e2e = os.path.join(HERE, "e2e.py")
    if os.path.exists(e2e) and (not args.only or args.only.startswith("e2e")):
        part = run_part([sys.executable, "-B", e2e, "--build", args.build] + more, os.path.join(folder, "e2e.json"))
        if part is None:
            return 1
        if data is None:
            data = {"host": host(program), "commit": env_commit, "results": []}
        data["results"] += part["results"]
    with open(os.path.join(folder, "bench.json"), "w") as f:
        json.dump(data, f, indent=2)
        f.write("\n")
    by_name = {r["name"]: r for r in data["results"]}
    with open(os.path.join(folder, "report.html"), "w") as f:
        f.write(report.page(data, by_name))
    if not args.quick:  # its figures mean nothing
        print_ratios(by_name)
    if args.compare:
        print_moves(data, by_name)
    print(f"\nwritten: {folder}/bench.json, {folder}/report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
