"""Routes, neighbours and guard sockets against a real kernel, in namespaces of their own."""
import os
import signal
import subprocess
import sys
import time

import pytest

from lib.netns import wait_until

from conftest import BUILD

pytest_plugins = ["lib.netns"]  # the fixture `lab`

PROBE = os.path.join(BUILD, "tests", "e2e", "adjacency_probe")


class Probe:
    """adjacency_probe, asked in words."""

    def __init__(self, ns, *args):
        self.ns = ns
        self.process = ns.start(PROBE, *args)
        self.process.expect("^published 1$", 10)

    def ask(self, line, answer=None, timeout=5):
        self.process.mark()
        self.process.send(line)
        verb, where = (line.split() + [""])[:2]
        return self.process.expect(answer or f"^{verb} \\S*{where}", timeout)

    def want(self, ip):
        return self.ask(f"want {ip}", f"^want {ip} (\\S+)").group(1)

    def changed(self, ip, state, timeout=10):
        return self.process.expect(f"^changed {_regex(ip)} {state}", timeout)

    def lookup(self, ip):
        """The answer as a dictionary."""
        self.process.mark()
        self.process.send(f"lookup {ip}")
        words = self.process.expect(f"^lookup {_regex(ip)} (.*)$").group(1).split()
        return dict(zip(["result"] + words[1::2], [words[0]] + words[2::2]))

    def wait(self, ip, timeout=10, **expected):
        """Until the lookup says so."""
        def right():
            got = self.lookup(ip)
            return got if all(got[k] == v for k, v in expected.items()) else None
        return wait_until(right, timeout, lambda: f"{ip} -> {expected}; now {self.lookup(ip)}")

    def counts(self):
        self.process.mark()
        self.process.send("counts")
        words = self.process.expect("^counts (.*)$").group(1).split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def quit(self):
        self.process.send("quit")
        self.process.expect("^bye 0$", 5)
        return self.process.wait(5)


def _regex(ip):
    return f"\\[{ip}\\]" if ":" in ip else ip.replace(".", "\\.")


def _quick(ns, device):
    """Timers of the kernel's neighbour machine short enough for a test."""
    for family in ("ipv4", "ipv6"):
        base = f"net.{family}.neigh.{device}"
        ns.sysctl(f"{base}.base_reachable_time_ms", 1000)
        ns.sysctl(f"{base}.retrans_time_ms", 200)
        ns.sysctl(f"{base}.delay_first_probe_time", 1)


@pytest.fixture
def pair(lab):
    """edge --wan-- peer, both families; short timers at the edge."""
    edge, peer = lab.ns("edge"), lab.ns("peer")
    lab.veth(edge, "wan", peer, "eth0", ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"])
    _quick(edge, "wan")
    return edge, peer


@pytest.mark.parametrize("ip", ["192.0.2.2", "2001:db8::2"])
def test_neighbour_resolves(pair, ip):
    edge, peer = pair
    probe = Probe(edge, "wan")
    began = time.monotonic()
    assert probe.want(ip) == "unresolved"
    probe.changed(ip, "usable found", 5)
    assert time.monotonic() - began < 1
    way = probe.lookup(ip)
    assert way["dst"] == peer.mac("eth0") and way["src"] == edge.mac("wan")
    assert way["mtu"] == "1500" and way["if"] == "0"
    assert way["source"].strip("[]") == ("192.0.2.1" if "." in ip else "2001:db8::1")
    assert "managed" in edge.ip("neigh", "show", ip, "dev", "wan")


@pytest.mark.parametrize("ip", ["192.0.2.77", "2001:db8::77"])
def test_absent_neighbour_fails(pair, ip):
    edge, _ = pair
    probe = Probe(edge, "wan")
    assert probe.want(ip) == "unresolved"
    probe.changed(ip, "failed no-neighbour", 10)


@pytest.mark.parametrize("ip", ["192.0.2.2", "2001:db8::2"])
def test_dead_neighbour_fails_and_comes_back(lab, ip):
    edge, peer = lab.ns("edge"), lab.ns("peer")
    switch = lab.star(edge=(edge, "wan", ["192.0.2.1/24", "2001:db8::1/64"]),
                      peer=(peer, "eth0", ["192.0.2.2/24", "2001:db8::2/64"]))
    _quick(edge, "wan")
    probe = Probe(edge, "wan")
    probe.want(ip)
    probe.changed(ip, "usable")
    switch.down("peer")  # the edge's own link stays up: only silence tells
    probe.changed(ip, "failed", 30)
    switch.up("peer")
    probe.changed(ip, "usable", 30)


@pytest.mark.parametrize("ip", ["192.0.2.2", "2001:db8::2"])
def test_dead_neighbour_without_managed_entries(lab, ip):
    """As on Linux before 5.16: the entries are probed by hand."""
    edge, peer = lab.ns("edge"), lab.ns("peer")
    switch = lab.star(edge=(edge, "wan", ["192.0.2.1/24", "2001:db8::1/64"]),
                      peer=(peer, "eth0", ["192.0.2.2/24", "2001:db8::2/64"]))
    probe = Probe(edge, "--no-managed", "wan")
    probe.want(ip)
    probe.changed(ip, "usable")
    assert "managed" not in edge.ip("neigh show dev wan")
    switch.down("peer")
    probe.changed(ip, "failed", 40)
    switch.up("peer")
    probe.changed(ip, "usable", 40)
    assert probe.counts()["managed"] == 0


def test_gateway_and_more_specific_route(lab):
    edge = lab.ns("edge")
    one, two = lab.ns("one"), lab.ns("two")
    lab.star(edge=(edge, "wan", ["192.0.2.1/24"]), one=(one, "eth0", ["192.0.2.2/24"]),
             two=(two, "eth0", ["192.0.2.3/24"]))
    _quick(edge, "wan")
    probe = Probe(edge, "wan")
    assert probe.want("198.51.100.7") == "failed"  # no route at all
    edge.ip("route add default via 192.0.2.2")
    probe.changed("198.51.100.7", "usable")
    assert probe.lookup("198.51.100.7")["dst"] == one.mac("eth0")
    assert probe.lookup("198.51.100.7")["hop"] == "192.0.2.2"

    edge.ip("route add 198.51.100.0/24 via 192.0.2.3 mtu 1300")
    probe.wait("198.51.100.7", result="found", dst=two.mac("eth0"), mtu="1300")
    assert probe.lookup("198.51.101.7")["dst"] == one.mac("eth0")
    edge.ip("route del 198.51.100.0/24")
    probe.wait("198.51.100.7", result="found", dst=one.mac("eth0"), mtu="1500")

    edge.ip("route add blackhole 198.51.100.0/25")
    probe.changed("198.51.100.7", "failed no-route")
    edge.ip("route del blackhole 198.51.100.0/25")
    probe.changed("198.51.100.7", "usable")
    edge.ip("route del default")
    probe.changed("198.51.100.7", "failed no-route")


def test_metric_multipath_and_other_interfaces(lab):
    edge, one, two, mgmt = lab.ns("edge"), lab.ns("one"), lab.ns("two"), lab.ns("mgmt")
    switch = lab.star(edge=(edge, "wan", ["192.0.2.1/24"]), one=(one, "eth0", ["192.0.2.2/24"]),
                      two=(two, "eth0", ["192.0.2.3/24"]))
    lab.veth(edge, "mgmt", mgmt, "eth0", ["10.0.0.1/24"], ["10.0.0.2/24"])
    _quick(edge, "wan")
    edge.ip("route add default via 192.0.2.2 metric 100")
    edge.ip("route add default via 192.0.2.3 metric 200")
    edge.ip("route add 198.51.100.0/24 nexthop via 192.0.2.2 nexthop via 192.0.2.3")
    edge.ip("route add 203.0.113.0/24 via 10.0.0.2")
    probe = Probe(edge, "wan")
    for ip in ("8.8.8.8", "198.51.100.1", "203.0.113.9"):
        probe.want(ip)
    probe.wait("8.8.8.8", result="found", dst=one.mac("eth0"))
    probe.wait("198.51.100.1", result="found", dst=one.mac("eth0"))
    assert probe.lookup("203.0.113.9")["result"] == "foreign"
    assert probe.lookup("10.0.0.2")["result"] == "foreign"
    assert probe.lookup("192.0.2.1")["result"] == "local"
    assert probe.lookup("127.0.0.1")["result"] == "local"
    assert probe.lookup("192.0.2.255")["result"] == "no-route"  # broadcast
    assert probe.ask("own 192.0.2.1", r"^own 192\.0\.2\.1 (-?\d+)").group(1) == "0"
    assert probe.ask("own 10.0.0.1", r"^own 10\.0\.0\.1 (-?\d+)").group(1) == "-1"

    switch.down("one")  # the multipath route goes on by its other next hop
    probe.wait("198.51.100.1", timeout=30, result="found", dst=two.mac("eth0"))
    edge.ip("route del default via 192.0.2.2 metric 100")
    probe.wait("8.8.8.8", result="found", dst=two.mac("eth0"))


@pytest.mark.parametrize("ip", ["192.0.2.2", "2001:db8::2"])
def test_link_down_and_up(pair, ip):
    edge, _ = pair
    edge.sysctl("net.ipv6.conf.wan.keep_addr_on_down", 1)
    probe = Probe(edge, "wan")
    probe.want(ip)
    probe.changed(ip, "usable")
    edge.down("wan")
    probe.changed(ip, "failed no-route", 10)
    edge.up("wan")
    probe.changed(ip, "usable", 20)


def test_peer_loses_carrier(pair):
    edge, peer = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    peer.down("eth0")
    probe.changed("192.0.2.2", "failed no-route", 10)
    peer.up("eth0")
    probe.changed("192.0.2.2", "usable", 20)


def test_address_goes_and_routes_with_it(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    edge.ip("addr del 192.0.2.1/24 dev wan")
    probe.changed("192.0.2.2", "failed no-route")
    edge.add("wan", "192.0.2.1/24")
    probe.changed("192.0.2.2", "usable")


@pytest.mark.parametrize("ip", ["192.0.2.2", "2001:db8::2"])
def test_neighbour_changes_its_mac(pair, ip):
    edge, peer = pair
    probe = Probe(edge, "wan")
    probe.want(ip)
    probe.changed(ip, "usable")
    peer.set_mac("eth0", "02:00:00:00:be:ef")
    probe.wait(ip, timeout=30, result="found", dst="02:00:00:00:be:ef")


def test_own_mac_and_mtu(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    edge.ip("link set wan mtu 1400")
    probe.wait("192.0.2.2", mtu="1400")
    edge.set_mac("wan", "02:00:00:00:0a:0a")
    probe.wait("192.0.2.2", result="found", src="02:00:00:00:0a:0a")


def test_interface_appears_later_and_is_replaced(lab):
    edge, peer = lab.ns("edge"), lab.ns("peer")
    probe = Probe(edge, "wan")
    assert probe.want("192.0.2.2") == "failed"
    for _ in range(2):
        lab.veth(edge, "wan", peer, "eth0", ["192.0.2.1/24"], ["192.0.2.2/24"])
        probe.changed("192.0.2.2", "usable", 15)
        edge.ip("link del wan")
        probe.changed("192.0.2.2", "failed", 15)


def test_two_thousand_routes(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    batch = "".join(f"route add 10.{i // 256}.{i % 256}.0/24 via 192.0.2.2\n" for i in range(2000))
    began = time.monotonic()
    subprocess.run(["ip", "-n", edge.name, "-batch", "-"], input=batch, text=True, check=True, timeout=60)
    probe.wait("10.7.207.1", timeout=20, result="found", hop="192.0.2.2")
    print(f"2000 routes: {time.monotonic() - began:.2f} s, {probe.counts()}")
    assert probe.counts()["routes"] >= 2000
    assert probe.counts()["publications"] < 1000  # coalesced, not one per route
    edge.ip("route del 10.3.3.0/24")
    probe.wait("10.3.3.1", result="no-route")
    edge.ip("route flush via 192.0.2.2")
    probe.wait("10.7.207.1", result="no-route")


def test_lost_events_are_made_good(pair):
    """The probe sleeps while more happens than its socket holds: it dumps everything anew."""
    edge, peer = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    batch = "".join(f"route {verb} 10.{i // 256}.{i % 256}.0/24 via 192.0.2.2\n"
                    for verb in ["add", "del"] * 20 + ["add"] for i in range(2000))
    probe.process.popen.send_signal(signal.SIGSTOP)
    try:
        subprocess.run(["ip", "-n", edge.name, "-batch", "-"], input=batch, text=True, check=True, timeout=60)
        peer.set_mac("eth0", "02:00:00:00:be:ef")
        edge.ip("neigh replace 192.0.2.2 lladdr 02:00:00:00:be:ef dev wan nud reachable")
    finally:
        probe.process.popen.send_signal(signal.SIGCONT)
    probe.wait("10.7.207.1", timeout=20, result="found", hop="192.0.2.2", dst="02:00:00:00:be:ef")
    assert probe.counts()["lost"] > 0


def test_many_wants_behind_one_gateway(pair):
    """5,000 destinations are one next hop, asked for and told about quickly."""
    edge, _ = pair
    edge.ip("-6 route add default via 2001:db8::2")
    probe = Probe(edge, "wan")
    took = int(probe.ask("many 2001:db8:5:: 5000", r"^many 5000 us (\d+)").group(1))
    print(f"5000 wants: {took} us")
    assert took < 500_000
    wait_until(lambda: sum(" usable " in line for line in list(probe.process.lines)) == 5000, 10, "5000 usable")
    assert probe.counts()["wanted"] == 5000 and probe.counts()["hops"] == 1
    edge.ip("-6 route del default")
    wait_until(lambda: sum(" failed " in line for line in list(probe.process.lines)) == 5000, 10, "5000 failed")


def test_managed_entries_are_gone_after_exit(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    wanted = ["192.0.2.2", "2001:db8::2", "192.0.2.77"]
    for ip in wanted:
        probe.want(ip)
    probe.changed("192.0.2.77", "failed")
    assert edge.ip("neigh show dev wan").count("managed") == 3
    assert probe.quit() == 0
    left = edge.ip("neigh show dev wan")
    assert "managed" not in left and "192.0.2.77" not in left


def test_unwant_counts_and_releases(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    probe.want("192.0.2.2")
    probe.changed("192.0.2.2", "usable")
    assert probe.want("192.0.2.2") == "usable"
    probe.ask("unwant 192.0.2.2")
    assert probe.counts()["wanted"] == 1
    assert "managed" in edge.ip("neigh show dev wan")
    probe.ask("unwant 192.0.2.2")
    wait_until(lambda: "managed" not in edge.ip("neigh show dev wan"), 5, "the release")
    assert probe.counts()["wanted"] == 0


def test_two_instances_share_a_neighbour(pair):
    edge, _ = pair
    one, two = Probe(edge, "wan"), Probe(edge, "wan")
    one.want("192.0.2.2")
    one.changed("192.0.2.2", "usable")
    two.want("192.0.2.2")
    two.wait("192.0.2.2", result="found")
    assert one.quit() == 0
    # The one that stays takes the entry over, and never lost it.
    wait_until(lambda: "managed" in edge.ip("neigh show dev wan"), 10, "the take-over")
    assert not any("failed" in line or "unresolved" in line for line in two.process.lines[2:])


def test_permanent_entry_is_left_alone(pair):
    edge, _ = pair
    edge.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wan nud permanent")
    probe = Probe(edge, "wan")
    assert probe.want("192.0.2.9") == "usable"
    assert probe.lookup("192.0.2.9")["dst"] == "02:00:00:00:00:09"
    assert probe.quit() == 0
    assert "192.0.2.9 lladdr 02:00:00:00:00:09 PERMANENT" in edge.ip("neigh show dev wan")


RECEIVER = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, who = s.recvfrom(65536)
    print("got", len(data), "from", who[0], who[1], flush=True)
"""

SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
refused = 0
for i in range(200):
    try:
        s.send(b"x" * 100)
    except ConnectionRefusedError:
        refused += 1
s.settimeout(0.5)
try:
    s.recv(100)
except socket.timeout:
    pass
except ConnectionRefusedError:
    refused += 1
print("refused", refused)
"""


def _host(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


@pytest.mark.parametrize("local", ["192.0.2.1", "2001:db8::1"])
def test_guard_swallows_without_icmp(pair, local):
    edge, peer = pair
    assert "refused 0" not in peer.run("/usr/bin/python3", "-c", SENDER, local, 5060)  # the test can tell
    probe = Probe(edge, "wan")
    probe.ask(f"guard {_host(local, 5060)} 24", "^guard \\S+$")
    assert "refused 0" in peer.run("/usr/bin/python3", "-c", SENDER, local, 5060)
    line = [x for x in edge.run("ss", "-uanm", "sport", "=", ":5060").splitlines() if "skmem" in x]
    assert len(line) == 1 and "(r0," in line[0]  # nothing is queued


@pytest.mark.parametrize("local,remote", [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_guard_send_and_icmp_errors(pair, local, remote):
    edge, peer = pair
    probe = Probe(edge, "wan")
    probe.ask(f"guard {_host(local, 5060)} 24", "^guard \\S+$")
    assert remote not in edge.neighbours("wan")
    capture = peer.capture("eth0", "udp port 5061")
    receiver = peer.start("/usr/bin/python3", "-c", RECEIVER, remote, 5061)
    receiver.expect("ready")
    probe.ask(f"send {_host(remote, 5061)} 700", "^send \\S+ 0$")
    receiver.expect(f"got 700 from {local} 5060", 5)
    capture.expect("tos 0x60|class 0x60", 5)  # DSCP 24
    probe.ask(f"send {_host(remote, 5061)} 5000", "^send \\S+ 0$")  # the kernel fragments
    receiver.expect(f"got 5000 from {local} 5060", 5)

    probe.process.mark()
    probe.process.send(f"send {_host(remote, 5099)} 90")
    found = probe.process.expect(r"^icmp (\S+) error (\d+) type (\d+) code (\d+) from (\S+) len (\d+) first G", 5)
    assert found.group(1) == _host(remote, 5099)
    assert int(found.group(2)) == 111
    assert (found.group(3), found.group(4)) == (("3", "3") if "." in local else ("1", "4"))
    assert found.group(5).strip("[]") == remote and int(found.group(6)) == 90
    # An error that is read leaves the socket fit: the next ones still go out.
    for _ in range(3):
        probe.ask(f"send {_host(remote, 5061)} 300", "^send \\S+ 0$")
        receiver.expect("got 300", 5)


def test_icmp_errors_for_frames_the_kernel_did_not_send(pair):
    """What a worker sends by packet socket is answered into the guard's queue as well."""
    edge, peer = pair
    probe = Probe(edge, "wan")
    probe.ask("guard 192.0.2.1:5060 0", "^guard \\S+$")
    frame = ("from scapy.all import *; sendp(Ether(src='%s', dst='%s')/IP(src='192.0.2.1', dst='192.0.2.2')/"
             "UDP(sport=5060, dport=5077)/(b'G' * 50), iface='wan', verbose=0)") % (edge.mac("wan"), peer.mac("eth0"))
    probe.process.mark()
    edge.run("/usr/bin/python3", "-c", frame)
    probe.process.expect(r"^icmp 192\.0\.2\.2:5077 error 111 type 3 code 3 .* len 50 first G", 5)


def test_guard_reports_a_neighbour_that_does_not_answer(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    probe.ask("guard 192.0.2.1:5060 0", "^guard \\S+$")
    probe.process.mark()
    probe.process.send("send 192.0.2.88:5060 40")
    probe.process.expect(r"^icmp 192\.0\.2\.88:5060 error 113 ", 15)  # EHOSTUNREACH


def test_guard_port_taken_and_address_absent(pair):
    edge, _ = pair
    first, second = Probe(edge, "wan"), Probe(edge, "wan")
    first.ask("guard 192.0.2.1:5060 0", "^guard \\S+$")
    second.ask("guard 192.0.2.1:5060 0",
               "^guard error listen: udp 192.0.2.1:5060: address already in use by another process; "
               "stop it or choose another port$")
    second.ask("guard 198.51.100.9:5060 0", "^guard 198.51.100.9:5060$")  # its address may come later


def test_poke_resolves_once(pair):
    edge, _ = pair
    probe = Probe(edge, "wan")
    assert probe.lookup("192.0.2.2")["result"] == "no-neighbour"
    probe.ask("poke 192.0.2.2")
    probe.wait("192.0.2.2", result="found")
    assert "managed" not in edge.ip("neigh show dev wan")
    assert probe.counts()["wanted"] == 0


def test_leftovers_are_swept(tmp_path):
    """A run that was killed leaves namespaces; the next run removes them."""
    script = ("import sys, os, signal; sys.path.insert(0, %r); from lib.netns import Lab; "
              "print(Lab().ns('victim').name, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
              ) % os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    name = done.stdout.strip()
    assert name and name in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    subprocess.run([sys.executable, "-c", script.split("print")[0] + "Lab().close()"], check=True, timeout=30)
    assert name not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
