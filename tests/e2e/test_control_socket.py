"""The engine's control socket and key-file among misfortunes: clients that leave, engines that hang, things in the way."""
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from conftest import TANDEM

CONFIG = """\
control-socket: {folder}/edge.sock
key-file: {folder}/{keys}
interfaces:
  wan:
    vdev: "net_null0,no-rx=1"
    mac: 02:00:00:00:00:01
    addresses:
      - 192.0.2.10/24
    neighbours:
      default: 02:00:00:00:00:02
listen:
  - address: udp:192.0.2.10:5060
workers: 1
dns:
  servers:
    - 127.0.0.9:53999
trunks:
  a:
    uri: sip:192.0.2.1
    sources:
      - 192.0.2.0/24
routes:
  - from: a
    to: a
"""
SHOW = b'{"command":"show","topic":"summary"}\n'


class Edge:
    """`tandem run` over net_null."""

    def __init__(self, folder, keys="keys"):
        self.folder, self.socket = str(folder), os.path.join(str(folder), "edge.sock")
        self.file = os.path.join(self.folder, "edge.yaml")
        with open(self.file, "w") as f:
            f.write(CONFIG.format(folder=folder, keys=keys))

    def start(self):
        self.process = subprocess.Popen([TANDEM, "run", self.file], stderr=subprocess.PIPE, text=True)
        line = ""
        while "running" not in line:
            line = self.process.stderr.readline()
            assert line, f"ended with {self.process.wait()}"
        return self

    def run_to_end(self):
        return subprocess.run([TANDEM, "run", self.file], capture_output=True, text=True, timeout=30)

    def ctl(self, *args):
        return subprocess.run([TANDEM, "ctl", "-s", self.socket, *args], capture_output=True, text=True, timeout=30)

    def client(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.socket)  # without a timeout: with one, a full queue is an error
        s.settimeout(20)
        return s

    def end(self):
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def edge(tmp_path):
    e = Edge(tmp_path).start()
    yield e
    e.process.kill()
    e.process.wait()
    e.process.stderr.close()


def test_clients_that_leave_before_their_answer(edge):
    for _ in range(100):
        with edge.client() as s, contextlib.suppress(BrokenPipeError):  # more than it takes at once
            s.send(b'{"command":"show","topic":"config"}\n')
    assert edge.ctl("show", "workers").returncode == 0
    assert edge.end() == 0
    assert not os.path.exists(edge.socket)


def test_signals_at_any_time(tmp_path):
    """Wherever in its start it is, it ends, and nothing of it is left."""
    e = Edge(tmp_path)
    left = tmp_path / "tmp"
    left.mkdir()
    for ms in range(0, 400, 20):
        p = subprocess.Popen([TANDEM, "run", e.file], stderr=subprocess.DEVNULL,
                             env={**os.environ, "TMPDIR": str(left)})
        time.sleep(ms / 1000)
        p.send_signal(signal.SIGTERM)
        if ms % 40:
            p.send_signal(signal.SIGINT)
        assert p.wait(20) in (0, 1, -signal.SIGTERM, -signal.SIGINT)
        assert not os.path.exists(e.socket), f"after {ms} ms"
        assert not os.listdir(left), f"after {ms} ms"


def test_requests_in_one_piece(edge):
    with edge.client() as s, s.makefile() as answers:
        s.send(SHOW * 20)
        for _ in range(20):
            assert "summary" in json.loads(answers.readline())


def test_an_engine_that_hangs_is_told(edge):
    """Its socket is not taken away by the next one either."""
    edge.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        p = edge.ctl("show", "workers")
        assert p.returncode == 1 and "did not answer" in p.stderr
        assert p.stderr.splitlines()[:4] == [f"tandem ctl: waiting for the engine's answer, {i} s" for i in range(1, 5)]
        assert len(p.stderr.splitlines()) == 5, p.stderr
        assert time.monotonic() - started < 15
        crowd = []
        try:
            while True:  # until its queue is full
                s = socket.socket(socket.AF_UNIX)
                crowd.append(s)
                s.setblocking(False)
                s.connect(edge.socket)
        except BlockingIOError:
            pass
        p = edge.run_to_end()
        assert p.returncode == 1 and "another instance" in p.stderr
        p = edge.ctl("show", "workers")
        assert p.returncode == 1 and "hangs" in p.stderr and "engine's answer, 1 s" in p.stderr
        for s in crowd:
            s.close()
    finally:
        edge.process.send_signal(signal.SIGCONT)
    assert stat.S_ISSOCK(os.stat(edge.socket).st_mode)


def test_a_killed_engine_leaves_nothing_in_the_way(edge):
    edge.process.kill()
    edge.process.wait()
    assert os.path.exists(edge.socket)
    p = edge.ctl("show", "workers")
    assert p.returncode == 1 and "no engine runs" in p.stderr
    edge.process.stderr.close()
    edge.start()
    assert edge.ctl("show", "workers").returncode == 0
    assert edge.end() == 0


@pytest.mark.parametrize("command", ["run", "check", "resolve", "ctl", "demo"])
def test_help_and_version_of_each(command):
    p = subprocess.run([TANDEM, command, "--help"], capture_output=True, text=True, timeout=30)
    assert p.returncode == 0 and f"usage: tandem {command}" in p.stdout and not p.stderr
    p = subprocess.run([TANDEM, command, "--version"], capture_output=True, text=True, timeout=30)
    assert p.returncode == 0 and p.stdout.startswith("tandem 0.") and not p.stderr
    p = subprocess.run([TANDEM, command, "--no-such-thing"], capture_output=True, text=True, timeout=30)
    assert p.returncode == 2 and p.stderr and not p.stdout


def test_a_file_in_the_way_is_kept(tmp_path):
    e = Edge(tmp_path)
    with open(e.socket, "w") as f:
        f.write("precious")
    p = e.run_to_end()
    assert p.returncode == 1 and "no socket" in p.stderr
    with open(e.socket) as f:
        assert f.read() == "precious"


def test_a_key_file_is_made_once(tmp_path):
    """With its folder; the next start takes it as it is."""
    e = Edge(tmp_path, keys="etc/keys").start()
    try:
        with open(tmp_path / "etc" / "keys") as f:
            made = f.read()
        assert stat.S_IMODE(os.stat(tmp_path / "etc" / "keys").st_mode) == 0o600
        assert os.listdir(tmp_path / "etc") == ["keys"]
    finally:
        e.end()
        e.process.stderr.close()
    e.start()
    try:
        assert (tmp_path / "etc" / "keys").read_text() == made
    finally:
        e.end()
        e.process.stderr.close()
