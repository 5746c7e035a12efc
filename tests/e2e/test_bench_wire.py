"""The forwarding benchmark over a veth wire in its quick form: names and sanity, never a time."""
import json
import os
import shutil
import subprocess
import sys

from conftest import BUILD, ROOT


def test_quick(tmp_path):
    out = tmp_path / "e2e.json"
    told = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "bench", "e2e.py"), "--build", BUILD, "--json", out,
                           "--quick"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    results = {r["name"]: r for r in json.loads(out.read_text())["results"]}
    kinds = {"tandem", "kamailio"} | ({"testpmd"} if "CI" in os.environ or shutil.which("dpdk-testpmd") else set())
    assert set(results) == {f"e2e.{k}{s}" for k in kinds for s in ("", ".cpu", ".busy")}
    for name, r in results.items():
        assert r["unit"] == {"cpu": "ns", "busy": "share"}.get(name.split(".")[-1], "requests/s"), name
        assert r["runs"] == len(r["values"]) == 2
        assert "kernel-bound" in r["note"], "nobody shall take it for the engine's own speed"
        assert r["unit"] != "requests/s" or 500 < r["value"] < 5e6, name
    # CPU time is of one process on one processor: it cannot be more than there was.
    for kind in kinds:
        assert 0 < results[f"e2e.{kind}.cpu"]["value"] < 4e9 / results[f"e2e.{kind}"]["value"]
    assert not os.path.exists("/etc/netns") or not [n for n in os.listdir("/etc/netns") if n.endswith("-dut")]
