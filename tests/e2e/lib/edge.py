"""The lab of the call tests: an engine between a caller and targets found in a real DNS.

PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import json
import os
import signal
import time

from lib.netns import wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("TANDEM_BUILD", os.path.join(ROOT, "build"))
TANDEM = os.environ.get("TANDEM", os.path.join(BUILD, "tandem"))

# Fixed keys: the draw of every Call-ID is the same in every run.
KEYS = "digest 000102030405060708090a0b0c0d0e0f\nsign 1 f0e0d0c0b0a090807060504030201000\n"


def with_trunks(text, ipv6=False):
    """A configuration for the edge of a Site, one worker: `text` is its `trunks` and `routes`."""
    return f"""interfaces:
  wan:
    device: wan
listen:
  - address: udp:192.0.2.1:5060
{"  - address: udp:[2001:db8::1]:5060" if ipv6 else "  # IPv4 alone"}
workers: 1
dns:
  servers: 192.0.2.53
limits:
  transactions: 64k
{text}"""


class Engine:
    """`tandem run` inside a namespace, and its control socket."""

    def __init__(self, ns, folder, config, name="edge", keys=KEYS, prefix=(), binary=TANDEM,
                 socket=None):
        self.folder = str(folder)
        self.name = name
        self.socket = socket or os.path.join(self.folder, f"{name}.sock")
        key_file = os.path.join(self.folder, f"{name}.keys")
        if keys and not os.path.exists(key_file):  # without, the engine makes its own
            fd = os.open(key_file, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, keys.encode())
            os.close(fd)
        self.config = os.path.join(self.folder, f"{name}.yaml")
        with open(self.config, "w") as f:
            f.write(f"control-socket: {self.socket}\nkey-file: {key_file}\n" + config)
        self.ns = ns
        self.started = time.monotonic()
        self.process = ns.start("nice", "-n", "-10", *prefix, binary, "run", self.config)
        self.process.expect("tandem: running", 20)
        self.pid = self.process.pid  # `ip netns exec`, nice and setpriv become what they start
        self.start_seconds = time.monotonic() - self.started

    def ctl(self, *args):
        """`tandem ctl --json` of it."""
        return json.loads(self.ns.run(TANDEM, "ctl", "-s", self.socket, "--json", *args))

    def targets(self, **want):
        """Targets whose fields have these values."""
        return [t for t in self.ctl("show", "targets")["targets"]
                if all(t.get(k) == v for k, v in want.items())]

    def drops(self):
        """Reason -> count, without zeros."""
        return {d["reason"]: d["count"] for d in self.ctl("show", "drops")["drops"] if d["count"]}

    def workers(self):
        return self.ctl("show", "workers")["workers"]

    def wait_up(self, n, timeout=15, **want):
        """Until n targets (with these fields) are up or on standby."""
        wait_until(lambda: sum(t["state"] in ("up", "standby") for t in self.targets(**want)) == n, timeout,
                   lambda: f"{n} targets up; there are {self.targets(**want)}")

    def stop(self, sig=signal.SIGTERM):
        """End it; gives the exit code."""
        return self.process.stop(sig, timeout=5)


class Site:
    """A star of namespaces: edge 192.0.2.1, caller .10, dns .53, targets from .21 on; the same in IPv6."""

    def __init__(self, lab, targets=4, extra=(), mtu=None):
        self.lab = lab
        self.edge = lab.ns("edge")
        self.caller = lab.ns("caller")
        self.dns = lab.ns("dns")
        self.pop = lab.ns("pop")
        self.members = {
            "edge": (self.edge, "wan", both(1)),
            "caller": (self.caller, "eth0", both(10) + both(11)),
            "dns": (self.dns, "eth0", both(53)),
            "pop": (self.pop, "eth0", [a for i in range(targets) for a in both(21 + i)]),
        }
        for name, host in extra:
            self.members[name] = (lab.ns(name), "eth0", both(host))
        self.switch = lab.star(**self.members)

    def ns(self, name):
        return self.members[name][0]


def both(host):
    """The addresses of a host of the lab."""
    return [f"192.0.2.{host}/24", f"2001:db8::{host:x}/64"]
