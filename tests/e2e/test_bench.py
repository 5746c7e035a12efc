"""The benchmarks in their quick form: every name is there and no value is absurd; never a time."""
import json
import os
import re
import subprocess

import pytest

from conftest import BUILD

SIZES = [1, 2, 4, 8, 16, 32, 64, 256]
STAGES = ["rx", "frame", "parse", "digest", "steer", "route", "pick", "egress", "sign", "rewrite",
          "tx", "loop"]
NAMES = {"parse.invite": "ns", "parse.corpus": "ns", "parse.corpus.rate": "bytes/s",
         "digest.invite": "ns", "ref.lines": "ns", "ref.memcpy": "ns", "ref.miss": "ns",
         **{f"pick.{n}": "ns" for n in SIZES}, "pick.addresses.16": "ns",
         **{f"pick.{k}.{n}": "ns" for k in ("walk", "alias", "maglev", "latency") for n in SIZES},
         **{f"pick.moved.{k}": "share" for k in ("walk", "alias", "maglev", "rendezvous")},
         **{f"pick.worst_share_error{k}": "share" for k in ("", ".haproxy", ".kamailio")},
         **{f"table.lookup.{n}": "ns" for n in ("1k", "100k", "1m", "10m", "zipf.1k", "zipf.100k", "zipf.1m")},
         **{f"table.{k}": "ns" for k in ("publish", "publish.shared", "churn", "churn.still", "load.10m")},
         **{f"table.load.10m.turn{p}": "ns" for p in ("", ".p50", ".p99")}, "table.load.10m.bytes_per_name": "bytes",
         "table.churn.publications": "requests/s", "table.bytes_per_name.1m": "bytes",
         **{f"route.ring.{k}": "requests/s" for k in ("cold", "hot", "1m", "churn", "1w", "2w", "2w.local")},
         "route.call": "ns", **{f"route.call.{m}": "ns" for m in ("invite", "100", "180", "200", "ack", "bye", "bye200")},
         **{f"route.latency.{p}": "ns" for p in ("p50", "p99", "p999")},
         **{f"route.stage.{s}": "ns" for s in STAGES}, "route.source": "ns", "route.sink": "ns"}
# Present where their packages were when the build was configured; CI installs them.
PEERS = {f"peer.{p}.parse.invite" for p in ("sofia", "osip", "re")}


def bench(tmp_path, *args):
    out = tmp_path / "bench.json"
    r = subprocess.run([os.path.join(BUILD, "bench", "bench"), "--quick", "--json", str(out), *args],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                       env={**os.environ, "TANDEM_COMMIT": "abc1234"})
    assert r.returncode == 0, r.stderr
    return json.loads(out.read_text()), r.stdout


def test_quick(tmp_path):
    data, table = bench(tmp_path)
    assert set(data["host"]) == {"cpu", "kernel", "isa", "hugepages", "cores"}
    assert data["host"]["cores"] == os.cpu_count()
    assert data["commit"] == "abc1234"
    results = {r["name"]: r for r in data["results"]}
    assert len(results) == len(data["results"]), "a name came twice"
    for name, unit in NAMES.items():
        r = results[name]
        assert r["unit"] == unit, name
        assert 0 < r["value"] < (1e11 if unit == "bytes/s" else 1e9), name
        assert r["spread"] >= 0 and r["runs"] >= 2 and len(r["values"]) == r["runs"], name
        assert min(r["values"]) <= r["value"] * 1.00001 and r["value"] <= max(r["values"]) * 1.00001, name
        assert re.search(rf"^{re.escape(name)} ", table, re.M), name
    peers = {name for name in results if name.startswith("peer.")}
    assert peers <= PEERS and (peers == PEERS or "CI" not in os.environ)
    for name in peers:
        assert results[name]["unit"] == "ns" and results[name]["value"] > results["parse.invite"]["value"] / 10
    messages = [results[n]["value"] for n in results if n.startswith("route.call.")]
    assert 0.5 < sum(messages) / results["route.call"]["value"] < 2
    # Seven messages of a call cost more than one request, and a percentile is not below a lower one.
    assert results["route.call"]["value"] > results["route.request.cold"]["value"]
    p50, p99, p999 = (results[f"route.latency.{p}"]["values"] for p in ("p50", "p99", "p999"))
    assert all(a <= b <= c for a, b, c in zip(p50, p99, p999))
    # The stages are parts of the request, and most of it.
    request = results["route.request.cold"]["value"]
    assert 0.5 < sum(results[f"route.stage.{s}"]["value"] for s in STAGES) / request < 1.05
    # One of sixteen died: nobody else moves with the pick, everybody's neighbour does with a walk.
    moved = {k: results[f"pick.moved.{k}"]["value"] for k in ("walk", "alias", "maglev", "rendezvous")}
    assert abs(moved["rendezvous"] - 1 / 16) < 1e-4
    assert moved["rendezvous"] < moved["maglev"] < moved["walk"] < moved["alias"]
    assert results["pick.worst_share_error"]["value"] < 1e-4
    assert 16 < results["table.bytes_per_name.1m"]["value"] < 1000


@pytest.mark.parametrize("part", ["pick", "ref.miss"])
def test_a_part(tmp_path, part):
    data, _ = bench(tmp_path, "--only", part)
    assert data["results"] and all(r["name"].startswith(part) for r in data["results"])


def test_unknown_part():
    r = subprocess.run([os.path.join(BUILD, "bench", "bench"), "--quick", "--only", "nonsense"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and "nonsense" in r.stderr
