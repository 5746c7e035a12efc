"""What `tandem ctl` prints for people: every topic, and the live view on a terminal and in a pipe."""
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from lib.edge import TANDEM
from lib.netns import wait_until
from lib.place import FOUR

pytest_plugins = ["lib.netns", "lib.place"]

HEADS = {
    "trunks": "TRUNK URI LIVE REQUESTS IN OUT ANSWERED DROPPED",
    "targets": "TRUNK TIER SHARE TARGET HOST WEIGHT REQUESTS STATE",
    "workers": "WORKER CPU BUSY REQUESTS RESPONSES GIVEN TAKEN PARKED",
    "stages": "STAGE SHARE TIME A MESSAGE WHAT",
    "drops": "no packet was dropped",
    "memory": "WHAT SIZE",
}


class Terminal:
    """A program on a terminal of 80 by 24."""

    def __init__(self, argv, env=None):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, dict(os.environ, TERM="xterm", **(env or {})))
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def until(self, pattern, timeout=10):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            if time.monotonic() > end:
                pytest.fail(f"no /{pattern}/ on the terminal; it has {self.seen[-2000:]!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode()
                except OSError:  # the other end is closed
                    break

    def end(self, timeout=5):
        """Read to the end; gives the exit code."""
        end = time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                if select.select([self.fd], [], [], 0.1)[0]:
                    data = os.read(self.fd, 65536)
                    if not data:
                        break
                    self.seen += data.decode()
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_every_topic_fits_80_columns(place):
    site, _, edge = place(FOUR, 4)
    site.caller.run("python3", "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                                     ".sendto(b'nonsense', ('192.0.2.1', 5060))")
    wait_until(edge.drops, 5, "a drop")
    for topic in [*HEADS, "config"]:
        text = edge.ns.run(TANDEM, "ctl", "-s", edge.socket, "show", topic)
        lines = text.splitlines()
        too_long = [line for line in lines if len(line) > 80 and edge.folder not in line]
        assert lines and not too_long, f"{topic}: {too_long}"
        if topic == "drops":
            assert lines[0].split() == ["REASON", "COUNT", "WHAT"] and len(lines) == 2
        elif topic in HEADS:
            assert " ".join(lines[0].split()) == HEADS[topic]
    assert re.search(r"^trunks\.carrier\.uri +sip:carrier\.test$", text, re.M), text
    assert re.search(r"^listen\.1\.address +192\.0\.2\.1:5060$", text, re.M), text


def test_stages_add_up_to_the_whole(place):
    site, _, edge = place(FOUR, 4)
    site.caller.run("python3", "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                                     ".sendto(b'nonsense', ('192.0.2.1', 5060))")
    wait_until(edge.drops, 5, "a drop")

    def by_stage(shown):
        return {s["stage"]: s for s in shown["stages"]}
    # Workers that wait for the first packets, and their neighbours, are busy for a moment.
    wait_until(lambda: by_stage(edge.ctl("show", "stages"))["idle"]["share"] > 0.9, 20, "idle workers")
    began, shown = time.monotonic(), edge.ctl("show", "stages")
    stages = by_stage(shown)
    assert list(stages)[0] == "rx" and list(stages)[-1] == "idle"
    assert sum(s["seconds"] for s in stages.values()) == pytest.approx(shown["seconds"], rel=1e-4)
    assert sum(s["share"] for s in stages.values()) == pytest.approx(1, rel=1e-4)
    assert shown["messages"] >= 1 and stages["parse"]["seconds"] > 0
    # It is the workers' whole time: a second later they have a second more each.
    time.sleep(1)
    again = edge.ctl("show", "stages")["seconds"]
    passed = (time.monotonic() - began) * shown["workers"]
    assert again - shown["seconds"] == pytest.approx(passed, rel=0.3)


def test_watch_in_a_pipe_prints_a_line_per_change(place):
    site, knot, edge = place(FOUR.replace(" 60 ", " 2 "), 4)
    watch = edge.ns.start(TANDEM, "ctl", "-s", edge.socket, "watch")
    for i in range(21, 25):
        watch.expect(rf"^carrier 192\.0\.2\.{i}:5060 (up|standby)$")
        watch._next = 0
    watch.mark()
    knot.edit("carrier.test", FOUR.replace(" 60 ", " 2 ").replace("pop4 2 A 192.0.2.24", "pop4 2 A 192.0.2.25"))
    watch.expect(r"^carrier 192\.0\.2\.25:5060 ", 15)
    assert "\x1b" not in watch.text()
    assert len(watch.lines) <= 7, watch.text()  # five targets, and what became of the new one
    assert watch.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("leave", ["q", "\x03"])
def test_watch_on_a_terminal_paints_in_place(place, leave):
    _, _, edge = place(FOUR, 4)
    terminal = Terminal(edge.ns.argv(TANDEM, "ctl", "-s", edge.socket, "watch"))
    terminal.until(r"192\.0\.2\.24:5060")
    assert "\x1b[?1049h" in terminal.seen  # the alternate screen
    os.write(terminal.fd, leave.encode())
    assert terminal.end() == 0
    assert terminal.seen.rstrip().endswith("\x1b[?1049l") or "\x1b[?1049l" in terminal.seen[-40:]


def test_watch_tells_of_an_engine_that_ends(place):
    _, _, edge = place(FOUR, 4)
    watch = edge.ns.start(TANDEM, "ctl", "-s", edge.socket, "watch")
    watch.expect("^carrier ")
    assert edge.stop() == 0
    assert watch.wait(5) == 1
    assert re.search(r"^tandem ctl: .*; .*$", watch.lines[-1]), watch.text()
    r = subprocess.run([TANDEM, "ctl", "-s", edge.socket, "show", "targets"], capture_output=True, text=True, timeout=10)
    assert r.returncode == 1 and r.stderr.startswith(f"tandem ctl: {edge.socket}: ") and ";" in r.stderr, r.stderr
