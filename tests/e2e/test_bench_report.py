"""What is made of the benchmarks' results: ratios, what moved, the page and README's figures."""
import copy
import json
import os
import re
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT

FOLDER = os.path.join(ROOT, "bench")
sys.path.insert(0, FOLDER)
import report  # noqa: E402
import results as measured  # noqa: E402
import svg  # noqa: E402


def result(name, values, unit="ns", **more):
    return {"name": name, "value": sorted(values)[len(values) // 2], "unit": unit, "spread": measured.spread(values),
            "runs": len(values), "noisy": False, "values": values, **more}


@pytest.fixture
def data():
    """A run on a machine that slows down by half: times drift, ratios stay."""
    drift = [1, 1.1, 1.2, 1.3, 1.4, 1.45, 1.5]
    return {"host": {"cpu": "a <processor>", "kernel": "6.1", "isa": "avx2", "hugepages": 0, "cores": 2},
            "commit": "abc1234",
            "results": [result("parse.invite", [100 * d for d in drift]), result("ref.lines", [80 * d for d in drift]),
                        result("route.ring.1w", [1e6] * 7, "requests/s"),
                        result("route.ring.2w", [1.1e6] * 7, "requests/s", invalid=True, note="one core only")]}


def by_name(data):
    return {r["name"]: r for r in data["results"]}


def test_ratios_are_taken_round_by_round(data):
    parse, two = measured.ratios(by_name(data))
    assert parse["name"] == "parse.invite / ref.lines"
    assert parse["value"] == pytest.approx(1.25) and parse["spread"] == pytest.approx(0)
    assert parse["holds"] is True and measured.verdict(parse) == "holds"
    assert measured.verdict(two) == "invalid", "a bar that was not measured neither holds nor misses"


def test_what_moved(data):
    baseline = measured.baseline_of(data, by_name(data))
    assert set(baseline["ratios"]) == {"parse.invite / ref.lines"}, "what is invalid is no baseline"
    slower = copy.deepcopy(data)
    slower["results"][0]["values"] = [v * 1.2 for v in slower["results"][0]["values"]]
    [(name, before, now, moved)] = measured.compare(baseline, slower, by_name(slower))
    assert (name, before, now) == ("parse.invite / ref.lines", pytest.approx(1.25), pytest.approx(1.5))
    assert moved == pytest.approx(0.2)
    [(_, _, _, same)] = measured.compare(baseline, data, by_name(data))
    assert same is None
    noisy = copy.deepcopy(slower)
    factors = [.7, .8, .9, 1, 1.2, 1.3, 1.4]
    noisy["results"][0]["values"] = [v * f for v, f in zip(noisy["results"][0]["values"], factors)]
    [(_, _, _, moved)] = measured.compare(baseline, noisy, by_name(noisy))
    assert moved is None, "less than the spread is no move"


def test_baseline_holds_no_times():
    with open(os.path.join(FOLDER, "baseline.json")) as f:
        baseline = json.load(f)
    known = {name for name, *_ in measured.RATIOS}
    assert set(baseline) == {"isa", "ratios"} and baseline["ratios"] and set(baseline["ratios"]) <= known
    assert all(set(r) == {"value", "spread"} for r in baseline["ratios"].values())


def test_page(data):
    page = report.page(data, by_name(data))
    assert "a &lt;processor&gt;" in page and "<processor>" not in page
    assert "<script" not in page and not re.search(r'(src|href)=', page), "nothing from elsewhere, no script"
    assert "prefers-color-scheme: dark" in page
    assert "one core only" in page and 'class="invalid"' in page


def test_readme(data, tmp_path):
    (tmp_path / "docs").mkdir()
    readme, plot, source = tmp_path / "README.md", tmp_path / "docs" / "bench.svg", tmp_path / "bench.json"
    readme.write_text(f"before\n{report.BEGIN}\nstale\n{report.END}\nafter\n")
    source.write_text(json.dumps(data))

    def write():
        subprocess.run([sys.executable, "-B", os.path.join(FOLDER, "report.py"), source, "--readme", readme, "--plot",
                        plot], check=True)
        return readme.read_text()

    text = write()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "stale" not in text
    assert "`parse.invite`" in text and "goal <= 1.5: holds" in text
    assert "(docs/bench.svg)" in text and "one core only" in " ".join(text.split())
    assert plot.read_text().startswith("<svg ")
    assert write() == text, "writing it again changes nothing"
    readme.write_text("no place\n")
    told = subprocess.run([sys.executable, "-B", os.path.join(FOLDER, "report.py"), source, "--readme", readme,
                           "--plot", plot], capture_output=True, text=True)
    assert told.returncode == 1 and "no place" in told.stderr


def test_host(tmp_path):
    """A part without the program's own benchmarks says what it ran on, too."""
    told = subprocess.run([os.path.join(BUILD, "bench", "bench"), "--host"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20, check=True)
    host = json.loads(told.stdout)
    assert host["isa"] in ("scalar", "avx2", "avx512") and host["cpu"] and host["cores"] == os.cpu_count()


def test_small_shares_are_not_nothing():
    assert [svg.percent(v) for v in (0, 1, 0.5002, 1 / 65536, 6.2e-7)] == [
        "0.00 %", "100.00 %", "50.02 %", "0.0015 %", "0.000062 %"]


def test_driver(tmp_path):
    told = subprocess.run([sys.executable, "-B", os.path.join(FOLDER, "run.py"), "--build", BUILD, "--quick", "--only",
                           "ref", "--compare", "--out", tmp_path],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert "against bench/baseline.json" in told.stdout
    names = {r["name"] for r in json.loads((tmp_path / "bench.json").read_text())["results"]}
    assert names == {"ref.lines", "ref.memcpy", "ref.miss"}
    assert "ref.miss" in (tmp_path / "report.html").read_text()
