"""What strangers, liars and broken equipment send: each ends under its name, or with its answer,
nobody is made a reflector or a relay, and the engine goes on.
"""
import random
import re
import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from lib.edge import with_trunks
from lib.netns import wait_until
from lib.place import World as Place
from lib.place import of_module
from lib.sipp import uac, uas
from lib.sockets import frame_socket, socket_in, udp_socket

CONFIG = with_trunks("""\
trunks:
  carrier:
    uri: sip:pop.test
    sources: resolved
  pbx:
    uri: sip:192.0.2.10
    sources:
      - 192.0.2.10
      - 2001:db8::a
routes:
  - from: pbx
    to: carrier
  - from: carrier
    to: pbx
""", ipv6=True)
ZONE = "_sip._udp 60 SRV 10 100 5060 a\na 60 A 192.0.2.21"

EDGE, TRUNK, STRANGER, TARGET = "192.0.2.1", "192.0.2.10", "192.0.2.11", "192.0.2.21"
PORT = 5070


def request(method="OPTIONS", uri="sip:192.0.2.1", via=TRUNK, call="h", extra=(), branch=None, cseq=None, to_tag="",
            drop=(), body=""):
    """A request as text; `drop` leaves out headers by name."""
    lines = [f"{method} {uri} SIP/2.0",
             f"Via: SIP/2.0/UDP {via}:{PORT};branch={branch or 'z9hG4bK' + call}",
             "Max-Forwards: 70",
             f"From: <sip:caller@{via}>;tag=f{call}",
             f"To: <sip:callee@192.0.2.1>{to_tag}",
             f"Call-ID: {call}",
             f"CSeq: {cseq or '1 ' + method}",
             f"Contact: <sip:caller@{via}:{PORT}>",
             *extra,
             f"Content-Length: {len(body)}"]
    lines = [line for line in lines if line.split(":")[0] not in drop]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def header(message, name):
    """Values of a header, one per line it has."""
    return re.findall(rf"(?mi)^{name}:[ \t]*(.*?)\r$", message.decode())


class World(Place):
    def __init__(self, lab, folder):
        super().__init__(lab, folder, CONFIG, {"pop.test": ZONE})
        self.edge_mac = self.site.edge.mac("wan")
        self.caller_mac = self.site.caller.mac("eth0")
        self.wire = frame_socket(self.site.caller, "eth0")
        self.trunk = udp_socket(self.site.caller, TRUNK, PORT)
        self.stranger = udp_socket(self.site.caller, STRANGER, PORT)
        self.target = udp_socket(self.site.pop, TARGET, 5060)
        # What the edge's kernel tells others.
        self.unreachable = self.site.edge.capture(
            "wan", "(icmp[0] == 3 and src host 192.0.2.1) or (icmp6 and ip6[40] == 1 and src host 2001:db8::1)")

    def frame(self, ip, **ether):
        """A frame from the caller to the engine's MAC."""
        return bytes(Ether(src=self.caller_mac, dst=self.edge_mac, **ether) / ip)

    def udp(self, data, src=TRUNK, sport=PORT, dport=5060, **ip):
        return self.frame(IP(src=src, dst=EDGE, **ip) / UDP(sport=sport, dport=dport) / Raw(data))

    def inject(self, *frames):
        for f in frames:
            self.wire.send(f)

    def ends_as(self, before, **reasons):
        """Since `before`, just these reasons have counted; named with '_' for '-'."""
        want = dict(before)
        for reason, n in reasons.items():
            reason = reason.replace("_", "-")
            want[reason] = want.get(reason, 0) + n
        wait_until(lambda: self.engine.drops() == want, 5, lambda: f"{want}; there is {self.engine.drops()}")

    def alive(self, call):
        """The engine answers OPTIONS: whatever was sent before has been dealt with."""
        self.trunk.sendto(request(call=call), (EDGE, 5060))
        got = self.trunk.recv(65535)
        assert got.startswith(b"SIP/2.0 200 OK\r\n") and header(got, "Call-ID") == [call], got

    def quiet(self, s):
        """Nothing has come to this socket."""
        s.setblocking(False)
        try:
            got = s.recv(65535)
        except BlockingIOError:
            return
        finally:
            s.settimeout(5)
        pytest.fail(f"something came: {got}")


world = of_module(World)


@pytest.fixture
def drops(world):
    """The counts before the test; after it the engine lives and nobody was told "unreachable"."""
    yield world.engine.drops()
    world.alive("afterwards")
    world.quiet(world.trunk)
    world.quiet(world.stranger)
    world.quiet(world.target)
    assert "unreachable" not in world.unreachable.text()


# ---- A request through the engine, for what must be known of its insides ---------------------


def forwarded(world, call):
    """An INVITE as the target gets it."""
    world.trunk.sendto(request("INVITE", "sip:callee@192.0.2.1", call=call), (EDGE, 5060))
    got = world.target.recv(65535)
    assert got.startswith(b"INVITE sip:callee@pop.test SIP/2.0\r\n")
    return got


def answer_to(message, status="180 Ringing", **change):
    """A response made of a forwarded request; `change` replaces text in it."""
    lines = [f"SIP/2.0 {status}"]
    for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
        lines += [f"{name}: {v}" for v in header(message, name)]
    text = "\r\n".join(lines + ["Content-Length: 0", "", ""])
    for old, new in change.get("replace", ()):
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text.encode()


def token_of(message):
    """The user part of our Record-Route."""
    return re.search(r"Record-Route: <sip:([^@]+)@", message.decode()).group(1)


def test_branch(world, drops):
    """A response passes with the branch that the request bore, and with nothing else."""
    message = forwarded(world, "branch")
    top, below = header(message, "Via")
    branch = top.split("branch=")[1]
    other = branch[:-1] + ("0" if branch[-1] != "0" else "1")
    spoofed = [
        [(branch, other)],
        [(branch, "z9hG4bK" + "0" * (len(branch) - 7))],
        [(branch, "z9hG4bK" + "f" * 200)],
        [(branch, "z9hG4bK")],
        [(branch, "Z" * 300)],
        [(f"{TRUNK}:{PORT}", f"192.0.2.66:{PORT}")],  # to somebody else: a reflector
        [(f"{TRUNK}:{PORT}", f"{TRUNK}:9")],
        [("z9hG4bKbranch", "z9hG4bKother")],
        [("Call-ID: branch", "Call-ID: hcnarb")],
        [("CSeq: 1 ", "CSeq: 2 ")],
        [(f"Via: {below}\r\n", "")],  # no next Via at all
        [(f"Via: {below}\r\n", f"Via: {top}\r\n")],
    ]
    for replace in spoofed:
        world.target.sendto(answer_to(message, replace=replace), (EDGE, 5060))
    world.ends_as(drops, bad_branch=len(spoofed))
    world.quiet(world.trunk)
    world.target.sendto(answer_to(message), (EDGE, 5060))
    assert world.trunk.recv(65535).startswith(b"SIP/2.0 180 Ringing\r\n")


def test_stray_response(world, drops):
    message = forwarded(world, "stray")
    for s in (world.target, world.stranger):
        s.sendto(answer_to(message, replace=[("UDP 192.0.2.1:5060;", "UDP 192.0.2.66:5060;")]), (EDGE, 5060))
    world.ends_as(drops, stray_response=2)


def test_response_to_nowhere(world, drops):
    """Not even with a request of our own making: nobody is made to answer everybody."""
    message = forwarded(world, "nowhere")
    for ip in ("255.255.255.255", "224.0.0.1", "0.0.0.0"):
        world.target.sendto(answer_to(message, replace=[(f"{TRUNK}:{PORT}", f"{ip}:{PORT}")]), (EDGE, 5060))
    world.ends_as(drops, response_nowhere=3)


def test_foreign_source(world, drops):
    """Requests of no trunk's source: no answer, not even to nonsense; addresses cannot be chosen so either."""
    sent = [request(via=STRANGER, call="foreign"), request("INVITE", "sip:x@192.0.2.1", via=STRANGER, call="foreign2"),
            request("INVITE", "sip:x@192.0.2.1", via=TRUNK, call="foreign3"),
            request(via=STRANGER, call="foreign4", drop=["Call-ID", "CSeq"]),
            request("INVITE", "sip:x@192.0.2.1", call="foreign5", extra=["Route: <sip:192.0.2.1;lr>"])]
    for data in sent:
        world.stranger.sendto(data, (EDGE, 5060))
    world.ends_as(drops, foreign_source=len(sent))
    # As from one of our own addresses, or a broadcast one.
    world.inject(world.udp(request(call="land"), src=EDGE), world.udp(request(call="broadcast"), src="192.0.2.255"))
    world.ends_as(drops, foreign_source=len(sent) + 2)
    world.inject(world.udp(request(call="m"), src="127.0.0.1"), world.udp(request(call="m"), src="224.0.0.5"),
                 world.udp(request(call="m"), src="255.255.255.255"), world.udp(request(call="m"), src="0.0.0.0"))
    world.ends_as(drops, foreign_source=len(sent) + 2, bad_ip=4)


def test_token(world, drops):
    """Our Record-Route's token admits its own dialog only."""
    message = forwarded(world, "token")
    token = token_of(message)
    route = [f"Route: <sip:{token}@192.0.2.1;lr>"]
    broken = [f"Route: <sip:{token[:-1] + ('A' if token[-1] != 'A' else 'B')}@192.0.2.1;lr>"]

    def bye(call, extra, uri="sip:callee@192.0.2.21:5060", to_tag=";tag=t"):
        return request("BYE", uri, via=STRANGER, call=call, extra=extra, to_tag=to_tag)

    # A stranger: the token of another call, a broken one, and the right one without a dialog.
    world.stranger.sendto(bye("another", route), (EDGE, 5060))
    world.stranger.sendto(bye("token", broken), (EDGE, 5060))
    world.ends_as(drops, bad_token=2)
    world.stranger.sendto(bye("token", route, to_tag=""), (EDGE, 5060))
    world.ends_as(drops, bad_token=2, foreign_source=1)
    # The trunk itself is told.
    world.trunk.sendto(request("BYE", "sip:callee@192.0.2.21:5060", call="another", extra=route, to_tag=";tag=t"),
                       (EDGE, 5060))
    assert world.trunk.recv(65535).startswith(b"SIP/2.0 403 ")
    # An ACK is never answered.
    world.trunk.sendto(request("ACK", "sip:callee@192.0.2.21:5060", call="another", extra=route, to_tag=";tag=t"),
                       (EDGE, 5060))
    world.ends_as(drops, bad_token=3, foreign_source=1)
    # The dialog's own, from wherever (a caller that roams).
    world.stranger.sendto(bye("token", route), (EDGE, 5060))
    assert world.target.recv(65535).startswith(b"BYE sip:callee@192.0.2.21:5060 SIP/2.0\r\n")


def test_no_open_relay(world, drops):
    """Neither a Route to us with a foreign URI nor a Route behind ours takes a call past the routes."""
    # Its neighbour would be asked for, too. (On the edge itself, what the engine sends is not seen.)
    capture = world.site.caller.capture("eth0", "arp host 192.0.2.66 or dst host 192.0.2.66")
    uri = "sip:victim@192.0.2.66"
    for n, extra in enumerate((["Route: <sip:192.0.2.1;lr>"], [],
                               ["Route: <sip:192.0.2.1;lr>, <sip:192.0.2.66;lr>"], ["Route: <sip:192.0.2.66;lr>"],
                               ["Route: <sip:192.0.2.66>"], ["Route: <sip:192.0.2.1;lr>", "Route: <sip:192.0.2.66>"])):
        world.trunk.sendto(request("INVITE", uri, call=f"relay{n}", extra=extra), (EDGE, 5060))
        got = world.target.recv(65535)  # the carrier's, by the routes
        assert got.startswith(f"INVITE {uri} SIP/2.0\r\n".encode()), got
    world.alive("relay")
    assert not [line for line in capture.stop().splitlines() if "ethertype" in line]
    world.ends_as(drops)


def test_malformed(world, drops):
    """What lacks nothing that an answer needs is answered, the rest dropped by name."""
    answered = [
        (400, request("INVITE", "sip:x@192.0.2.1", call="m1", drop=["Call-ID"])),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m2", drop=["CSeq"])),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m3", drop=["From"])),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m4", cseq="1 BYE")),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m5", cseq="99999999999 INVITE")),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m6").replace(b"Content-Length: 0", b"Content-Length: 999")),
        (400, request("INVITE", "sip:x@192.0.2.1", call="m7", extra=["Max-Forwards: 12"])),
        (416, request("INVITE", "nobody:x", call="m8")),
        (505, request("INVITE", "sip:x@192.0.2.1", call="m9").replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1)),
        (483, request("INVITE", "sip:x@192.0.2.1", call="m10").replace(b"Forwards: 70", b"Forwards: 0")),
        (420, request("INVITE", "sip:x@192.0.2.1", call="m11", extra=["Proxy-Require: moon"])),
        (200, request(call="m12")),
        (481, request("CANCEL", "sip:x@192.0.2.1", call="m13", cseq="1 CANCEL")),
    ]
    for status, data in answered[:-1]:
        world.trunk.sendto(data, (EDGE, 5060))
        got = world.trunk.recv(65535)
        assert got.startswith(b"SIP/2.0 %d " % status), (data, got)
        assert re.search(rb"\r\nTo: .*;tag=[0-9a-f]{16}\r\n", got), got
    world.ends_as(drops)
    counted = {
        "malformed_ack": [request("ACK", "sip:x@192.0.2.1", call="m20", drop=["Call-ID"])],
        "ack_unrouted": [request("ACK", "sip:x@192.0.2.1", call="m21", extra=["Max-Forwards: 0"])
                         .replace(b"Max-Forwards: 70\r\n", b"")],
        "malformed_request": [request("INVITE", "sip:x@192.0.2.1", call="m22", drop=["Via"]), b"hello",
                              b"\x00" * 100, b"INVITE", b"\xff\xfe" * 300, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
        "malformed_response": [b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 999999 OK\r\nVia: x\r\n\r\n"],
    }
    for reason, messages in counted.items():
        for data in messages:
            before = world.engine.drops()
            world.trunk.sendto(data, (EDGE, 5060))
            world.ends_as(before, **{reason: 1})


def test_keepalives(world, drops):
    """CRLF and empty datagrams: no error, no answer."""
    for data in (b"\r\n\r\n", b"\r\n", b""):
        for s in (world.trunk, world.stranger):
            s.sendto(data, (EDGE, 5060))
    world.alive("keepalive")
    world.ends_as(drops)


def test_large_datagrams(world, drops):
    """65,507 octets, and what is just too much: named, or answered 513, never cut."""
    fill = request("INVITE", "sip:x@192.0.2.1", call="huge", body="x" * 70000)
    world.trunk.sendto(fill[:65507], (EDGE, 5060))
    world.ends_as(drops, truncated=1)
    with udp_socket(world.site.caller, "2001:db8::a", PORT) as six:
        six.sendto(fill[:65507], ("2001:db8::1", 5060))
        wait_until(lambda: world.engine.drops() != {**drops, "truncated": drops.get("truncated", 0) + 1}, 5, "a drop")
    got = world.engine.drops()
    assert got.get("too-large", 0) > drops.get("too-large", 0), got
    for size in (16385, 20000, 30000):
        world.trunk.sendto(request("INVITE", "sip:x@192.0.2.1", call=f"big{size}", body="x" * 70000)[:size], (EDGE, 5060))
        assert world.trunk.recv(65535).startswith(b"SIP/2.0 513 ")


def test_frames(world, drops):
    """Headers that lie about their packets."""
    def lie(data=None, l4=None, **ip):
        return world.frame(IP(src=TRUNK, dst=EDGE, **ip) / (l4 or UDP(sport=PORT, dport=5060)) /
                           Raw(request(call="lie") if data is None else data))

    whole = lie()
    world.inject(whole)
    assert world.trunk.recv(65535).startswith(b"SIP/2.0 200 OK\r\n")
    size = len(whole) - 14
    cases = {
        "truncated": [lie(len=size + 40), whole[:-60], whole[:14 + 20 + 4]],
        "bad_checksum": [lie(l4=UDP(sport=PORT, dport=5060, chksum=0x1234))],
        "bad_udp": [lie(l4=UDP(sport=PORT, dport=5060, len=size)), lie(l4=UDP(sport=PORT, dport=5060, len=7)),
                    lie(l4=UDP(sport=0, dport=5060))],
        "bad_ip": [lie(chksum=0xdead), lie(ihl=15, len=40, data=b"")],
    }
    for reason, frames in cases.items():
        for f in frames:
            before = world.engine.drops()
            world.inject(f)
            world.ends_as(before, **{reason: 1})
    # Without a checksum, padded, with more octets behind the datagram: fine.
    for f in (lie(l4=UDP(sport=PORT, dport=5060, chksum=0)), whole + b"\x00" * 30,
              lie(request(call="lie") + b"junk", UDP(sport=PORT, dport=5060, chksum=0, len=8 + len(request(call="lie"))))):
        world.inject(f)
        assert world.trunk.recv(65535).startswith(b"SIP/2.0 200 OK\r\n")


def test_odd_headers_are_read(world, drops):
    """IP options, VLAN and priority tags, IPv6 extension headers."""
    ip = IP(src=TRUNK, dst=EDGE, options=[IPOption_Router_Alert(), IPOption_NOP(), IPOption_NOP()])
    udp = UDP(sport=PORT, dport=5060) / Raw(request(call="odd"))
    for f in (world.frame(ip / udp), world.frame(Dot1Q(vlan=0, prio=5) / IP(src=TRUNK, dst=EDGE) / udp),
              world.frame(IP(src=TRUNK, dst=EDGE, tos=0xb8, ttl=1, flags="DF") / udp)):
        world.inject(f)
        assert world.trunk.recv(65535).startswith(b"SIP/2.0 200 OK\r\n")
    with udp_socket(world.site.caller, "2001:db8::a", PORT) as six:
        six_udp = UDP(sport=PORT, dport=5060) / Raw(request(uri="sip:[2001:db8::1]", via="[2001:db8::a]", call="odd6"))
        base = IPv6(src="2001:db8::a", dst="2001:db8::1")
        for packet in (base / six_udp, base / IPv6ExtHdrHopByHop() / six_udp,
                       base / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / six_udp):
            world.inject(world.frame(packet))
            assert six.recv(65535).startswith(b"SIP/2.0 200 OK\r\n")
        before = world.engine.drops()
        world.inject(world.frame(base / UDP(sport=PORT, dport=5060, chksum=0) / Raw(request(call="odd6"))))
        world.ends_as(before, bad_checksum=1)  # RFC 8200 8.1: IPv6 needs one


def test_frames_of_a_vlan_are_the_kernels(world, drops):
    """No VLAN of the listener's own interface is ours; on its own, a priority tag makes none."""
    def frames(kernel, call):
        four = IP(src=TRUNK, dst=EDGE) / UDP(sport=PORT, dport=5060) / Raw(request(call=call))
        six = (IPv6(src="2001:db8::a", dst="2001:db8::1") / UDP(sport=PORT, dport=5060) /
               Raw(request(uri="sip:[2001:db8::1]", via="[2001:db8::a]", call=call)))
        tags = [Dot1Q(vlan=100), Dot1Q(vlan=4095, prio=3), Dot1Q(vlan=5) / Dot1Q(vlan=6), Dot1Q(vlan=0) / Dot1Q(vlan=6),
                Dot1Q(vlan=6) / Dot1Q(vlan=0)] if kernel else [Dot1Q(vlan=0), Dot1Q(vlan=0, prio=7)]
        return [world.frame(tag / ip) for tag in tags for ip in (four, six)] + (
            [world.frame(Dot1Q(vlan=6) / four, type=0x88a8)] if kernel else [])

    def counted():
        return sum(w["vlan"] for w in world.engine.workers())

    before, mine = counted(), frames(True, "vlan")
    world.inject(*mine)
    wait_until(lambda: counted() == before + len(mine), 5, lambda: f"{len(mine)} frames of a VLAN: {counted() - before}")
    world.alive("after-vlan")
    with udp_socket(world.site.caller, "2001:db8::a", PORT) as six:
        for f in frames(False, "prio"):
            world.inject(f)
        for s in (world.trunk, world.trunk, six, six):
            got = s.recv(65535)
            assert got.startswith(b"SIP/2.0 200 OK\r\n") and header(got, "Call-ID") == ["prio"]
        world.quiet(six)
    world.quiet(world.trunk)
    assert counted() == before + len(mine) and world.engine.drops() == drops


def test_garbage_flood(world, drops):
    """Seeded noise, mutated requests and cut frames, from a trunk and from strangers."""
    seed = 20241
    rng = random.Random(seed)
    whole = request("INVITE", "sip:x@192.0.2.1", call="flood")
    n = 6000
    for i in range(n):
        kind = i % 4
        if kind == 0:
            data = rng.randbytes(rng.randrange(0, 1400))
        else:
            data = bytearray(whole)
            for _ in range(rng.randrange(1, 12)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            data = bytes(data[:rng.randrange(1, len(data))]) if kind == 1 else bytes(data)
        if kind == 3:  # a frame with noise in any of its headers
            f = bytearray(world.udp(data))
            for _ in range(3):
                f[rng.randrange(14, 42)] = rng.randrange(256)
            f[30:34] = bytes(map(int, EDGE.split(".")))
            world.inject(bytes(f))
        else:
            (world.trunk if i % 3 else world.stranger).sendto(data, (EDGE, 5060))
    world.trunk.close()
    world.trunk = udp_socket(world.site.caller, TRUNK, PORT)
    empty(world.target)
    wait_until(lambda: sum(world.engine.drops().values()) - sum(drops.values()) > n // 4, 10, f"drops (seed {seed})")
    assert world.engine.process.running()
    settle(world)


def empty(s):
    """Throw away what waits in a socket."""
    s.setblocking(False)
    try:
        while True:
            s.recv(65535)
    except (BlockingIOError, ConnectionError):
        pass
    finally:
        s.settimeout(5)


def settle(world):
    """Until the answers to a flood have all come."""
    world.trunk.sendto(request(call="settled"), (EDGE, 5060))
    while header(world.trunk.recv(65535), "Call-ID") != ["settled"]:
        pass
    empty(world.target)


def test_the_kernel_keeps_its_own(world, drops):
    """ARP, ping and ports that are not ours: the kernel's, as before."""
    caller = world.site.caller
    caller.ip("neigh flush all")
    for family, proto, echo, address in ((socket.AF_INET, socket.IPPROTO_ICMP, ICMP(id=7, seq=1), EDGE),
                                         (socket.AF_INET6, socket.IPPROTO_ICMPV6, ICMPv6EchoRequest(id=7), "2001:db8::1")):
        with socket_in(caller, family, socket.SOCK_RAW, proto) as ping:
            ping.settimeout(5)
            ping.sendto(bytes(echo / Raw(b"knock knock")), (address, 0))
            while not ping.recv(65535).endswith(b"\x00\x07\x00" + (b"\x01" if proto == 1 else b"\x00") + b"knock knock"):
                pass
    assert caller.neighbours("eth0")[EDGE]["lladdr"] == world.edge_mac
    other = caller.capture("eth0", "icmp[0] == 3 and src host 192.0.2.1")
    world.inject(world.udp(b"x", dport=5061))
    other.expect("udp port 5061 unreachable", 5)
    other.stop()
    syn = IP(src=TRUNK, dst=EDGE) / TCP(sport=40000, dport=5060, flags="S")
    reset = caller.capture("eth0", "tcp and src host 192.0.2.1")
    world.inject(world.frame(syn), world.frame(IP(src=TRUNK, dst=EDGE) / ICMP() / Raw(b"p" * 400)))
    reset.expect(r"Flags \[R", 5)
    reset.stop()
    # What it said of port 5061 is no fault of this test's last check.
    world.unreachable.process.lines.clear()


def test_a_call_passes_afterwards(world):
    world.target.close()
    server = uas(world.site.pop, world.folder, TARGET)
    uac(world.site.caller, world.folder, TRUNK, f"{EDGE}:5060", 20, 40).finish(60)
    server.stop()
    assert (server.calls(), server.failed()) == (20, 0)
    assert world.engine.stop() == 0
