"""Calls while their zone changes, is not served, or names targets that are not there."""
import collections
import time

import pytest

from lib import wire
from lib.netns import wait_until
from lib.place import CONFIG
from lib.sipp import uac, uas

pytest_plugins = ["lib.netns", "lib.place"]

TTL = 2

BEFORE = f"""
_sip._udp {TTL} SRV 10 50 5060 pop1
_sip._udp {TTL} SRV 10 50 5060 pop2
pop1 {TTL} A 192.0.2.21
pop2 {TTL} A 192.0.2.22
pop3 {TTL} A 192.0.2.23
"""
# The first record drained, the second one's target replaced.
AFTER = BEFORE.replace("SRV 10 50 5060 pop1", "SRV 10 0 5060 pop1").replace("SRV 10 50 5060 pop2", "SRV 10 50 5060 pop3")


def hold_still(until):
    """The lab goes on by itself until this moment of the monotonic clock."""
    time.sleep(max(0, until - time.monotonic()))


def test_calls_go_on_while_dns_is_silent_and_refuses(place, tmp_path):
    site, knot, edge = place(BEFORE, 2)
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(2)]
    asked = site.dns.capture("eth0", "udp dst port 53")
    caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 400, 25)  # 16 s

    begin = time.monotonic()
    knot.freeze()
    hold_still(begin + 3 * TTL + 0.5)
    silent = asked.text().lower().count("carrier.test")
    knot.thaw()
    knot.refuse()
    hold_still(begin + 6 * TTL + 1)
    refused = asked.text().lower().count("carrier.test") - silent
    assert caller.process.running()  # calls were placed all the time
    knot.serve()
    caller.finish()
    for s in servers:
        s.stop()

    assert silent >= 3 and refused >= 3  # the name was asked for again, in vain
    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (400, 0, 0)
    assert [s.failed() for s in servers] == [0, 0]
    assert min(s.calls() for s in servers) > 100
    assert edge.drops() == {}
    knot.edit("carrier.test", AFTER)  # and when it is served again, it is followed again
    edge.wait_up(1, 2 * TTL + 5, address="192.0.2.23")


@pytest.mark.parametrize("ender", ["caller", "callee"])
def test_calls_follow_the_zone_and_end_where_they_began(place, tmp_path, ender):
    config = CONFIG.replace("      - resolved", "      - resolved\n    source-linger: 0s")
    site, knot, edge = place(BEFORE, 2, config)
    waits = ender == "callee"
    hold = {"HOLD": 4000}
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}", "uas_bye.xml" if waits else "uas.xml", fields=hold)
               for i in range(3)]
    capture = site.pop.capture("eth0", "udp port 5060", pcap=str(tmp_path / "pop.pcap"))
    caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 200, 25,
                 "uac_wait.xml" if waits else "uac.xml", fields=hold)

    wait_until(lambda: caller.process.running() and len(wire.requests(tmp_path / "pop.pcap")) > 50, 20, "calls")
    knot.edit("carrier.test", AFTER)
    edited = time.time()
    caller.finish()
    capture.stop()
    for s in servers:
        s.stop()

    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (200, 0, 0)
    assert [(s.failed(), s.retransmissions()) for s in servers] == [(0, 0)] * 3
    assert edge.drops() == {}
    seen = wire.messages(tmp_path / "pop.pcap")
    invites = {m.call_id: m for m in seen if m.start.startswith("INVITE")}
    ends = {m.call_id: m for m in seen if m.start.startswith("BYE")}
    assert len(invites) == len(ends) == 200
    for call, bye in ends.items():
        assert (bye.source if waits else bye.target) == invites[call].target
    before = collections.Counter(m.target[0] for m in invites.values() if m.time < edited)
    late = collections.Counter(m.target[0] for m in invites.values() if m.time > edited + TTL + 1)
    print(before, late, max(m.time - edited for m in invites.values() if m.target[0] != "192.0.2.23"))
    assert min(before["192.0.2.21"], before["192.0.2.22"]) > 5
    assert set(late) == {"192.0.2.23"} and late["192.0.2.23"] > 20
    running = [c for c, m in invites.items() if m.time < edited < ends[c].time]
    assert len(running) > 20


NOBODY = "nobody 60 A 192.0.2.99\npop2 60 A 192.0.2.22\n"


@pytest.mark.parametrize("records", ["_sip._udp 60 SRV 10 100 5060 nobody\n_sip._udp 60 SRV 20 100 5060 pop2\n",
                                     "_sip._udp 60 SRV 10 90 5060 nobody\n_sip._udp 60 SRV 10 10 5060 pop2\n"],
                         ids=["next-tier", "same-tier"])
def test_a_target_without_a_neighbour_is_passed_over(place, tmp_path, records):
    site, _, edge = place(records + NOBODY, 1)
    server = uas(site.pop, tmp_path, "192.0.2.22")

    caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 100, 50).finish()
    server.stop()

    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (100, 0, 0)
    assert (server.calls(), server.failed(), server.retransmissions()) == (100, 0, 0)
    assert edge.drops() == {}
    nobody, = edge.targets(address="192.0.2.99")
    assert (nobody["state"], nobody["requests"]) == ("down", 0)
