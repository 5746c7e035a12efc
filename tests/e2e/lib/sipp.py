"""SIPp in a namespace: scenarios from templates, statistics as numbers.

PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import csv
import os
import string

import pytest

# Ahead of whatever else the machine does: a SIPp that is kept waiting for half a second retransmits.
AHEAD = ["nice", "-n", "-10"]
SCENARIOS = os.path.join(os.path.dirname(__file__), "..", "scenarios")


def host_text(address):
    return f"[{address}]" if ":" in address else address


def regexp_text(text):
    """A POSIX regular expression that matches just this text."""
    return "".join(f"[{c}]" if c in ".[]" else c for c in text)


class Sipp:
    """One SIPp process. Its files lie in `folder`; names of files carry `name`."""

    def __init__(self, ns, folder, name, scenario, address, *args, port=5060, fields=None, timeout=120):
        self.name = name
        self.folder = str(folder)
        path = os.path.join(self.folder, f"{name}.xml")
        with open(os.path.join(SCENARIOS, scenario)) as f:
            text = string.Template(f.read()).substitute(ADDRESS=address, HOST=host_text(address), PORT=port,
                                                        RE_HOST=regexp_text(host_text(address)),
                                                        **{"HOLD": 200, **(fields or {})})
        with open(path, "w") as f:
            f.write(text)
        self.stat = os.path.join(self.folder, f"{name}.csv")
        self.errors = os.path.join(self.folder, f"{name}.err")
        argv = [*AHEAD, "sipp", "-sf", path, "-i", address, "-p", str(port), "-nostdin", "-trace_stat", "-stf", self.stat,
                "-fd", "1", "-trace_err", "-error_file", self.errors, "-timeout", str(timeout), "-buff_size", "4000000",
                "-max_socket", "64", *map(str, args)]
        self.process = ns.start(*argv, cwd=self.folder)

    def error_text(self):
        try:
            with open(self.errors) as f:
                return f.read()[-3000:]
        except OSError:
            return ""

    def numbers(self):
        """The last line of its statistics: column -> text."""
        with open(self.stat) as f:
            rows = list(csv.DictReader(f, delimiter=";"))
        return rows[-1] if rows else {}

    def count(self, column):
        return int(float(self.numbers().get(column) or 0))

    def calls(self):
        return self.count("TotalCallCreated")

    def failed(self):
        return self.count("FailedCall(C)")

    def retransmissions(self):
        return self.count("Retransmissions(C)")

    def finish(self, timeout=120):
        """Wait for its end; every call must have been answered as the scenario wants."""
        code = self.process.wait(timeout)
        if code != 0:
            pytest.fail(f"sipp {self.name}: exit {code}: {self.failed()} failed of {self.calls()}\n"
                        f"{self.error_text()}\n{self.process.text()[-1500:]}")
        return self

    def stop(self):
        """End a server; its statistics are complete then."""
        import signal
        self.process.stop(signal.SIGUSR1, timeout=10)
        return self


def uas(ns, folder, address, scenario="uas.xml", name=None, **more):
    """A server at `address`, listening when this returns."""
    from lib.netns import wait_until
    port = more.get("port", 5060)
    s = Sipp(ns, folder, name or f"uas-{address.replace(':', '_')}-{port}", scenario, address, **more)

    def listening():
        if not s.process.running():
            pytest.fail(f"sipp {s.name} ended: {s.process.text()[-2000:]}\n{s.error_text()}")
        return f"{host_text(address)}:{port} " in ns.run("ss", "-Huln") + " "
    wait_until(listening, 20, f"sipp {s.name} to listen")
    return s


def uac(ns, folder, address, to, calls, rate, scenario="uac.xml", name="uac", seed="s1", args=(), **more):
    """A caller that places `calls` calls, `rate` a second, to "host:port", with fixed Call-IDs."""
    return Sipp(ns, folder, name, scenario, address, "-m", calls, "-r", rate, "-cid_str", f"{seed}-%u@caller",
                "-recv_timeout", "20000", "-l", max(10, min(calls, rate * 20)), *args, to, **more)
