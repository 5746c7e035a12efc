"""Messages above the MTU: in fragments on both sides of the engine, their bodies bit-identical."""
import hashlib
import itertools
import random
import re

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lib.edge import with_trunks
from lib.netns import wait_until
from lib.place import World as Place
from lib.place import of_module
from lib.sockets import frame_socket, udp_socket

CONFIG = with_trunks("""\
trunks:
  carrier:
    uri: sip:pop.test
    sources: resolved
  carrier6:
    uri: sip:pop6.test
    sources: resolved
  pbx:
    uri: sip:192.0.2.10
    sources:
      - 192.0.2.10
      - 2001:db8::a
routes:
  - from: pbx
    user: "6*"
    to: carrier6
  - from: pbx
    to: carrier
""", ipv6=True)
ZONES = {"pop.test": "_sip._udp 60 SRV 10 100 5060 a\na 60 A 192.0.2.21",
         "pop6.test": "_sip._udp 60 SRV 10 100 5060 a\na 60 AAAA 2001:db8::15"}
PORT = 5070
MTU = 1500


class End:
    """One family's addresses of engine, caller and target, and the sockets of the latter two."""

    def __init__(self, site, version, edge, caller, target):
        self.version, self.edge, self.caller, self.target = version, edge, caller, target
        self.near = udp_socket(site.caller, caller, PORT)
        self.far = udp_socket(site.pop, target, 5060)
        self.user = "6" if version == 6 else "4"

    def text(self, address):
        return f"[{address}]" if self.version == 6 else address


class World(Place):
    def __init__(self, lab, folder):
        super().__init__(lab, folder, CONFIG, ZONES, trunks=("carrier", "carrier6"))
        self.ends = {4: End(self.site, 4, "192.0.2.1", "192.0.2.10", "192.0.2.21"),
                     6: End(self.site, 6, "2001:db8::1", "2001:db8::a", "2001:db8::15")}
        self.macs = {"src": self.site.caller.mac("eth0"), "dst": self.site.edge.mac("wan")}
        self.wire = frame_socket(self.site.caller, "eth0")

    def inject(self, packets):
        for p in packets:
            self.wire.send(bytes(Ether(**self.macs) / p))

    def fragments(self, key):
        return sum(w[key] for w in self.engine.workers())


world = of_module(World)


def body_of(size, seed):
    """Octets of every kind, none of them text."""
    return random.Random(seed).randbytes(size)


def invite(end, call, body, to=None):
    to = to or end
    head = [f"INVITE sip:{to.user}1@{end.text(end.edge)} SIP/2.0",
            f"Via: SIP/2.0/UDP {end.text(end.caller)}:{PORT};branch=z9hG4bK{call}",
            "Max-Forwards: 70",
            f"From: <sip:caller@{end.text(end.caller)}>;tag=f{call}",
            f"To: <sip:{to.user}1@{end.text(end.edge)}>",
            f"Call-ID: {call}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:caller@{end.text(end.caller)}:{PORT}>",
            "Content-Type: application/octet-stream",
            f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def values(message, name):
    head = message.partition(b"\r\n\r\n")[0].decode()
    return re.findall(rf"(?mi)^{name}:[ \t]*(.*?)\r?$", head)


def answer(message, body, status="200 OK"):
    lines = [f"SIP/2.0 {status}"]
    for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
        lines += [f"{name}: {v}" for v in values(message, name)]
    lines += ["Contact: <sip:callee@192.0.2.21>", "Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def same(got, body):
    """The body of a message, octet by octet."""
    there = got.partition(b"\r\n\r\n")[2]
    assert hashlib.sha256(there).digest() == hashlib.sha256(body).digest() and len(there) == len(body), \
        f"{len(there)} octets instead of {len(body)}"


def through(end, to, call, size, seed):
    """An INVITE and its 200, both with a body of this size, from one family's caller to a target."""
    there, back = body_of(size, seed), body_of(size, seed + 1)
    end.near.sendto(invite(end, call, there, to), (end.edge, 5060))
    got = to.far.recv(65535)
    assert values(got, "Call-ID") == [call]
    same(got, there)
    to.far.sendto(answer(got, back), (to.edge, 5060))
    got = end.near.recv(65535)
    assert got.startswith(b"SIP/2.0 200 OK\r\n") and values(got, "Call-ID") == [call]
    same(got, back)


@pytest.mark.parametrize("near,far", [(4, 4), (6, 6), (4, 6), (6, 4)])
def test_invite_and_answer_in_fragments(world, near, far):
    """2.5 KB each way; no frame on the wire is above the MTU, and there are fragments on both sides."""
    numbers = itertools.count()

    def exchange():
        """A call; gives the fragments that the engine made of its two messages."""
        n, out = next(numbers), world.fragments("fragments_out")
        through(world.ends[near], world.ends[far], f"f{near}{far}-{n}", 2000 + 57 * (n % 10), 100 * near + 10 * far + n)
        return world.fragments("fragments_out") - out

    before = world.engine.drops()
    captures = [ns.capture("eth0", "greater 1515") for ns in (world.site.caller, world.site.pop)]
    # The first to an address may go by the kernel, until its neighbour is known.
    wait_until(lambda: exchange() >= 4, 10, "both neighbours to be known")
    assert min(exchange() for _ in range(10)) >= 4
    assert world.engine.drops() == before
    assert not [line for c in captures for line in c.stop().splitlines() if "ethertype" in line]


@pytest.mark.parametrize("version", [4, 6])
def test_around_the_mtu(world, version):
    """Every size near the step from one frame to two, and from two to three."""
    end = world.ends[version]
    before = world.engine.drops()
    for size in [*range(940, 1120, 4), *range(1117, 1135), *range(2420, 2620, 8)]:
        through(end, end, f"m{version}-{size}", size, size)
    assert world.engine.drops() == before


@pytest.mark.parametrize("version", [4, 6])
def test_16_kb(world, version):
    """The largest message passes; one that would leave with more is refused, not cut."""
    end = world.ends[version]
    before = world.engine.drops()
    head = len(invite(end, "k", b"x" * 10000)) - 10000
    through(end, end, f"kb{version}", 16384 - head - 600, 16)
    refused = 0
    for size in (16384 - head, 16384 - head + 1, 20000):
        end.near.sendto(invite(end, "k", body_of(size, size)), (end.edge, 5060))
        if version == 6 and size == 20000:
            refused += 1  # our own reassembly ends a little above 16 KB: there is nobody to answer
        else:
            assert end.near.recv(65535).startswith(b"SIP/2.0 513 ")
    want = {**before, **({"too-large": before.get("too-large", 0) + refused} if refused else {})}
    wait_until(lambda: world.engine.drops() == want, 5, lambda: f"{want}; there is {world.engine.drops()}")
    nothing_arrives(world, version, f"kb{version}")


# ---- Fragments of the test's own making ---------------------------------------------------


def pieces(world, version, call, body, step=800, ident=None):
    """The INVITE as a list of IP fragments, `step` octets each."""
    end = world.ends[version]
    data = invite(end, call, body)
    ident = ident or abs(hash_of(call)) & 0xffff
    udp = UDP(sport=PORT, dport=5060) / Raw(data)
    if version == 4:
        return fragment(IP(src=end.caller, dst=end.edge, id=ident) / udp, fragsize=step)
    whole = IPv6(src=end.caller, dst=end.edge) / IPv6ExtHdrFragment(id=ident) / udp
    return fragment6(whole, step + 48)


def hash_of(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") | 1


def arrives(world, version, call, body):
    got = world.ends[version].far.recv(65535)
    assert values(got, "Call-ID") == [call]
    same(got, body)


def nothing_arrives(world, version, call):
    """A whole message sent afterwards is the next to arrive."""
    end = world.ends[version]
    end.near.sendto(invite(end, f"after-{call}", b""), (end.edge, 5060))
    arrives(world, version, f"after-{call}", b"")


@pytest.mark.parametrize("version", [4, 6])
def test_any_order(world, version):
    rng = random.Random(12)
    before = world.engine.drops()
    for n in range(12):
        body = body_of(rng.randrange(1700, 5000), n)
        parts = pieces(world, version, f"o{version}-{n}", body)
        assert len(parts) > 2
        if n == 0:
            parts.reverse()
        elif n > 1:
            rng.shuffle(parts)
        world.inject(parts)
        arrives(world, version, f"o{version}-{n}", body)
    assert world.engine.drops() == before


@pytest.mark.parametrize("version", [4, 6])
def test_duplicates(world, version):
    """Each fragment twice: one message."""
    before = world.engine.drops()
    body = body_of(3000, 5)
    parts = pieces(world, version, f"d{version}", body)
    world.inject([p for part in parts[:-1] for p in (part, part)] + parts[-1:])
    arrives(world, version, f"d{version}", body)
    nothing_arrives(world, version, f"d{version}")
    assert world.engine.drops() == before


@pytest.mark.parametrize("version", [4, 6])
def test_interleaved_datagrams(world, version):
    """Several on their way at once do not mix."""
    before = world.engine.drops()
    bodies = [body_of(3000, 40 + n) for n in range(4)]
    parts = [pieces(world, version, f"i{version}-{n}", b) for n, b in enumerate(bodies)]
    world.inject([p for row in zip(*parts) for p in row])
    for _ in bodies:
        got = world.ends[version].far.recv(65535)
        same(got, bodies[int(values(got, "Call-ID")[0].split("-")[1])])
    assert world.engine.drops() == before


@pytest.mark.parametrize("version", [4, 6])
def test_missing_fragment(world, version):
    """Without its middle a datagram never arrives; nor does a first fragment alone, which holds all headers."""
    for n, left_out in enumerate((1, -1, 0)):
        parts = pieces(world, version, f"l{version}-{n}", body_of(3000, 60 + n))
        del parts[left_out]
        world.inject(parts)
        nothing_arrives(world, version, f"l{version}-{n}")


def test_overlap_ipv6(world):
    """RFC 5722: the whole datagram goes, counted once."""
    before = world.engine.drops()
    parts = pieces(world, 6, "overlap", body_of(3000, 7))
    evil = parts[1].copy()
    evil[IPv6ExtHdrFragment].offset -= 1  # 8 octets back, over the end of the first
    world.inject([parts[0], evil, *parts[1:]])
    wait_until(lambda: world.engine.drops().get("fragment", 0) == before.get("fragment", 0) + 1, 5,
               lambda: f"the overlap to be counted: {world.engine.drops()}")
    nothing_arrives(world, 6, "overlap")
    body = body_of(3000, 8)
    world.inject(pieces(world, 6, "overlap2", body, ident=77777))
    arrives(world, 6, "overlap2", body)
    assert world.engine.drops() == {**before, "fragment": before.get("fragment", 0) + 1}


def test_overlap_ipv4(world):
    """The kernel reassembles IPv4 for af_packet and throws overlaps away: no mixture of the two passes."""
    before = world.engine.drops()
    parts = pieces(world, 4, "overlap4", body_of(3000, 9))
    evil = parts[1].copy()
    evil[IP].frag -= 1
    evil[IP].chksum = None
    world.inject([parts[0], evil, *parts[1:]])
    nothing_arrives(world, 4, "overlap4")
    assert world.engine.drops() == before


def test_tiny_and_lying_fragments_ipv6(world):
    """Fragments of 8 octets are put together; odd lengths and ends beyond 64 KB are counted."""
    before = world.engine.drops()
    body = body_of(100, 3)
    parts = pieces(world, 6, "tiny", body, step=8)
    assert len(parts) > 30
    world.inject(parts)
    arrives(world, 6, "tiny", body)
    base = IPv6(src="2001:db8::a", dst="2001:db8::1")
    world.inject([base / IPv6ExtHdrFragment(id=5, nh=17, m=1) / Raw(b"x" * 13)])
    world.inject([base / IPv6ExtHdrFragment(id=6, nh=17, offset=8191) / Raw(b"x" * 100)])
    wait_until(lambda: world.engine.drops().get("fragment", 0) == before.get("fragment", 0) + 2, 5,
               lambda: f"two lies: {world.engine.drops()}")
    # An atomic fragment (RFC 6946) is a datagram like any other.
    data = invite(world.ends[6], "atomic", b"")
    world.inject([base / IPv6ExtHdrFragment(id=7) / UDP(sport=PORT, dport=5060) / Raw(data)])
    arrives(world, 6, "atomic", b"")


def test_flood_of_first_fragments(world):
    """Datagrams that never become whole do not keep others from it."""
    for n in range(300):
        world.inject(pieces(world, 6, f"half-{n}", body_of(2000, n), ident=1000 + n)[:1])
    body = body_of(2500, 11)
    world.inject(pieces(world, 6, "whole", body, ident=5))
    arrives(world, 6, "whole", body)
    through(world.ends[6], world.ends[6], "sockets", 3000, 12)
