"""Network namespaces for tests: links between them, processes and captures inside them.

    with Lab() as lab:
        edge, peer = lab.ns("edge"), lab.ns("peer")
        lab.veth(edge, "wan", peer, "eth0", ["192.0.2.1/24", "2001:db8::1/64"],
                 ["192.0.2.2/24", "2001:db8::2/64"])
        sipp = peer.start("sipp", "-sn", "uas", "-i", "192.0.2.2")
        cap = edge.capture("wan", "udp port 5060")
        ...
        wait_until(lambda: "200 OK" in sipp.text(), 10, "the answer")

Names carry the pid of the test run, so that runs do not meet; what a killed run left behind is
removed by the next one. Leaving the `with` ends every process and deletes every namespace.
The fixture `lab` is one Lab per test, in modules that say `pytest_plugins = ["lib.netns"]`.
PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

PREFIX = "tnd-"
_numbers = itertools.count(1)
_swept = False


def wait_until(condition, timeout, what, interval=0.02):
    """Poll until condition() is true and return its value; fail naming `what` (text, or a
    function that gives it) at the deadline."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            pytest.fail(f"after {timeout} s still waiting for {what() if callable(what) else what}")
        time.sleep(interval)


def sh(*args, check=True, timeout=30, **more):
    """Run a command to its end; gives its output as text, with stderr in what is raised."""
    done = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _alive(pid):
    return os.path.exists(f"/proc/{pid}")


def _delete(name):
    for pid in sh("ip", "netns", "pids", name, check=False).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    sh("ip", "netns", "del", name, check=False)


def sweep():
    """Delete the namespaces of test runs that are no more."""
    for line in sh("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        found = re.match(rf"{PREFIX}(\d+)-", name)
        if found and not _alive(found.group(1)):
            _delete(name)


class Process:
    """A running program whose output is collected line by line while it runs."""

    def __init__(self, argv, **more):
        self.argv = [str(a) for a in argv]
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, bufsize=1, errors="replace", **more)
        self.lines = []
        self._next = 0
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        """All output so far."""
        return "\n".join(self.lines)

    def send(self, line):
        """Write a line to its stdin."""
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def mark(self):
        """From here on, `expect` looks only at lines that come later."""
        with self._news:
            self._next = len(self.lines)

    def expect(self, pattern, timeout=10):
        """Wait for a line that matches, after the last one that was expected; gives the match."""
        end = time.monotonic() + timeout
        with self._news:
            while True:
                for i in range(self._next, len(self.lines)):
                    found = re.search(pattern, self.lines[i])
                    if found:
                        self._next = i + 1
                        return found
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._news.wait(min(left, 0.5))
                if not self._reader.is_alive() and left < timeout - 1 and self.popen.poll() is not None:
                    break
        pytest.fail(f"no line /{pattern}/ from {self.argv[-3:]} within {timeout} s (exit {self.popen.poll()}); "
                    f"its output:\n" + self.text()[-3000:])

    def running(self):
        return self.popen.poll() is None

    def wait(self, timeout=10):
        """Its exit code; fails when it does not end in time."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.argv} still runs after {timeout} s; its output:\n" + self.text()[-3000:])
        self._reader.join(5)
        return code

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """Signal it and wait for its end (SIGKILL at the deadline). Gives the exit code."""
        if self.running():
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self._reader.join(5)
        for stream in (self.popen.stdin, self.popen.stdout):
            try:
                stream.close()
            except (BrokenPipeError, ValueError):
                pass
        return self.popen.returncode


class Capture:
    """tcpdump on one device; packets as lines of text while it runs, or as a pcap file."""

    def __init__(self, ns, device, expression="", pcap=None):
        argv = ["tcpdump", "-i", device, "-n", "-U", "-s", "0", "-B", "32768", "--immediate-mode"]
        argv += ["-w", pcap] if pcap else ["-l", "-e", "-v"]
        self.process = ns.start(*argv, *expression.split())
        self.process.expect("listening on", 10)

    def text(self):
        return self.process.text()

    def expect(self, pattern, timeout=10):
        return self.process.expect(pattern, timeout)

    def stop(self):
        """End it (what was captured is complete then); gives the text."""
        self.process.stop(signal.SIGINT)
        return self.text()


class Netns:
    """One namespace, its loopback up, without duplicate address detection."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = f"{PREFIX}{os.getpid()}-{next(_numbers)}-{name}"
        sh("ip", "netns", "add", self.name)
        lab.namespaces.append(self)
        self.run("ip", "link", "set", "lo", "up")
        for scope in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
            self.sysctl(f"net.ipv6.conf.{scope}.accept_ra", 0)

    def argv(self, *args):
        return ["ip", "netns", "exec", self.name, *map(str, args)]

    def run(self, *args, **more):
        """Run a command inside to its end; gives its output."""
        return sh(*self.argv(*args), **more)

    def start(self, *args, **more):
        """Start a program inside; a Process. It is ended with the Lab at the latest."""
        process = Process(self.argv(*args), **more)
        self.lab.processes.append(process)
        return process

    def ip(self, *args, **more):
        """`ip` with these words (one string is split): ns.ip("route add default via 192.0.2.1")."""
        words = args[0].split() if len(args) == 1 else args
        return sh("ip", "-n", self.name, *words, **more)

    def sysctl(self, name, value):
        path = "/proc/sys/" + name.replace(".", "/")
        self.run("sh", "-c", f"echo {value} > {path}")

    def add(self, device, *addresses):
        """Addresses to a device, usable at once."""
        for address in addresses:
            self.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def up(self, device):
        self.ip("link", "set", device, "up")

    def down(self, device):
        self.ip("link", "set", device, "down")

    def link(self, device):
        """What `ip -j link` says of the device."""
        return json.loads(self.ip("-j", "link", "show", device))[0]

    def mac(self, device):
        return self.link(device)["address"]

    def set_mac(self, device, mac):
        self.ip("link", "set", device, "address", mac)

    def neighbours(self, device):
        """IP -> what `ip -j neigh` says."""
        return {n["dst"]: n for n in json.loads(self.ip("-j", "neigh", "show", "dev", device) or "[]")}

    def capture(self, device, expression="", pcap=None):
        """Start tcpdump and wait until it listens."""
        return Capture(self, device, expression, pcap)

    def wait_link(self, device, timeout=15):
        """Until the device can send: operational state up."""
        wait_until(lambda: self.link(device)["operstate"] == "UP", timeout, f"link {device} in {self.name}")


class Lab:
    """Namespaces and what runs in them, removed at the end."""

    def __init__(self):
        global _swept
        self.namespaces = []
        self.processes = []
        if not _swept:
            sweep()
            _swept = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.stop(timeout=3)
        self.processes.clear()
        for ns in self.namespaces:
            _delete(ns.name)
        self.namespaces.clear()

    def ns(self, name):
        return Netns(self, name)

    def veth(self, a, device_a, b, device_b, addresses_a=(), addresses_b=()):
        """A cable between two namespaces, both ends up and able to send."""
        # Made inside a namespace: in the one of the test run, two runs would collide by name.
        a.ip("link", "add", device_a, "type", "veth", "peer", "name", device_b, "netns", b.name)
        for ns, device, addresses in ((a, device_a, addresses_a), (b, device_b, addresses_b)):
            ns.up(device)
            ns.add(device, *addresses)
        a.wait_link(device_a)
        b.wait_link(device_b)

    def star(self, **members):
        """A switch (a bridge in a namespace of its own) with one port per member.

        lab.star(edge=(ns, "wan", ["192.0.2.1/24"]), peer=(ns2, "eth0", ["192.0.2.2/24"]))
        Gives the switch's namespace; its port of a member has the member's key as its name.
        """
        switch = self.ns("switch")
        # Where the kernel has br_netfilter, its bridge looks into IP and drops what is malformed.
        for family in ("ip", "ip6"):
            if os.path.exists(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables"):
                switch.sysctl(f"net.bridge.bridge-nf-call-{family}tables", 0)
        switch.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        switch.up("br0")
        for port, (ns, device, addresses) in members.items():
            switch.ip("link", "add", port, "type", "veth", "peer", "name", device, "netns", ns.name)
            switch.ip("link", "set", port, "master", "br0")
            switch.up(port)
            ns.up(device)
            ns.add(device, *addresses)
        for _, (ns, device, _) in members.items():
            ns.wait_link(device)
        return switch


@pytest.fixture
def lab():
    """One Lab for the test, gone after it."""
    with Lab() as it:
        yield it
