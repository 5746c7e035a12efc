"""The data plane on af_packet: real frames of a real kernel, over a veth pair."""
import ctypes
import glob
import os
import random
import select
import socket
import struct
import subprocess
import time

import pytest

from conftest import BUILD

PROBE = os.path.join(BUILD, "tests", "e2e", "port_probe")
ENGINE = {4: ("192.0.2.10", 5060), 6: ("2001:db8::10", 5060)}
SO_RCVBUFFORCE, CLONE_NEWNET = 33, 0x40000000  # which Python 3.11 does not name
PEER = {4: "192.0.2.1", 6: "2001:db8::1"}


def ip(*args):
    subprocess.run(["ip", *args], check=True, timeout=20)


class Wire:
    """Two namespaces and a veth pair; the peer's sockets live in this thread."""

    def __init__(self):
        self.engine, self.peer = f"tp{os.getpid()}e", f"tp{os.getpid()}p"
        self.sockets = []
        try:
            for ns in (self.engine, self.peer):
                ip("netns", "add", ns)
            ip("-n", self.engine, "link", "add", "e0", "type", "veth", "peer", "name", "p0", "netns", self.peer)
            for ns, dev, host in ((self.engine, "e0", "10"), (self.peer, "p0", "1")):
                ip("-n", ns, "addr", "add", f"192.0.2.{host}/24", "dev", dev)
                ip("-n", ns, "addr", "add", f"2001:db8::{host}/64", "dev", dev, "nodad")
                ip("-n", ns, "link", "set", dev, "up")
            self.mac = {dev: self.run(ns, "cat", f"/sys/class/net/{dev}/address").strip()
                        for ns, dev in ((self.engine, "e0"), (self.peer, "p0"))}
        except BaseException:
            self.close()
            raise

    def run(self, ns, *args):
        return subprocess.run(["ip", "netns", "exec", ns, *args], check=True, capture_output=True, text=True,
                              timeout=20).stdout

    def socket(self, *args):
        """A socket of the peer's namespace."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.peer}", os.O_RDONLY)
        try:
            _setns(there)
            s = socket.socket(*args)
        finally:
            _setns(own)
            os.close(own)
            os.close(there)
        self.sockets.append(s)
        return s

    def udp(self, family, port):
        s = self.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        s.bind((PEER[family], port))
        s.settimeout(20)
        return s

    def close_sockets(self):
        while self.sockets:
            self.sockets.pop().close()

    def close(self):
        self.close_sockets()
        for ns in (self.engine, self.peer):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, timeout=20)


def _setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Probe:
    def __init__(self, wire, workers=1, rings=0):
        self.p = subprocess.Popen(["ip", "netns", "exec", wire.engine, PROBE, "e0", str(workers), str(rings),
                                   wire.mac["p0"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert select.select([self.p.stdout], [], [], 20)[0], "the probe says nothing"
        self.ready = self.p.stdout.readline()

    def counters(self):
        self.p.stdin.write("?\n")
        self.p.stdin.flush()
        return {k: int(v) for k, v in (w.split("=") for w in self.p.stdout.readline().split())}

    def wait(self, name, value):
        end = time.monotonic() + 20
        while (c := self.counters()).get(name, 0) < value and time.monotonic() < end:
            time.sleep(0.02)
        assert c.get(name, 0) >= value, c
        return c

    def cpu_s(self):
        with open(f"/proc/{self.p.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.p.stdin.close()
        return self.p.wait(20)

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait(20)


@pytest.fixture(scope="module")
def wire():
    w = Wire()
    yield w
    w.close()


@pytest.fixture
def start(wire):
    made = []

    def run(*args, **more):
        made.append(Probe(wire, *args, **more))
        return made[-1]

    yield run
    for p in made:
        p.kill()
    wire.close_sockets()


def invite(call, family, user="four", body=b""):
    host = PEER[family] if family == 4 else f"[{PEER[family]}]"
    return (f"INVITE sip:{user}@tandem.test SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5070;branch=z9hG4bK{call}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: {call}@test\r\n"
            f"CSeq: 1 INVITE\r\nContact: <sip:a@{host}:5070>\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def call_id(message):
    return message.split(b"Call-ID: ")[1].split(b"\r\n")[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("family", [4, 6])
def test_every_call_arrives_once(wire, start, workers, family):
    probe = start(workers)
    user = "six" if family == 6 else "four"
    caller, target = wire.udp(family, 5070), wire.udp(family, 5080)
    seen = set()
    for wave in range(20):  # one five-tuple, hence one queue: the second worker gets its calls by hand-over
        for i in range(50):
            caller.sendto(invite(f"c{wave}-{i}", family, user), ENGINE[family])
        for _ in range(50):
            message, (host, port, *_) = target.recvfrom(65536)
            assert (host, port) == ENGINE[family]
            seen.add(call_id(message))
    assert len(seen) == 1000
    c = probe.wait("forward", 1000)
    assert (c["forward"], c["drop"], c["foreign"]) == (1000, 0, 0)
    assert c["given"] == c["taken"]
    assert c["given"] > 250 if workers == 2 else c["given"] == 0
    assert probe.end() == 0


@pytest.mark.parametrize("family_in", [4, 6])
@pytest.mark.parametrize("family_out", [4, 6])
@pytest.mark.parametrize("size", [1400, 2500, 15000])
def test_large_messages_both_ways(wire, start, family_in, family_out, size):
    probe = start(2)
    caller, target = wire.udp(family_in, 5070), wire.udp(family_out, 5080)
    for call in range(20):
        body = random.Random(call).randbytes(size)
        caller.sendto(invite(f"f{call}", family_in, "six" if family_out == 6 else "four", body), ENGINE[family_in])
        message = target.recv(65536)
        assert message.endswith(b"\r\n\r\n" + body)
    c = probe.wait("forward", 20)  # counted when sent: a moment after it may be here
    assert (c["forward"], c["drop"], c["fragments_out"] > 20) == (20, 0, True)
    assert c["reassembled"] == (20 if family_in == 6 else 0)  # af_packet does it for IPv4
    assert probe.end() == 0


def test_hostile_datagrams(wire, start):
    probe = start()
    for family, reason in ((4, "drop:truncated"), (6, "drop:too-large")):
        s = wire.udp(family, 5070)
        s.sendto(invite("x", family).ljust(65507, b"x"), ENGINE[family])
        probe.wait(reason, 1)
        s.close()
    raw = wire.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("p0", 0))
    payload = invite("raw", 4)

    def frame(tag=b"", broken=False):
        udp = struct.pack("!HHHH", 5070, 5060, 8 + len(payload), 0) + payload
        pseudo = socket.inet_aton(PEER[4]) + socket.inet_aton(ENGINE[4][0]) + struct.pack("!HH", 17, len(udp))
        check = checksum(pseudo + udp) or 0xffff
        udp = udp[:6] + struct.pack("!H", check ^ broken) + udp[8:]
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(PEER[4]),
                           socket.inet_aton(ENGINE[4][0]))
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        macs = b"".join(bytes.fromhex(wire.mac[d].replace(":", "")) for d in ("e0", "p0"))
        return macs + tag + b"\x08\x00" + head + udp

    target = wire.udp(4, 5080)
    raw.send(frame())
    assert b"raw@test" in target.recv(65536)
    raw.send(frame(tag=b"\x81\x00\xe0\x00"))  # priority 7, no VLAN: a retransmission goes where it went
    assert b"raw@test" in target.recv(65536)
    raw.send(frame(broken=True))
    probe.wait("drop:bad-checksum", 1)
    before = probe.wait("forward", 2)["forward"]
    raw.send(frame()[:60])
    probe.wait("drop:truncated", 2)
    assert probe.counters()["forward"] == before
    assert probe.end() == 0


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def test_idle_costs_nothing_also_while_the_link_is_down(wire, start):
    probe = start(2)
    caller, target = wire.udp(4, 5070), wire.udp(4, 5080)

    def idle():
        before, then = probe.cpu_s(), time.monotonic()
        time.sleep(3)  # what is measured is time that passes
        return (probe.cpu_s() - before) / (time.monotonic() - then)

    time.sleep(0.5)
    assert idle() < 0.02
    ip("-n", wire.engine, "link", "set", "e0", "down")
    try:
        assert idle() < 0.02
    finally:
        ip("-n", wire.engine, "link", "set", "e0", "up")
        ip("-n", wire.engine, "addr", "replace", "2001:db8::10/64", "dev", "e0", "nodad")
    deadline = time.monotonic() + 20
    target.settimeout(0.2)
    while time.monotonic() < deadline:
        caller.sendto(invite("after", 4), ENGINE[4])
        try:
            assert b"after@test" in target.recv(65536)
            break
        except TimeoutError:
            continue
    else:
        pytest.fail("nothing flows after the link came back")
    assert probe.end() == 0


def test_what_keeps_it_from_starting(wire):
    def fails(device, workers, rings, *prefix):
        r = subprocess.run(["ip", "netns", "exec", wire.engine, *prefix, PROBE, device, workers, rings,
                            wire.mac["p0"]], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        assert r.returncode == 1 and r.stdout == ""
        return r.stderr

    assert "interfaces.wan.rings: 1, but 2 workers" in fails("e0", "2", "1")
    assert "interfaces.wan.device: nope: no such interface" in fails("nope", "1", "0")
    # Without rights, and with half of them.
    drop = ("setpriv", "--bounding-set", "-net_raw,-net_admin", "--inh-caps", "-net_raw,-net_admin")
    assert "CAP_NET_RAW and CAP_NET_ADMIN" in fails("e0", "1", "0", *drop)
    drop = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    assert "CAP_NET_RAW and CAP_NET_ADMIN" in fails("e0", "1", "0", *drop)


def test_two_side_by_side_leave_nothing(wire, start, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    runtime = sorted(glob.glob("/var/run/dpdk/*"))
    began = time.monotonic()
    one = start()
    assert time.monotonic() - began < 2
    two = start()
    assert one.ready == two.ready == "ready up=1\n"
    assert os.listdir(tmp_path) == []
    assert one.end() == 0
    two.kill()  # not even then
    assert sorted(glob.glob("/var/run/dpdk/*")) == runtime
    assert os.listdir(tmp_path) == []
