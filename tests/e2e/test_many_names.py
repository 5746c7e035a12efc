"""Twenty thousand names: nothing that control does with them holds its loop for long."""
import json
import subprocess
import time

from lib.edge import TANDEM, Engine, Site
from lib.knot import Knot
from lib.netns import wait_until

pytest_plugins = ["lib.netns"]

NAMES = 20000
HEAD = """
interfaces:
  wan:
    device: wan
listen:
  - address: udp:192.0.2.1:5060
dns:
  servers:
    - 192.0.2.53
trunks:
"""
ZONE = """
* 600 SRV 10 50 5060 pop1.many.test.
* 600 SRV 10 50 5060 pop2.many.test.
pop1 600 A 192.0.2.21
pop2 10 A 192.0.2.{last}
"""


def control(edge):
    return {c["callback"]: c for c in edge.ctl("show", "workers")["control"]["callbacks"]}


def test_no_turn_is_long(lab, tmp_path):
    """All names share two targets, so one neighbour's news and one zone's edit is everybody's."""
    site = Site(lab)
    trunks = "".join(f"  t{i:05d}:\n    uri: sip:t{i:05d}.many.test\n    sources: resolved\n" for i in range(NAMES))
    with Knot(tmp_path / "dns", {"many.test": ZONE.format(last=22)}, address="192.0.2.53", port=53,
              prefix=["ip", "netns", "exec", site.dns.name]) as knot:
        edge = Engine(site.edge, tmp_path, HEAD + trunks)
        wait_until(lambda: edge.ctl("show", "memory")["memory"]["table"]["names"] == NAMES, 120, "all names", interval=0.5)
        wait_until(lambda: len(edge.targets(state="up")) == 2 * NAMES, 60, "all targets up", interval=0.5)
        site.edge.ip("neigh", "replace", "192.0.2.21", "lladdr", "02:00:00:00:00:77", "nud", "failed", "dev", "wan")
        # A client that reads nothing costs a part of an answer, and holds nobody up.
        lazy = subprocess.Popen(site.edge.argv("/usr/bin/python3", "-c",
                                               "import socket, sys, time; s = socket.socket(socket.AF_UNIX); "
                                               "s.connect(sys.argv[1]); "
                                               "s.send(b'{\"command\":\"show\",\"topic\":\"targets\"}\\n'); time.sleep(60)",
                                               edge.socket))
        begin = time.monotonic()
        listed = json.loads(edge.ns.run(TANDEM, "ctl", "-s", edge.socket, "--json", "show", "targets"))["targets"]
        took = time.monotonic() - begin
        lazy.kill()
        lazy.wait()
        # The wildcard stands for tls, tcp and udp alike.
        assert len(listed) == 6 * NAMES and len({t["trunk"] for t in listed}) == NAMES
        conflicts = edge.ctl("show", "trunks")
        assert len(conflicts["shared_sources"]) == 1000
        assert conflicts["shared_sources_left_out"] == 2 * (NAMES - 1) - 1000
        knot.edit("many.test", ZONE.format(last=23))
        wait_until(lambda: len(edge.targets(address="192.0.2.23", state="up")) == NAMES, 60, "the edit everywhere", interval=1)
        turns = control(edge)
        for name, c in sorted(turns.items(), key=lambda x: -x[1]["longest_ms"]):
            print(f"{name:20} {c['turns']:8} turns, longest {c['longest_ms']:8.3f} ms, {c['longest_cpu_ms']:8.3f} of CPU, "
                  f"{c['longest_steps']:5} steps, {c['over']} over 2 ms")
        print(f"{NAMES} names listed in {took:.2f} s")
        assert {"names", "policy", "resolver", "ctl"} <= set(turns)
        assert all(c["longest_steps"] <= 1024 for c in turns.values()), turns
        assert edge.stop() == 0
