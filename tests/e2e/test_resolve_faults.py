"""`tandem resolve` against servers that go wrong: each fault is told by its name, and none fools it."""
import json
import time

import pytest

from lib import faulty_dns as f
from lib.faulty_dns import FaultyDns

# What a server does over UDP, over TCP (None: nobody there), the code that is reported.
FAULTS = {
    "silent": (f.silent, None, "timeout"),
    "servfail": (f.code(2), None, "servfail"),
    "refused": (f.code(5), None, "refused"),
    "notimp": (f.code(4), None, "notimp"),
    "formerr": (f.code(1), None, "formerr"),
    "yxdomain": (f.code(6), None, "rcode"),
    "nxdomain": (f.code(3), None, "not-found"),
    "no-records": (f.code(0), None, "no-address"),
    "formerr-bare": (f.code_without_question(1), None, "timeout"),
    "wrong-id": (f.wrong_id, None, "timeout"),
    "wrong-question": (f.wrong_question, None, "timeout"),
    "wrong-case": (f.wrong_case, None, "mismatch"),
    "empty": (f.empty, None, "timeout"),
    "three-octets": (f.three_octets, None, "timeout"),
    "garbage": (f.garbage, None, "malformed"),
    "pointer-loop": (f.pointer_loop, None, "malformed"),
}


def resolve(tandem, server, uri="sip:x.test;transport=udp"):
    done = tandem("resolve", "--json", "--server", server, uri)
    return done, json.loads(done.stdout)


@pytest.mark.parametrize("name", FAULTS)
def test_fault(tandem, name):
    udp, tcp, code = FAULTS[name]
    with FaultyDns(udp, tcp) as s:
        begin = time.monotonic()
        done, got = resolve(tandem, s.server)
        assert time.monotonic() - begin < 15
    assert done.returncode == 1 and got["targets"] == []
    assert got["error"]["code"] == code, got
    assert got["error"]["text"]


def test_good_server_is_believed(tandem):
    with FaultyDns(f.good) as s:
        done, got = resolve(tandem, s.server)
    assert done.returncode == 0 and [x["address"] for x in got["targets"]] == ["192.0.2.80"]


def test_truncated_then_tcp(tandem):
    with FaultyDns(f.cut, f.good) as s:
        done, got = resolve(tandem, s.server)
        assert s.asked_tcp > 0
    assert done.returncode == 0 and [x["address"] for x in got["targets"]] == ["192.0.2.80"]


def test_letter_case_lost_then_tcp(tandem):
    """A server that folds our letter case is asked over TCP, which nobody can spoof from afar."""
    with FaultyDns(f.wrong_case, f.wrong_case) as s:
        done, got = resolve(tandem, s.server)
        assert s.asked_tcp > 0
    assert done.returncode == 0 and [x["address"] for x in got["targets"]] == ["192.0.2.80"]


def test_spoofed_ids_do_not_fool(tandem):
    with FaultyDns(f.spoofed_then_good) as s:
        done, got = resolve(tandem, s.server)
    assert done.returncode == 0 and [x["address"] for x in got["targets"]] == ["192.0.2.80"]


def test_questions_are_hard_to_guess(tandem):
    """IDs, source ports and letter case differ between questions."""
    questions = []
    with FaultyDns(f.good) as s:
        for _ in range(8):
            resolve(tandem, s.server, "sip:a-name-of-many-letters.x.test;transport=udp")
        questions = list(s.asked)
    assert len(questions) >= 24
    assert len({q[:2] for _, q in questions}) > len(questions) * 3 // 4
    assert len({port for port, _ in questions}) > 8
    names = {q[12:f.question_end(q) - 4] for _, q in questions if b"_sip" in q[12:].lower()}
    assert len(names) >= 7, "letter case is not random"


def test_naptr_that_cannot_be_asked_is_passed_by(tandem):
    """Many servers answer nothing but A and SRV well."""

    def no_naptr(q):
        return f.code(2)(q) if q[f.question_end(q) - 4:f.question_end(q) - 2] == b"\x00\x23" else f.good(q)

    with FaultyDns(no_naptr) as s:
        done, got = resolve(tandem, s.server, "sip:x.test")
    assert done.returncode == 0 and len(got["targets"]) == 3
    assert any("going on with SRV" in w for w in got["warnings"])


def test_one_stalling_target(tandem):
    """The address of one SRV target cannot be had; the other serves."""

    def two_targets(q):
        name = q[12:f.question_end(q) - 4].lower()
        if b"_sip" in name:
            a = f.good(q)[0]
            other = a[f.question_end(q):].replace(b"\x01a\x01x", b"\x01b\x01x")
            return [f.header(q, 0x8180, (1, 2, 0, 0)) + a[12:] + other]
        return [] if name.startswith(b"\x01b") else f.good(q)

    with FaultyDns(two_targets) as s:
        done, got = resolve(tandem, s.server)
    assert done.returncode == 0 and [x["host"] for x in got["targets"]] == ["a.x.test"]
    assert any("b.x.test" in w and "no answer in time" in w for w in got["warnings"])


def test_waiting_is_said(tandem):
    with FaultyDns(f.silent) as s:
        done = tandem("resolve", "--server", s.server, "sip:x.test;transport=udp")
    assert done.returncode == 1
    assert "waiting for DNS" in done.stderr and "no answer in time" in done.stderr
