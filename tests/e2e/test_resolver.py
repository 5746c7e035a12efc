"""The resolver over time: edits, silence, refusals, dead and stalling servers."""
import os
import queue
import subprocess
import threading
import time

import pytest

from conftest import BUILD
from lib import faulty_dns as f
from lib.faulty_dns import FaultyDns
from lib.knot import Knot

NAME = "sip:x.t.test|"
TTL = 2
ONE = f"_sip._udp.x {TTL} SRV 1 50 5060 a\na {TTL} A 192.0.2.1\nb {TTL} A 192.0.2.2"
TWO = ONE.replace("5060 a", "5060 b")
AT_ONE = f"{NAME} targets 192.0.2.1:5060/50"
AT_TWO = f"{NAME} targets 192.0.2.2:5060/50"


class Probe:
    def __init__(self, *servers):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "e2e", "resolver_probe"), ",".join(servers)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=lambda: [self.lines.put(s.rstrip("\n")) for s in self.process.stdout])
        self.reader.start()

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def next(self, seconds):
        """The next line, or None."""
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.reader.join()
        assert kind or code == 0, "a handle was left open"


@pytest.fixture
def knot(tmp_path):
    with Knot(tmp_path, {"t.test": ONE}, negative_ttl=2) as k:
        yield k


def test_edit_is_followed(knot):
    with Probe(knot.server) as p:
        p.say("follow " + NAME)
        assert p.next(5) == AT_ONE
        assert p.next(2 * TTL + 1) is None  # the same answer again is no news
        knot.edit("t.test", TWO)
        begin = time.monotonic()
        assert p.next(10) == AT_TWO
        assert time.monotonic() - begin < TTL + 1
        knot.edit("t.test", TWO.replace("1 50 5060", "1 0 5060"))
        assert p.next(TTL + 2) == AT_TWO.replace("/50", "/0")


@pytest.mark.parametrize("how", ["silent", "refusing"])
def test_old_answer_is_kept(knot, how):
    with Probe(knot.server) as p:
        p.say("follow " + NAME)
        assert p.next(5) == AT_ONE
        knot.freeze() if how == "silent" else knot.refuse()
        assert p.next(3 * TTL) is None
        p.say("stats")
        assert int(p.next(5).split("failed=")[1]) > 0
        if how == "silent":
            knot.thaw()
        else:
            knot.serve()
        knot.edit("t.test", TWO)
        begin = time.monotonic()
        assert p.next(15) == AT_TWO
        assert time.monotonic() - begin < TTL + 3  # a try that met silence ends first


def test_name_that_goes_is_an_answer(knot):
    with Probe(knot.server) as p:
        p.say("follow " + NAME)
        assert p.next(5) == AT_ONE
        knot.edit("t.test", "other A 192.0.2.9")
        line = p.next(TTL + 2)  # whichever of its records was asked again first
        assert line in (NAME + " not-found", NAME + " no-address")


def test_dead_server_is_remembered(knot):
    with FaultyDns(f.silent) as dead, Probe(dead.server, knot.server) as p:
        p.say("follow " + NAME)
        assert p.next(10) == AT_ONE
        met = len(dead.asked)
        begin = time.monotonic()
        for i in range(10):
            p.say(f"follow sip:n{i}.t.test|")
            assert p.next(10) is not None
        assert time.monotonic() - begin < 5  # 30 questions of 500 ms, were each to meet it
        assert met < len(dead.asked) + 1 <= met + 10


def test_stalling_zone_delays_its_own(knot):
    def stalls(q):
        return [] if b"dead" in q.lower() else f.good(q)

    with FaultyDns(stalls) as s, Probe(s.server) as p:
        for i in range(600):  # more than questions may be under way
            p.say(f"follow sip:n{i}.dead.example|")
        p.say("follow sip:x.test|")
        begin = time.monotonic()
        while (line := p.next(20)) is not None and not line.startswith("sip:x.test|"):
            pass
        assert line == "sip:x.test| targets 192.0.2.80:5060/50"
        assert time.monotonic() - begin < 3


def test_not_a_name(knot):
    with Probe(knot.server) as p:
        p.say("follow x.t.test")
        assert p.next(5) == "x.t.test refused"
        p.say("follow " + NAME)
        assert p.next(5) == AT_ONE
