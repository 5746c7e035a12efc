"""An engine's life: how fast it starts and ends, what it leaves behind, what it needs, what it costs when idle."""
import glob
import os
import pathlib
import shutil
import signal
import tempfile
import time

import pytest

from lib.edge import TANDEM, Engine
from lib.netns import wait_until
from lib.place import CONFIG, FOUR
from lib.sipp import uac, uas

pytest_plugins = ["lib.netns", "lib.place"]

# As nobody, with two capabilities and no way to more.
TWO_CAPABILITIES = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--no-new-privs",
                    "--inh-caps", "-all,+net_raw,+net_admin", "--ambient-caps", "-all,+net_raw,+net_admin",
                    "--bounding-set", "-all,+net_raw,+net_admin")
NO_CAPABILITIES = TWO_CAPABILITIES[:7] + ("--inh-caps", "-all", "--ambient-caps", "-all", "--bounding-set", "-all")


@pytest.fixture
def open_folder():
    """A folder that nobody may enter and write, unlike pytest's own."""
    folder = tempfile.mkdtemp(prefix="tandem-test-")
    os.chmod(folder, 0o777)
    yield pathlib.Path(folder)
    shutil.rmtree(folder)


def runtime_folders():
    return {p for pattern in ("/tmp/tandem-??????", "/var/run/dpdk/tandem-*", "/tmp/dpdk/tandem-*", "/run/user/*/dpdk/tandem-*")
            for p in glob.glob(pattern)}


def managed(site):
    return [ip for ip, n in site.edge.neighbours("wan").items() if "managed" in n]


def cpu_seconds(pid):
    """What all threads of a process have run, to the nanosecond."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def test_starts_within_two_seconds(place, tmp_path):
    site, _, edge = place(FOUR, 4)
    took = [edge.start_seconds]
    for _ in range(2):
        assert edge.stop() == 0
        edge = Engine(site.edge, tmp_path, CONFIG)
        took.append(edge.start_seconds)
    print("start:", ", ".join(f"{t:.3f} s" for t in took))
    assert min(took) < 2  # the machine may be busy; the engine is not slower than its best


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "ctl stop"])
def test_ends_within_a_second_and_leaves_nothing(place, tmp_path, how):
    before = runtime_folders()
    socket = f"{tmp_path}/run/edge.sock"
    site, _, edge = place(FOUR, 4, socket=socket)
    took = []
    for again in range(3):
        edge = edge if again == 0 else Engine(site.edge, tmp_path, CONFIG, socket=socket)
        assert os.path.exists(edge.socket)
        wait_until(lambda: len(managed(site)) == 5, 10, "five managed neighbours")
        begin = time.monotonic()
        if how == "ctl stop":
            assert site.edge.run(TANDEM, "ctl", "-s", edge.socket, "stop") == ""
            code = edge.process.wait(5)
        else:
            code = edge.stop(getattr(signal, how))
        took.append(time.monotonic() - begin)
        assert code == 0, edge.process.text()
        assert not os.path.exists(edge.socket)
        assert not os.path.exists(f"{tmp_path}/run")  # made by the engine
        assert managed(site) == []
        assert runtime_folders() <= before
        assert "192.0.2.1:5060" not in site.edge.run("ss", "-Huln")
    print("end:", ", ".join(f"{t:.3f} s" for t in took))
    assert min(took) < 1


def test_a_second_signal_ends_it_at_once(place):
    _, _, edge = place(FOUR, 4)
    edge.process.popen.send_signal(signal.SIGSTOP)  # both arrive before it has done anything about the first
    edge.process.popen.send_signal(signal.SIGINT)
    edge.process.popen.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    edge.process.popen.send_signal(signal.SIGCONT)
    assert edge.process.wait(5) in (0, 1)
    assert time.monotonic() - begin < 1
    assert not os.path.exists(edge.socket)


def test_idle_costs_next_to_nothing(place):
    _, _, edge = place(FOUR, 4)
    seconds, shares = 3.0, []
    for _ in range(2):
        begin = time.monotonic()
        used = cpu_seconds(edge.pid)
        time.sleep(seconds)  # what is measured is the doing of nothing
        shares.append((cpu_seconds(edge.pid) - used) / (time.monotonic() - begin))
    print("idle:", ", ".join(f"{100 * s:.2f} %" for s in shares), "of a core")
    assert min(shares) < 0.02


def test_two_capabilities_suffice(place, open_folder, tmp_path):
    site, _, root_edge = place(FOUR, 4)
    assert root_edge.stop() == 0
    binary = open_folder / "tandem"  # a build folder may be closed to others
    shutil.copy(TANDEM, binary)
    edge = Engine(site.edge, open_folder, CONFIG, keys=None, prefix=TWO_CAPABILITIES, binary=str(binary))
    edge.wait_up(4, trunk="carrier")
    with open(f"/proc/{edge.pid}/status") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 12 | 1 << 13
    assert status["Uid"].split()[0] != "0"
    servers = [uas(site.pop, tmp_path, f"192.0.2.{21 + i}") for i in range(3)]
    caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", 50, 50).finish()
    for s in servers:
        s.stop()
    assert (caller.calls(), caller.failed(), caller.retransmissions()) == (50, 0, 0)
    assert edge.stop() == 0
    assert not os.path.exists(edge.socket)


def ring_frames(edge):
    return edge.ctl("show", "config")["config"]["interfaces"][0]["ring-frames"]


@pytest.mark.parametrize("limit,frames", [(8 << 20, 128), (1 << 20, 16)])
def test_small_rings_are_told(place, open_folder, limit, frames):
    """Without CAP_IPC_LOCK the rings are what the limit of locked memory leaves: how deep, why, and what to do."""
    site, _, root_edge = place(FOUR, 4)
    assert ring_frames(root_edge) == 512 and "small-rings" not in root_edge.process.text()
    assert root_edge.stop() == 0
    binary = open_folder / "tandem"
    shutil.copy(TANDEM, binary)
    edge = Engine(site.edge, open_folder, CONFIG, keys=None, prefix=("prlimit", f"--memlock={limit}:{limit}", *TWO_CAPABILITIES),
                  binary=str(binary))
    assert ring_frames(edge) == frames
    assert [line for line in edge.process.lines if "small-rings" in line] == [f"tandem: warning: small-rings: interfaces.wan: {frames} frames a ring instead of 512: the process may lock "
                    f"{limit >> 10} KB of memory; bursts of more are lost: raise LimitMEMLOCK= (`ulimit -l`) or give it CAP_IPC_LOCK"]


def test_without_capabilities_it_says_which(place, open_folder):
    site, _, root_edge = place(FOUR, 4)
    assert root_edge.stop() == 0
    binary = open_folder / "tandem"
    shutil.copy(TANDEM, binary)
    config = open_folder / "edge.yaml"
    config.write_text(f"control-socket: {open_folder}/edge.sock\nkey-file: {open_folder}/edge.keys\n" + CONFIG)
    process = site.edge.start(*NO_CAPABILITIES, binary, "run", config)
    assert process.wait(10) == 1
    assert "wan: may not open packet sockets; run as root or with CAP_NET_RAW and CAP_NET_ADMIN" in process.text()
    assert not os.path.exists(open_folder / "edge.sock")
