#!/usr/bin/python3
"""Requests a second over a veth wire: Tandem, testpmd and Kamailio, by turns.

usage: bench/e2e.py --build FOLDER --json FILE [--quick] [--runs N]

One cable between two network namespaces. At one end `tandem load`, which sends INVITEs, each of
another call, and is the target as well: what is forwarded comes back over the same cable and is
counted there. At the other end the one that is measured, on one processor, the source on another.
The loop is closed: WINDOW requests are under way, so that no queue overflows and the figure is what
the slower end can do. Where that is the source, which testpmd shows, the figure is a lower bound.

  tandem    forwards by the SRV records of a domain, statefully remembered, record-routing
  kamailio  forwards by the same records, statelessly, without Record-Route: less work than
            Tandem's. One process on the processor, F_MALLOC (-x fm), DNS cache, no TCP, no log
  testpmd   gives each frame back with its MACs swapped, and reads nothing of it: what the wire
            and its driver (af_packet, as Tandem's) can do. A guard socket spares the kernel ICMP,
            as Tandem's does

All of it is bound by the kernel: both ends of a veth are system calls. cpu: CPU time of the process
that is measured, its system calls included, for each request. busy: the share of its processor that
this is; well below 1, and the source was the slower end.
"""
import argparse
import contextlib
import ctypes
import json
import os
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "tests", "e2e")]
import results as measured  # noqa: E402
import svg  # noqa: E402
from lib.knot import Knot  # noqa: E402
from lib.netns import Lab, wait_until  # noqa: E402
from lib.sockets import udp_socket  # noqa: E402

WINDOW = 128
TICKS = os.sysconf("SC_CLK_TCK")
OTHERS_MAX = 0.05  # share of the processors that others may take before a round is unfit
LOST_MAX = 0.001
NOISY = 0.10
KERNEL_BOUND = "kernel-bound: veth and packet sockets, not the engine, set the pace"

ZONE = """_sip._udp 300 SRV 10 50 5060 pop1
_sip._udp 300 SRV 10 50 5060 pop2
pop1 300 A 192.0.2.21
pop2 300 A 192.0.2.22
"""

TANDEM_CONFIG = """control-socket: {folder}/ctl.sock
key-file: {folder}/keys
interfaces:
  wan:
    device: wan
listen:
  - address: udp:192.0.2.1:5060
workers: 1
dns:
  servers: 192.0.2.53
trunks:
  carrier:
    uri: sip:carrier.test
    sources: resolved
  pbx:
    uri: sip:192.0.2.10
    sources: 192.0.2.10
routes:
  - from: pbx
    to: carrier
"""

KAMAILIO_CONFIG = """#!KAMAILIO
debug=-1
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
use_dns_cache=yes
dns_srv_lb=yes
dns_try_naptr=no
listen=udp:192.0.2.1:5060
loadmodule "pv.so"
request_route {{
    $du = "sip:carrier.test";
    forward();
}}
"""


def cpu_of(pid):
    """Seconds of a process, all its threads; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS


class Times:
    """CPU seconds of every process at this moment. Kernel threads (children of 2) do what the others
    make them do: a veth's packets, when there are many, are ksoftirqd's work."""

    def __init__(self):
        self.at = time.monotonic()
        found = {int(d): cpu_of(d) for d in os.listdir("/proc") if d.isdigit()}
        self.seconds = {pid: c[1] for pid, c in found.items() if c and c[0] != 2}
        self.parent = {pid: c[0] for pid, c in found.items() if c}

    def tree(self, root):
        """The process and all below it."""
        mine = {root}
        while more := {p for p, parent in self.parent.items() if parent in mine} - mine:
            mine |= more
        return mine


def processors():
    """(of what is measured, of the source); the same one where there is one only."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[-1], cpus[0]


class Place:
    """The cable: `world` has caller, targets and the DNS server, `dut` what is measured."""

    def __init__(self, lab, folder, build):
        self.folder, self.tandem = folder, os.path.abspath(os.path.join(build, "tandem"))
        self.world, self.dut = lab.ns("world"), lab.ns("dut")
        hosts = [f"192.0.2.{h}/24" for h in (10, 21, 22, 53)]
        lab.veth(self.world, "eth0", self.dut, "wan", hosts, ["192.0.2.1/24"])
        # What comes back is taken by the source's packet socket; the kernel shall not answer it.
        self.world.run("nft", "add table netdev t; add chain netdev t c { type filter hook ingress device eth0 "
                       "priority 0; }; add rule netdev t c udp dport 5060 drop")
        self.cpu, self.source_cpu = processors()

    def start(self, *args, **more):
        return self.dut.start("taskset", "-c", self.cpu, *args, **more)

    def load(self, seconds):
        """Start the source."""
        return self.world.start("taskset", "-c", self.source_cpu, self.tandem, "load", "--json", "--rate", 0,
                                "--window", WINDOW, "--method", "INVITE", "--seconds", seconds, "--timeout", 500,
                                "192.0.2.1")


def start_tandem(place, stack):
    config = os.path.join(place.folder, "edge.yaml")
    with open(config, "w") as f:
        f.write(TANDEM_CONFIG.format(folder=place.folder))
    process = place.start(place.tandem, "run", config)
    process.expect("tandem: running", 20)

    def up():
        told = place.dut.run(place.tandem, "ctl", "-s", f"{place.folder}/ctl.sock", "--json", "show", "targets")
        return sum(t["trunk"] == "carrier" and t["state"] == "up" for t in json.loads(told)["targets"]) == 2
    wait_until(up, 15, "both targets up")
    return process


def guard(place, stack):
    """A socket that holds the port and drops what it gets, as the engine's guard does."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0), 8)
    s = udp_socket(place.dut, "192.0.2.1", 5060)
    s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(drop)))  # SO_ATTACH_FILTER
    stack.callback(s.close)


def start_testpmd(place, stack):
    guard(place, stack)
    process = place.start("dpdk-testpmd", "--no-huge", "--no-pci", "-m", "512", "--no-shconf", "--no-telemetry",
                          "--iova-mode=va", "--log-level=error", "--lcores", f"0@{place.cpu},1@{place.cpu}",
                          "--vdev=net_af_packet0,iface=wan", "--", "--forward-mode=macswap", "--total-num-mbufs=8192",
                          "--auto-start", "--interactive")
    process.expect("macswap packet forwarding", 20)
    return process


def start_kamailio(place, stack):
    config = os.path.join(place.folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(KAMAILIO_CONFIG.format())
    process = place.start("kamailio", "-f", config, "-DD", "-E", "-x", "fm", "-m", "64", "-M", "8", "-n", "1", "-w",
                          place.folder, "-P", f"{place.folder}/kamailio.pid", "-Y", place.folder)
    wait_until(lambda: "192.0.2.1:5060 " in place.dut.run("ss", "-Huln") + " ", 20,
               lambda: f"kamailio to listen; it says {process.text()[-1000:]}")
    return process


KINDS = {"tandem": start_tandem, "testpmd": start_testpmd, "kamailio": start_kamailio}


def measure(place, kind, seconds):
    """One round of one kind: {"rate", "cpu_ns", "busy", "unfit": text or None}."""
    with contextlib.ExitStack() as stack:
        process = KINDS[kind](place, stack)
        stack.callback(process.stop)
        warm = place.load(0.2)
        warm.wait(20)
        source = place.load(seconds)
        before = Times()
        source.wait(seconds + 20)
        after = Times()
        told = json.loads(source.text())
    # The source has ended: it is in neither list of what the others used.
    own = after.tree(process.pid) | before.tree(process.pid)
    used = sum(after.seconds.get(p, 0) - before.seconds.get(p, 0) for p in own)
    others = sum(s - before.seconds.get(p, 0) for p, s in after.seconds.items()
                 if p not in own and p != os.getpid())
    done = told["came_back"] + told["answered"]
    if not done:
        sys.exit(f"e2e: {kind}: nothing came back: {told}\n{process.text()[-2000:]}")
    unfit = None
    if place.cpu == place.source_cpu:
        unfit = "source and server had to share one processor"
    elif others > OTHERS_MAX * (after.at - before.at) * len(os.sched_getaffinity(0)):
        unfit = "the processors were not free: others ran on them meanwhile"
    elif told["lost"] > LOST_MAX * told["sent"]:
        unfit = f"{told['lost']} of {told['sent']} requests were lost"
    return {"rate": done / told["seconds"], "cpu_ns": used / done * 1e9, "busy": used / told["seconds"], "unfit": unfit}


def result(name, unit, rounds, key):
    values = [r[key] for r in rounds]
    unfit = [r["unfit"] for r in rounds if r["unfit"]]
    made = {"name": name, "value": statistics.median(values), "unit": unit, "spread": measured.spread(values),
            "runs": len(values), "noisy": measured.spread(values) > NOISY, "values": values, "note": KERNEL_BOUND}
    if unfit:
        made["note"] += f"; {len(unfit)} of {len(rounds)} rounds: {unfit[-1]}"
    if len(unfit) * 2 > len(rounds):
        made["invalid"] = True
    return made


def print_table(found):
    width = max(len(r["name"]) for r in found)
    print(f"\n{'NAME':{width}}    MEDIAN    SPREAD  RUNS")
    for r in found:
        show = {"ns": svg.ns, "share": svg.percent}.get(r["unit"], lambda v: svg.number(v) + "/s")
        value = show(r["value"])
        mark = "invalid" if r.get("invalid") else "noisy" if r["noisy"] else ""
        print(f"{r['name']:{width}}  {value:>8}  {svg.percent(r['spread']):>8}  {r['runs']:4}  {mark}".rstrip())
    for note in dict.fromkeys(r["note"] for r in found):
        print(note)


@contextlib.contextmanager
def resolver_of(ns, folder):
    """Have `ip netns exec` give the namespace its own resolv.conf (Kamailio asks the system's)."""
    path = f"/etc/netns/{ns.name}"
    os.makedirs(path)
    with open(os.path.join(path, "resolv.conf"), "w") as f:
        f.write("nameserver 192.0.2.53\n")
    try:
        yield
    finally:
        shutil.rmtree(path)
        with contextlib.suppress(OSError):  # others' are there too
            os.rmdir("/etc/netns")


def run(build, kinds, rounds, seconds):
    found = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        place = Place(lab, folder, build)
        with Knot(os.path.join(folder, "knot"), {"carrier.test": ZONE}, address="192.0.2.53", port=53,
                  prefix=place.world.argv()), resolver_of(place.dut, folder):
            for i in range(rounds):
                print(f"e2e: round {i + 1} of {rounds}", file=sys.stderr)
                for kind in kinds:
                    found[kind].append(measure(place, kind, seconds))
    out = []
    for kind in kinds:
        out.append(result(f"e2e.{kind}", "requests/s", found[kind], "rate"))
        out.append(result(f"e2e.{kind}.cpu", "ns", found[kind], "cpu_ns"))
        out.append(result(f"e2e.{kind}.busy", "share", found[kind], "busy"))
    return out


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    p.add_argument("--build", required=True)
    p.add_argument("--json", required=True)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--runs", type=int)
    args = p.parse_args()
    if os.geteuid() != 0:
        print("e2e: left out: network namespaces need root", file=sys.stderr)
        found = []
    else:
        programs = {"tandem": "ip", "testpmd": "dpdk-testpmd", "kamailio": "kamailio"}
        kinds = [k for k in KINDS if shutil.which(programs[k])]
        for k in set(KINDS) - set(kinds):
            print(f"e2e: {k} is left out: no {programs[k]}; see tools/install-deps bench", file=sys.stderr)
        found = run(args.build, kinds, args.runs or (2 if args.quick else 7), 0.4 if args.quick else 2.5)
        print_table(found)
    with open(args.json, "w") as f:
        json.dump({"results": found}, f, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
