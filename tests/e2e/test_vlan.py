"""A VLAN is a kernel sub-interface: the engine on it and on the interface below it at once.

Needs the kernel's 8021q; where that is missing the test is skipped, and says so.
"""
import pytest

from lib.edge import Engine
from lib.netns import Lab
from lib.sockets import udp_socket

CONFIG = """interfaces:
  wan:
    device: wan
  voice:
    device: wan.100
listen:
  - address: udp:192.0.2.1:5060
  - address: udp:198.51.100.1:5060
workers: 1
limits:
  transactions: 64k
trunks:
  plain:
    uri: sip:192.0.2.2:5070
    sources: 192.0.2.2
  tagged:
    uri: sip:198.51.100.2:5070
    sources: 198.51.100.2
routes:
  - from: tagged
    to: plain
  - from: plain
    to: tagged
"""


def sub_interface(ns, device, *addresses):
    """device.100; skips where the kernel makes none."""
    try:
        ns.ip("link", "add", "link", device, "name", f"{device}.100", "type", "vlan", "id", "100")
    except RuntimeError as e:
        pytest.skip(f"no VLAN sub-interfaces on this kernel: {e}")
    ns.add(f"{device}.100", *addresses)
    ns.up(f"{device}.100")


def options(user, call):
    return (f"OPTIONS sip:{user}198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2:5070;branch=z9hG4bK{call}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@198.51.100.2>;tag={call}\r\nTo: <sip:198.51.100.1>\r\n"
            f"Call-ID: {call}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()


def test_listener_on_a_sub_interface(tmp_path):
    with Lab() as lab:
        edge, peer = lab.ns("edge"), lab.ns("peer")
        lab.veth(edge, "wan", peer, "eth0", ["192.0.2.1/24"], ["192.0.2.2/24"])
        sub_interface(edge, "wan", "198.51.100.1/24")
        sub_interface(peer, "eth0", "198.51.100.2/24")
        engine = Engine(edge, tmp_path, CONFIG)
        tagged, plain = udp_socket(peer, "198.51.100.2", 5070), udp_socket(peer, "192.0.2.2", 5070)
        tagged.sendto(options("", "first"), ("198.51.100.1", 5060))
        assert tagged.recv(65535).startswith(b"SIP/2.0 200 OK\r\n")
        # From the VLAN to the interface below: once, although both sockets saw the frame.
        tagged.sendto(options("x@", "second"), ("198.51.100.1", 5060))
        got = plain.recv(65535)
        assert got.startswith(b"OPTIONS sip:x@192.0.2.2:5070 SIP/2.0\r\n")
        plain.settimeout(0.5)
        with pytest.raises(TimeoutError):
            plain.recv(65535)
        assert sum(w["vlan"] for w in engine.workers()) >= 2  # seen below, with their tag, and left alone
        assert engine.stop() == 0
