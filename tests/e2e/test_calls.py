"""Real calls: SIPp at both ends, next hops out of Knot DNS, the engine on af_packet between them."""
import collections
import math
import re

import pytest

from lib import wire
from lib.place import FOUR
from lib.sipp import uac, uas

pytest_plugins = ["lib.netns", "lib.place"]

WEIGHTS = {"192.0.2.21": 50, "192.0.2.22": 30, "192.0.2.23": 20}


def chi_square_2(counts, weights):
    """p of counts that ought to be in the proportion of three weights (two degrees of freedom)."""
    n, total = sum(counts.values()), sum(weights.values())
    x = sum((counts[k] - n * w / total) ** 2 / (n * w / total) for k, w in weights.items())
    return math.exp(-x / 2)


def test_2000_calls_over_weights_and_tiers(place, tmp_path):
    site, _, edge = place(FOUR, 4)
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(4)]
    capture = site.pop.capture("eth0", "udp port 5060", pcap=str(tmp_path / "pop.pcap"))

    caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 2000, 200).finish()
    capture.stop()
    for s in servers:
        s.stop()

    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (2000, 0, 0)
    assert [(s.failed(), s.retransmissions()) for s in servers] == [(0, 0)] * 4
    assert edge.drops() == {}
    seen = wire.requests(tmp_path / "pop.pcap")
    calls = wire.targets_of_calls(seen)
    assert len(calls) == 2000
    assert [c for c, where in calls.items() if len(where) != 1] == []
    methods = collections.Counter(m.cseq.split()[1] for m in seen)
    assert methods == {"INVITE": 2000, "ACK": 2000, "BYE": 2000}
    got = collections.Counter(next(iter(where)) for where in calls.values())
    assert "192.0.2.24" not in got
    p = chi_square_2(got, WEIGHTS)
    print(f"{dict(got)}: p = {p:.4f}")
    assert p > 0.001
    assert {t["address"]: t["requests"] for t in edge.targets(trunk="carrier")} == {
        a: 3 * got[a] for a in [*WEIGHTS, "192.0.2.24"]}
    assert edge.stop() == 0


SIX = "_sip._udp 60 SRV 10 50 5060 six\nsix 60 AAAA 2001:db8::15\n"


@pytest.mark.parametrize("ender", ["caller", "callee"])
@pytest.mark.parametrize("address,to", [("2001:db8::a", "[2001:db8::1]:5060"), ("192.0.2.10", "192.0.2.1:5060")],
                         ids=["six-to-six", "four-to-six"])
def test_ipv6(place, tmp_path, address, to, ender):
    site, _, edge = place(SIX, 1)
    waits = ender == "callee"
    server = uas(site.pop, tmp_path, "2001:db8::15", "uas_bye.xml" if waits else "uas.xml", fields={"HOLD": 100})
    capture = site.pop.capture("eth0", "udp port 5060", pcap=str(tmp_path / "pop.pcap"))

    caller = uac(site.caller, tmp_path, address, to, 50, 50, "uac_wait.xml" if waits else "uac.xml").finish()
    server.stop()
    capture.stop()

    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (50, 0, 0)
    assert (server.calls(), server.failed(), server.retransmissions()) == (50, 0, 0)
    assert edge.drops() == {}
    invites = [m for m in wire.messages(tmp_path / "pop.pcap") if m.start.startswith("INVITE")]
    record_routes = [re.findall(r"^Record-Route: <sip:[^@]*@(.*?);", m.text, re.M | re.I) for m in invites]
    mine = ["[2001:db8::1]:5060", "192.0.2.1:5060"]  # the side towards the target first (RFC 5658)
    assert len(invites) == 50
    assert all(r == (mine if "." in address else mine[:1]) for r in record_routes), record_routes[0]
