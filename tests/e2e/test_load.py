"""`tandem load`: what it says of a server must be what the server saw."""
import contextlib
import json
import os
import re
import signal
import threading
import time

import pytest

from conftest import TANDEM
from lib import wire
from lib.edge import Engine, with_trunks
from lib.netns import Lab
from lib.sipp import uas
from lib.sockets import udp_socket

EDGE = with_trunks("""trunks:
  carrier:
    uri: sip:192.0.2.21:5060
    sources: 192.0.2.21
  caller:
    uri: sip:192.0.2.10
    sources: 192.0.2.10
routes:
  - from: caller
    to: carrier
""")


class Responder:
    """Answers requests with 200, but for every `silent`-th; remembers all that came."""

    def __init__(self, ns, address, silent=0, port=5060, delay=0.0):
        self.socket = udp_socket(ns, address, port, timeout=0.2)
        self.seen, self.silent, self.delay = [], silent, delay
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.running:
            try:
                data, source = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            text = data.decode()
            self.seen.append(text)
            if self.silent and len(self.seen) % self.silent == 0:
                continue
            time.sleep(self.delay)
            keep = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
            self.socket.sendto("\r\n".join(["SIP/2.0 200 OK", *keep, "Content-Length: 0", "", ""]).encode(), source)

    def close(self):
        self.running = False
        self.thread.join()
        self.socket.close()

    def values(self, header):
        return [re.search(rf"^{header}: (.*?)\r$", text, re.M).group(1) for text in self.seen]


@pytest.fixture
def place():
    """A source at 192.0.2.10 (2001:db8::10), a server at .1, a third host at .21."""
    with Lab() as lab, contextlib.ExitStack() as stack:
        lab.stack = stack
        lab.source, lab.server, lab.third = lab.ns("source"), lab.ns("server"), lab.ns("third")
        lab.star(source=(lab.source, "eth0", ["192.0.2.10/24", "2001:db8::10/64"]),
                 server=(lab.server, "wan", ["192.0.2.1/24", "2001:db8::1/64"]),
                 third=(lab.third, "eth0", ["192.0.2.21/24"]))
        yield lab


def responder(place, *args, **more):
    made = Responder(place.server, *args, **more)
    place.stack.callback(made.close)
    return made


def start(place, *args):
    return place.source.start(TANDEM, "load", *args)


def load(place, *args, code=0):
    """Its JSON."""
    process = start(place, "--json", *args)
    assert process.wait(60) == code, process.text()
    return json.loads(process.text())


def test_requests(place):
    server = responder(place, "192.0.2.1")
    told = load(place, "--rate", 500, "--count", 400, "--seed", 7, "192.0.2.1")
    assert told["sent"] == told["answered"] == told["status"]["200"] == len(server.seen) == 400
    assert told["lost"] == told["strays"] == told["came_back"] == told["unreachable"] == 0
    assert told["target"] == "192.0.2.1:5060"
    assert 0.75 < told["seconds"] < 1.5, "400 requests at 500/s"
    latency = told["latency_ns"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"] < 2e9
    assert len(set(server.values("Call-ID"))) == len(set(server.values("Via"))) == 400
    assert all(text.startswith("OPTIONS sip:+49") for text in server.seen)
    # The same seed says the same once more; another does not.
    first = server.values("Call-ID")
    server.seen.clear()
    load(place, "--rate", 500, "--count", 50, "--seed", 7, "192.0.2.1")
    load(place, "--rate", 500, "--count", 50, "--seed", 8, "192.0.2.1")
    again = server.values("Call-ID")
    assert again[:50] == first[:50] and not set(again[50:]) & set(first)


def test_lost_is_counted(place):
    server = responder(place, "192.0.2.1", silent=10)
    told = load(place, "--rate", 400, "--count", 300, "--timeout", 300, "192.0.2.1", code=1)
    assert len(server.seen) == told["sent"] == 300
    assert (told["answered"], told["lost"]) == (270, 30)


def test_nobody_listens(place):
    told = load(place, "--rate", 100, "--count", 20, "--timeout", 200, "192.0.2.1:5099", code=1)
    assert (told["answered"], told["lost"]) == (0, 20)
    assert told["unreachable"] > 0, "the server's host said so by ICMP"
    assert set(told["latency_ns"].values()) == {None}, "no answer came after 0 ns"


def test_call_ids_and_domain(place):
    server = responder(place, "192.0.2.1")
    load(place, "--rate", 500, "--count", 60, "--call-ids", 5, "--domain", "sip.example.com", "--method", "MESSAGE",
         "192.0.2.1")
    ids = server.values("Call-ID")
    assert len(set(ids)) == 5 and ids[:5] == ids[5:10], "five of them, in turn"
    assert all(re.match(r"MESSAGE sip:\+49\d{10}@sip\.example\.com SIP/2\.0\r\n", text) for text in server.seen)


def test_closed_loop(place):
    """Never more under way than the window, and as many as are answered."""
    responder(place, "192.0.2.1", delay=0.02)
    told = load(place, "--rate", 0, "--window", 4, "--count", 60, "192.0.2.1")
    assert told["answered"] == 60
    assert told["latency_ns"]["p50"] > 3 * 20e6, "a server that does one at a time, and four waiting"
    assert told["seconds"] > 1


def test_latency_counts_from_when_it_was_due(place):
    """A window that holds requests back does not make a slow server look fast."""
    responder(place, "192.0.2.1", delay=0.02)
    told = load(place, "--rate", 200, "--window", 1, "--count", 40, "192.0.2.1")
    assert told["late"] > 20
    assert told["latency_ns"]["p99"] > 200e6, "40 requests of 20 ms, due within 200 ms"


def test_ipv6(place):
    server = responder(place, "2001:db8::1")
    told = load(place, "--rate", 200, "--count", 40, "--from", "[2001:db8::10]:5070", "[2001:db8::1]:5060")
    assert told["answered"] == 40
    assert all("Via: SIP/2.0/UDP [2001:db8::10]:5070;" in text for text in server.seen)


def test_calls_to_sipp(place, tmp_path):
    server = uas(place.server, tmp_path, "192.0.2.1")
    told = load(place, "--calls", 100, "--count", 150, "192.0.2.1")
    server.stop()
    assert told["calls"] == told["completed"] == 150 and told["lost"] == 0
    assert told["sent"] == told["answered"] == 300, "INVITE and BYE"
    assert (server.calls(), server.failed(), server.retransmissions()) == (150, 0, 0)


def test_calls_to_who_names_no_contact(place):
    """A 2xx without Contact breaks RFC 3261, yet a server that keeps no dialog answers so."""
    server = responder(place, "192.0.2.1")
    told = load(place, "--calls", 100, "--count", 20, "192.0.2.1")
    assert told["calls"] == told["completed"] == 20 and told["lost"] == 0
    methods = [text.split(" ")[:2] for text in server.seen]
    invites = [uri for method, uri in methods if method == "INVITE"]
    assert sorted(uri for method, uri in methods if method == "BYE") == sorted(invites)


def test_calls_through_the_engine(place, tmp_path):
    """Record-Route and a token: ACK and BYE follow the route set, or SIPp fails the call."""
    server = uas(place.third, tmp_path, "192.0.2.21")
    engine = Engine(place.server, tmp_path, EDGE)
    engine.wait_up(1, trunk="carrier")
    told = load(place, "--calls", 100, "--count", 150, "192.0.2.1")
    assert told["calls"] == told["completed"] == 150 and told["lost"] == 0
    assert engine.drops() == {}
    engine.stop()
    server.stop()
    assert (server.calls(), server.failed(), server.retransmissions()) == (150, 0, 0)


def test_come_back(place, tmp_path):
    """The engine's target is the source's own host: the request itself is what comes back."""
    config = EDGE.replace("uri: sip:192.0.2.21:5060", "uri: sip:192.0.2.10:5090")
    engine = Engine(place.server, tmp_path, config)
    engine.wait_up(1, trunk="carrier")
    told = load(place, "--rate", 300, "--method", "INVITE", "--count", 200, "192.0.2.1")
    engine.stop()
    assert (told["sent"], told["came_back"], told["answered"], told["lost"]) == (200, 200, 0, 0)


def test_replay(place, tmp_path):
    requests = [f"{method} sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK{i}\r\n"
                f"From: <sip:b@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: replayed-{i}\r\n"
                f"CSeq: {i + 1} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
                for i, method in enumerate(("OPTIONS", "MESSAGE", "ACK", "INFO"))]
    pcap = tmp_path / "some.pcap"
    wire.write(str(pcap), [r.encode() for r in requests] + [b"\r\n\r\n"], ("198.51.100.9", 5060),
               ("198.51.100.1", 5060))
    server = responder(place, "192.0.2.1")
    told = load(place, "--rate", 100, "--count", 7, "--pcap", pcap, "192.0.2.1")
    assert told["answered"] == 7
    assert server.values("Call-ID") == [f"replayed-{i}" for i in (0, 1, 3, 0, 1, 3, 0)], "an ACK has no answer"
    assert all("Via: SIP/2.0/UDP 192.0.2.10:5060;" in text and "198.51.100.9" in text for text in server.seen)
    refused = start(place, "--pcap", __file__, "192.0.2.1")
    assert refused.wait() == 1 and "is no capture file" in refused.text()


def test_a_device_of_dpdk(tmp_path, tandem):
    """No kernel behind it, and no rights needed: what is sent is all in the capture."""
    pcap = tmp_path / "out.pcap"
    told = tandem("load", "--json", "--vdev", f"net_pcap0,tx_pcap={pcap}", "--from", "198.51.100.7:5066", "--mac",
                  "02:00:00:00:00:09", "--rate", 500, "--count", 30, "--timeout", 100, "--method", "INVITE",
                  "192.0.2.1")
    assert told.returncode == 1, told.stderr
    assert json.loads(told.stdout)["lost"] == 30
    sent = wire.messages(str(pcap))
    assert len({m.call_id for m in sent}) == len(sent) == 30
    assert {(m.source, m.target) for m in sent} == {(("198.51.100.7", 5066), ("192.0.2.1", 5060))}
    assert pcap.read_bytes()[40:46] == bytes([2, 0, 0, 0, 0, 9])


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_stops_cleanly(place, sig):
    responder(place, "192.0.2.1")
    process = start(place, "--rate", 100, "--seconds", 0, "192.0.2.1")
    process.expect(r"sent 1?\d\d(\.\d)?/s  answered", 10)
    begun = time.monotonic()
    assert process.stop(sig) == 0
    assert time.monotonic() - begun < 2
    text = process.text()
    assert re.search(r"^answered   \d+  200: \d+$", text, re.M) and re.search(r"^lost       0$", text, re.M)
    if os.path.isdir("/var/run/dpdk"):
        assert not [d for d in os.listdir("/var/run/dpdk") if str(process.pid) in d]


@pytest.mark.parametrize("args, code, text", [
    (["--help"], 0, "tandem load --rate 1000 --seconds 30 192.0.2.1:5060"),
    ([], 2, "one ADDRESS[:PORT] is needed"),
    (["sip.example.com"], 2, "tandem resolve"),
    (["--rate", "many", "192.0.2.1"], 2, "--rate: 'many': 0 to 10000000"),
    (["--window", "0", "192.0.2.1"], 2, "--window: '0'"),
    (["--calls", "5", "--rate", "9", "192.0.2.1"], 2, "--calls: not with --rate"),
    (["--bogus", "192.0.2.1"], 2, "tandem load: --bogus: unknown option"),
    (["-x", "192.0.2.1"], 2, "tandem load: -x: unknown option"),
    (["192.0.2.1", "--seed"], 2, "tandem load: --seed: needs a value"),
    (["--method", "in vite", "192.0.2.1"], 2, "--method: 'in vite'"),
    (["--vdev", "net_null0", "192.0.2.1"], 2, "needs --from and --mac"),
    (["--pcap", "/nowhere", "192.0.2.1"], 1, "--pcap: /nowhere: cannot be read"),
    (["203.0.113.1"], 1, "no route to it"),
    (["192.0.2.10"], 1, "network namespace"),
    (["--device", "eth7", "192.0.2.1"], 1, "eth7"),
    (["192.0.2.99"], 1, "does not answer"),
])
def test_used_wrong(place, args, code, text):
    process = start(place, *args)
    assert process.wait(15) == code
    assert text in process.text()
