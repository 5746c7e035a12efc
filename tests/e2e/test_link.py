"""An interface of ours that changes under the running engine."""
import socket

from lib.netns import wait_until
from lib.place import FOUR
from lib.sockets import udp_socket

pytest_plugins = ["lib.netns", "lib.place"]

OPTIONS = ("OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n"
           "From: <sip:a@192.0.2.10>;tag={0}\r\nTo: <sip:192.0.2.1>\r\nCall-ID: {0}\r\nCSeq: 1 OPTIONS\r\n"
           "Content-Length: 0\r\n\r\n")


def answered(caller, n):
    caller.sendto(OPTIONS.format(f"m{n}").encode(), ("192.0.2.1", 5060))
    try:
        return caller.recv(65536).startswith(b"SIP/2.0 200 ")
    except socket.timeout:
        return False


def test_own_mac_changes(place):
    """What comes to the new MAC is taken, what goes out bears it, and the old one is nobody's."""
    site, _, edge = place(FOUR, 4)
    caller = udp_socket(site.caller, "192.0.2.10", 5070)
    caller.settimeout(0.5)
    assert answered(caller, 0)
    old, new = site.edge.mac("wan"), "02:00:00:00:0a:0a"
    site.edge.set_mac("wan", new)
    site.caller.ip("neigh flush dev eth0")
    seen = site.caller.capture("eth0", "udp and src host 192.0.2.1 and ether src " + new)
    numbers = iter(range(1, 100))
    wait_until(lambda: answered(caller, next(numbers)), 10, "an answer from the new MAC")
    wait_until(lambda: "192.0.2.10.5070" in seen.text(), 5, "a frame with the new MAC")
    site.caller.ip("neigh", "replace", "192.0.2.1", "lladdr", old, "dev", "eth0")
    assert not answered(caller, next(numbers))
    caller.close()
