"""`tandem demo`: in a pipe, on terminals of all sorts, ended early, as nobody, twice at once."""
import fcntl
import glob
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

import pytest

from conftest import TANDEM

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
PATIENCE = 60.0  # seconds that anything may take on a busy machine


def demo(*args, **more):
    return subprocess.run([TANDEM, "demo", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE, **more)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """Whatever the demo makes for itself, it makes here, and it has to be gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    before = set(glob.glob("/dev/hugepages/tandem*"))
    yield
    assert os.listdir(tmp_path) == []
    assert set(glob.glob("/dev/hugepages/tandem*")) <= before


def check_summary(text, phases=4):
    """All held, and the figures say so too."""
    assert "all held" in text
    assert "lost 0   unknown 0" in text
    assert "moves were counted on 20 000 calls" in text
    events = re.findall(r"^> \d+ s  (.*)$", text, re.M)
    assert len(events) == phases
    blocks = re.findall(r"^([a-z0-9 ]+): ([\d ]+) calls, chi-square p = (\S+)$", text, re.M)
    assert [b[0] for b in blocks] == ["all up", "one drained", "tier 0 down", "all back"][:phases]
    for name, calls, p in blocks:
        assert int(calls.replace(" ", "")) > 1000, name
        assert float(p) >= 1e-6, name


class Terminal:
    """The demo on a pseudo-terminal."""

    def __init__(self, *args, columns=80, rows=24, term="xterm", **env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        self.process = subprocess.Popen([TANDEM, "demo", *args], stdin=slave, stdout=slave, stderr=slave,
                                        env={**os.environ, "TERM": term, **env}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def read(self, until=None):
        """Read up to the text `until`, or to the end of the process."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if until is not None and until in self.seen:
                return self.seen
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.seen += os.read(self.master, 65536)
            elif self.process.poll() is not None:
                assert until is None, f"ended before {until}: {self.seen[-2000:]}"
                return self.seen
        raise AssertionError(f"{until or 'its end'} did not come: {self.seen[-2000:]}")

    def end(self):
        """The exit code; checks that the terminal is as it was."""
        self.read()
        code = self.process.wait(PATIENCE)
        now = termios.tcgetattr(self.slave)
        assert now[3] == self.before[3], "echo or line mode were not restored"
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    opened = []

    def make(*args, **more):
        opened.append(Terminal(*args, **more))
        return opened[-1]

    yield make
    for t in opened:
        t.close()


def pictures(seen):
    """What each repaint of the alternate screen showed, as lines without escape sequences."""
    inside = seen[seen.index(ENTER):seen.index(LEAVE)]
    for picture in inside.split(b"\x1b[H")[1:]:
        text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", picture).decode()
        yield [line.rstrip() for line in text.split("\r\n")]


def test_in_a_pipe():
    r = demo("--seconds", "4", "--seed", "7")
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stderr == ""
    assert "\x1b" not in r.stdout
    assert r.stdout.startswith("Tandem ") and "seed 7" in r.stdout.splitlines()[0]
    check_summary(r.stdout)
    assert re.search(r"drained 10\.0\.0\.2: (29|30|31)\.\d % of calls moved \(its own\), 0 others", r.stdout)
    assert "tier 0 down: 100.0 % of calls moved (all) to 10.0.1.1" in r.stdout
    assert "tier 0 back: 100.0 % of calls moved, all where they began" in r.stdout
    assert all(len(line) <= 80 for line in r.stdout.splitlines())


def test_something_to_read_within_a_second():
    start = time.monotonic()
    with subprocess.Popen([TANDEM, "demo", "--seconds", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as p:
        assert p.stdout.readline().startswith(b"Tandem ")
        assert time.monotonic() - start < 1
        assert p.stdout.readline().startswith(b"> 0 s ")
        p.stdout.read()
        assert p.wait(PATIENCE) == 0


def test_help_and_wrong_use():
    r = demo("--help")
    assert r.returncode == 0
    examples = re.findall(r"^  (tandem demo.*)$", r.stdout.split("Examples:")[1], re.M)
    assert len(examples) == 3
    for wrong in (["--seconds", "0"], ["--seconds", "x"], ["--seed", "-1"], ["--seed", "y"], ["--nonsense"], ["more"]):
        r = demo(*wrong)
        assert r.returncode == 2, wrong
        assert r.stdout == "" and r.stderr


def test_same_seed_same_calls_move():
    lines = [re.search(r"drained .*", demo("--seconds", "1", "--seed", "11").stdout)[0] for _ in range(2)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal(terminal, columns):
    t = terminal("--seconds", "4", columns=columns)
    assert t.end() == 0, t.seen
    assert t.seen.count(ENTER) == 1 and t.seen.count(LEAVE) == 1
    shown = list(pictures(t.seen))
    assert len(shown) > 5
    assert all(len(line) <= columns for picture in shown for line in picture)
    # The table and each event were shown live.
    live = "\n".join(shown[-1])
    assert ("REQUESTS" in live) == (columns == 80)
    for word in ("WANTED", "10.0.0.1", "standby", "4 s" if columns == 80 else "demo", "drained", "tier 0 back"):
        assert word in live, live
    states = {line.split()[-1] for picture in shown for line in picture if "10.0." in line and "%" in line}
    assert {"up", "draining", "down", "standby"} <= states
    after = t.seen[t.seen.index(LEAVE):].decode().replace("\r\n", "\n")
    assert "all held" in after


def test_colour_only_where_wanted(terminal):
    assert b"\x1b[32mup" in terminal("--seconds", "1").read(LEAVE)
    assert b"\x1b[32m" not in terminal("--seconds", "1", NO_COLOR="1").read(LEAVE)


def test_dumb_terminal(terminal):
    t = terminal("--seconds", "3", term="dumb")
    assert t.end() == 0
    assert b"\x1b" not in t.seen
    check_summary(t.seen.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize("how", ["ctrl-c", "q", "SIGTERM", "SIGHUP"])
def test_ended_early(terminal, how):
    t = terminal("--seconds", "50")
    t.read(b"published")
    if how in ("ctrl-c", "q"):
        os.write(t.master, b"\x03" if how == "ctrl-c" else b"q")
    else:
        t.process.send_signal(getattr(signal, how))
    start = time.monotonic()
    assert t.end() == 0, t.seen
    assert time.monotonic() - start < 10
    assert b"(ended early)" in t.seen and b"all held" in t.seen
    assert t.seen.count(LEAVE) == 1


def test_interrupt_in_a_pipe():
    with subprocess.Popen([TANDEM, "demo", "--seconds", "50"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as p:
        first = p.stdout.readline() + p.stdout.readline()
        p.send_signal(signal.SIGINT)
        rest = p.stdout.read()
        assert p.wait(PATIENCE) == 0
    assert "(ended early)" in rest and "all held" in rest, first + rest


def test_terminal_restored_after_a_crash(terminal):
    t = terminal("--seconds", "50")
    t.read(b"published")
    t.process.send_signal(signal.SIGSEGV)
    assert t.end() == -signal.SIGSEGV
    assert t.seen.endswith(LEAVE)


def test_as_nobody():
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        # A copy that nobody may reach, wherever the build folder is.
        binary = os.path.join(home, "tandem")
        with open(TANDEM, "rb") as f, open(binary, "wb") as g:
            g.write(f.read())
        os.chmod(binary, 0o755)
        before = set(os.listdir(home))
        r = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all",
                            binary, "demo", "--seconds", "2"], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=PATIENCE, cwd=home, env={"TMPDIR": home, "PATH": os.environ["PATH"]})
        assert r.returncode == 0, r.stdout + r.stderr
        check_summary(r.stdout)
        assert set(os.listdir(home)) == before


def test_two_side_by_side():
    both = [subprocess.Popen([TANDEM, "demo", "--seconds", "3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for p in both:
        out, err = p.communicate(timeout=PATIENCE)
        assert p.returncode == 0, out + err
        check_summary(out)
