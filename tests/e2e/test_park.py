"""Calls to a name that is not known yet, with a DNS server that takes its time or says nothing."""
import re
import time

import pytest

from lib import scenario as side
from lib.edge import Engine, Site
from lib.knot import Knot
from lib.netns import Lab, wait_until
from lib.scenario import pause, recv_response, scenario
from lib.sipp import uac, uas
from lib.sockets import udp_socket

# Numeric trunks, so that the only names are those of Request-URIs. One question takes 5 s at least
# to be given up: what ends earlier is ended by park-for.
CONFIG = """interfaces:
  wan:
    device: wan
listen:
  - address: udp:192.0.2.1:5060
workers: 1
dns:
  servers: 192.0.2.53
  timeout: 5s
  tries: 2
limits:
  transactions: 64k
  park-for: {park_for}
trunks:
  pbx:
    uri: sip:192.0.2.10
    sources: 192.0.2.10
routes:
  - from: pbx
    to: request-uri
"""
ZONE = """_sip._udp 60 SRV 10 100 5060 a
_sip._udp.n1 60 SRV 10 100 5060 a
_sip._udp.n2 60 SRV 10 100 5060 a
a 60 A 192.0.2.21
"""
EDGE, CALLER, TARGET = "192.0.2.1", "192.0.2.10", "192.0.2.21"
PORT = 5070


def request(method, host, call, cseq=None, to_tag=""):
    return "\r\n".join([f"{method} sip:bob@{host} SIP/2.0",
                        f"Via: SIP/2.0/UDP {CALLER}:{PORT};branch=z9hG4bK{call}", "Max-Forwards: 70",
                        f"From: <sip:alice@{CALLER}>;tag=f{call}", f"To: <sip:bob@{host}>{to_tag}",
                        f"Call-ID: {call}", f"CSeq: {cseq or '1 ' + method}",
                        f"Contact: <sip:alice@{CALLER}:{PORT}>", "Content-Length: 0", "", ""]).encode()


def header(message, name):
    return re.search(rf"(?mi)^{name}:[ \t]*(.*?)\r$", message.decode()).group(1)


class World:
    def __init__(self, lab, folder, park_for):
        self.folder = folder
        self.site = Site(lab, targets=1)
        self.knot = Knot(folder / "knot", {"far.test": ZONE}, address="192.0.2.53", port=53,
                         prefix=self.site.dns.argv()).start()
        self.engine = Engine(self.site.edge, folder, CONFIG.format(park_for=park_for))
        self.near = udp_socket(self.site.caller, CALLER, PORT, timeout=10)

    def send(self, *args, **more):
        self.near.sendto(request(*args, **more), (EDGE, 5060))

    def answer(self):
        """(status, method of CSeq, message) of what comes."""
        got = self.near.recv(65535)
        return int(got.split()[1]), header(got, "CSeq").split()[1], got

    @staticmethod
    def questions(capture):
        """Wait until the name has been asked for."""
        capture.expect(r"(?i)far\.test", 5)


@pytest.fixture
def place(tmp_path):
    with Lab() as lab:
        worlds = []

        def start(park_for="3s"):
            worlds.append(World(lab, tmp_path, park_for))
            return worlds[0]
        yield start
        for w in worlds:
            w.knot.stop()


def test_first_calls_wait_and_pass(place, tmp_path):
    """DNS takes its time: the calls that come meanwhile go on as soon as it answers, none is lost."""
    w = place("10s")
    w.near.close()
    server = uas(w.site.pop, tmp_path, TARGET)
    w.knot.freeze()
    asked = w.site.dns.capture("eth0", "udp port 53")
    path = tmp_path / "uac.scenario"
    path.write_text(scenario(
        "caller", side.CALLER.invite(uri="sip:bob@far.test"), recv_response(180, optional=True),
        recv_response(200, rrs=True), side.CALLER.request("ACK", 1, dialog=True), pause(200),
        side.CALLER.request("BYE", 2, dialog=True), recv_response(200)))
    client = uac(w.site.caller, tmp_path, CALLER, f"{EDGE}:5060", 20, 50, str(path))
    w.questions(asked)
    wait_until(lambda: client.calls() == 20, 10, "all calls to be placed")
    assert server.calls() == 0
    w.knot.thaw()
    client.finish(60)
    server.stop()
    assert (server.calls(), server.failed()) == (20, 0), server.error_text()
    assert w.engine.drops() == {}
    assert w.engine.stop() == 0


def test_cancel_while_it_waits(place):
    """200 to the CANCEL and 487 to the INVITE, nothing to the target; the ACK ends here."""
    w = place("8s")
    target = udp_socket(w.site.pop, TARGET, 5060)
    w.knot.freeze()
    asked = w.site.dns.capture("eth0", "udp port 53")
    w.send("INVITE", "far.test", "one")
    w.questions(asked)
    w.send("INVITE", "far.test", "one")  # a retransmission, absorbed
    w.send("INVITE", "far.test", "two")
    w.send("CANCEL", "far.test", "one")
    answers = [w.answer(), w.answer()]
    assert sorted(a[:2] for a in answers) == [(200, "CANCEL"), (487, "INVITE")]
    refused = next(a[2] for a in answers if a[0] == 487)
    tag = re.search(r";tag=[^;]+", header(refused, "To")).group(0)
    w.send("ACK", "far.test", "one", to_tag=tag)
    w.send("CANCEL", "far.test", "one")  # again: answered again
    assert w.answer()[:2] == (200, "CANCEL")
    w.send("INVITE", "far.test", "one")  # and the INVITE
    assert w.answer()[:2] == (487, "INVITE")
    w.send("CANCEL", "far.test", "three")  # of nothing that waits
    assert w.answer()[:2] == (481, "CANCEL")
    w.knot.thaw()
    got = target.recv(65535)
    assert got.startswith(b"INVITE ") and header(got, "Call-ID") == "two"
    w.send("CANCEL", "far.test", "two")  # the way of its INVITE, behind whatever else was sent
    got = target.recv(65535)
    assert got.startswith(b"CANCEL ") and header(got, "Call-ID") == "two"
    assert w.engine.drops() == {}
    assert w.engine.stop() == 0


def test_dead_dns_is_told_at_park_for(place):
    """500 when the wait is over, to each that waited, in order."""
    w = place("1500ms")
    w.knot.freeze()
    begin = time.monotonic()
    calls = [f"dead{n}" for n in range(20)]
    for call in calls:
        w.send("INVITE", "far.test", call)
    w.send("MESSAGE", "n1.far.test", "sms")
    w.send("ACK", "n2.far.test", "stray")
    answers = [w.answer() for _ in range(21)]
    took = time.monotonic() - begin
    assert [a[:2] for a in answers] == [(500, "INVITE")] * 20 + [(500, "MESSAGE")]
    assert [header(a[2], "Call-ID") for a in answers] == calls + ["sms"]
    assert 1.4 < took < 4
    w.send("INVITE", "far.test", calls[0])  # a late retransmission is told the same
    status, _, again = w.answer()
    assert status == 500 and header(again, "To") == header(answers[0][2], "To")
    w.send("ACK", "far.test", calls[0], to_tag=re.search(r";tag=[^;]+", header(again, "To")).group(0))
    wait_until(lambda: w.engine.drops() == {"ack-parked": 1}, 5, lambda: f"one ACK: {w.engine.drops()}")
    # DNS comes back: calls pass.
    w.knot.thaw()
    target = udp_socket(w.site.pop, TARGET, 5060, timeout=0.3)

    def passes(numbers=iter(range(100))):
        w.send("INVITE", "far.test", f"back{next(numbers)}")
        try:
            return target.recv(65535).startswith(b"INVITE ")
        except TimeoutError:
            return False
    wait_until(passes, 20, "a call to pass")
    assert w.engine.stop() == 0
