"""Several engines on one host, and several workers in one engine."""
import pytest

from lib.edge import TANDEM, Engine
from lib.place import CONFIG, FOUR
from lib.sipp import uac, uas

pytest_plugins = ["lib.netns", "lib.place"]

ON_PORT_5070 = CONFIG.replace(":5060\n", ":5070\n")

# Between two hosts behind an interface of its own, without DNS.
LAN = """
interfaces:
  lan:
    device: lan
listen:
  - address: udp:198.51.100.1:5060
trunks:
  left:
    uri: sip:198.51.100.10
    sources:
      - 198.51.100.10
  right:
    uri: sip:198.51.100.11
    sources:
      - 198.51.100.11
routes:
  - from: left
    to: right
  - from: right
    to: left
"""


def passed(caller, calls):
    caller.finish()
    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (calls, 0, 0)


def refused(ns, folder, name, config):
    """What an engine says that cannot start."""
    path = folder / f"{name}.yaml"
    path.write_text(config)
    process = ns.start(TANDEM, "run", path)
    assert process.wait(10) == 1
    return process.text()


def test_two_instances_on_one_interface(place, lab, tmp_path):
    site, _, first = place(FOUR, 4)
    second = Engine(site.edge, tmp_path, ON_PORT_5070, name="second")
    second.wait_up(4, trunk="carrier")
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(3)]

    one = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 200, 50, name="one", seed="one")
    two = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5070", 200, 50, name="two", seed="two", port=5062)
    passed(one, 200)
    passed(two, 200)
    for s in servers:
        s.stop()

    assert sum(s.calls() for s in servers) == 400
    assert [(s.failed(), s.retransmissions()) for s in servers] == [(0, 0)] * 3
    for edge in first, second:
        requests = sum(w["requests"] for w in edge.workers())
        assert requests == 3 * 200  # its own and no other's
        assert edge.drops() == {}

    text = refused(site.edge, tmp_path, "third", f"control-socket: {tmp_path}/third.sock\nkey-file: {tmp_path}/k\n" + CONFIG)
    assert "udp 192.0.2.1:5060: address already in use by another process; stop it or choose another port" in text
    text = refused(site.edge, tmp_path, "fourth", f"control-socket: {first.socket}\nkey-file: {tmp_path}/k\n"
                   + CONFIG.replace(":5060\n", ":5080\n"))
    assert f"control-socket: {first.socket}: another instance answers there" in text
    assert first.stop() == 0
    assert sum(w["requests"] for w in second.workers()) == 600
    assert second.stop() == 0


def test_two_instances_on_interfaces_of_their_own(place, lab, tmp_path):
    site, _, wan = place(FOUR, 4)
    inside = lab.ns("inside")
    lab.veth(site.edge, "lan", inside, "eth0", ["198.51.100.1/24"], ["198.51.100.10/24", "198.51.100.11/24"])
    lan = Engine(site.edge, tmp_path, LAN, name="lan")
    lan.wait_up(2)
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(3)]
    right = uas(inside, tmp_path, "198.51.100.11")

    one = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 200, 50, name="one", seed="one")
    two = uac(inside, tmp_path, "198.51.100.10", "198.51.100.1:5060", 200, 50, name="two", seed="two")
    passed(one, 200)
    passed(two, 200)
    right.stop()
    for s in servers:
        s.stop()

    assert sum(s.calls() for s in servers) == right.calls() == 200
    for edge in wan, lan:
        assert sum(w["requests"] for w in edge.workers()) == 3 * 200
        assert edge.drops() == {}
        assert edge.stop() == 0


@pytest.mark.parametrize("callers", [1, 2])
def test_two_workers_share_the_calls(place, tmp_path, callers):
    config = "workers: 2\n" + CONFIG.replace("device: wan", "device: wan\n    rings: 2")
    site, _, edge = place(FOUR, 4, config)
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(3)]

    running = [uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 300, 75, name=f"uac{i}", seed=f"w{i}",
                   port=5060 + 2 * i) for i in range(callers)]
    for caller in running:
        passed(caller, 300)
    for s in servers:
        s.stop()

    assert sum(s.calls() for s in servers) == 300 * callers
    assert [(s.failed(), s.retransmissions()) for s in servers] == [(0, 0)] * 3
    assert edge.drops() == {}
    workers = edge.workers()
    assert len(workers) == 2
    for w in workers:
        # A trunk's 5-tuple is on one queue; its calls are not on one worker.
        assert w["new_calls"] > 100 * callers, workers
        assert w["foreign"] == 0
    given, taken = sum(w["given"] for w in workers), sum(w["taken"] for w in workers)
    assert given == taken > 0, workers
    assert sum(w["requests"] for w in workers) == 3 * 300 * callers
    assert edge.stop() == 0
