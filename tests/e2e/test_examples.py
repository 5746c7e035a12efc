"""Each file in examples/ does what it is there for."""
import os
import re
import signal
import subprocess

import pytest

from lib import wire
from lib.edge import ROOT, TANDEM
from lib.knot import Knot
from lib.netns import sh, wait_until
from lib.sipp import uac, uas

pytest_plugins = ["lib.netns"]

EXAMPLES = os.path.join(ROOT, "examples")
TESTED = {"lab.sh", "lab.yaml", "edge.yaml", "two-trunks.yaml", "pcap-replay.yaml"}

CARRIER = "_sip._udp 60 SRV 10 1 5060 pop\npop 60 A 192.0.2.60\n"

INVITE = """INVITE sip:+4930{0}@192.0.2.10 SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKreplay{0}\r
From: <sip:alice@192.0.2.50>;tag=a{0}\r
To: <sip:+4930{0}@192.0.2.10>\r
Call-ID: replay-{0}@192.0.2.50\r
CSeq: 1 INVITE\r
Contact: <sip:alice@192.0.2.50>\r
Max-Forwards: 70\r
Content-Type: text/plain\r
Content-Length: 6\r
\r
body {1}"""


class Run:
    """An example as it stands, but for the files that it keeps on this machine."""

    def __init__(self, ns, name, folder, edits=()):
        with open(os.path.join(EXAMPLES, name)) as f:
            text = f.read()
        for key in "control-socket", "key-file":
            text = re.sub(rf"^{key}:.*\n", "", text, flags=re.M)
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        self.socket = f"{folder}/edge.sock"
        path = folder / name
        path.write_text(f"control-socket: {self.socket}\nkey-file: {folder}/keys\n{text}")
        self.ns = ns
        self.process = ns.start(TANDEM, "run", path, cwd=folder)
        self.process.expect("tandem: running", 20)

    def show(self, topic):
        return self.ns.run(TANDEM, "ctl", "-s", self.socket, "show", topic)

    def stop(self):
        assert self.process.stop(signal.SIGTERM) == 0, self.process.text()


def test_every_example_is_tested():
    assert set(os.listdir(EXAMPLES)) == TESTED


@pytest.mark.parametrize("name", sorted(n for n in TESTED if n.endswith(".yaml")))
def test_check_likes_it(tandem, name):
    r = tandem("check", os.path.join(EXAMPLES, name))
    assert (r.returncode, r.stderr) == (0, ""), r.stderr


def test_two_trunks(lab, tmp_path):
    edge, pbx, carrier = lab.ns("edge"), lab.ns("pbx"), lab.ns("carrier")
    lab.star(edge=(edge, "eth0", ["192.0.2.10/24"]), pbx=(pbx, "eth0", ["192.0.2.50/24"]),
             pop=(carrier, "eth0", ["192.0.2.60/24", "192.0.2.53/24"]))
    with Knot(tmp_path / "dns", {"sip.carrier.example": CARRIER}, address="192.0.2.53", port=53,
              prefix=["ip", "netns", "exec", carrier.name]):
        # The machine's resolv.conf is not the lab's.
        run = Run(edge, "two-trunks.yaml", tmp_path, [("trunks:", "dns:\n  servers:\n    - 192.0.2.53\ntrunks:")])
        wait_until(lambda: re.search("192.0.2.60:5060.* up$", run.show("targets"), re.M), 10, "the carrier's target")
        server = uas(carrier, tmp_path, "192.0.2.60")
        caller = uac(pbx, tmp_path, "192.0.2.50", "192.0.2.10:5060", 20, 20).finish()
        server.stop()
        assert (caller.failed(), server.calls(), server.failed()) == (0, 20, 0)
        run.stop()


def test_edge(lab, tmp_path):
    edge, world, house = lab.ns("edge"), lab.ns("world"), lab.ns("house")
    lab.veth(edge, "eth1", world, "eth0", ["192.0.2.10/24", "2001:db8::10/64"], ["192.0.2.53/24", "2001:db8::53/64"])
    lab.veth(edge, "eth2", house, "eth0", ["10.0.0.1/24"], ["10.0.0.5/24"])
    run = Run(edge, "edge.yaml", tmp_path)
    wait_until(lambda: re.search(r"10\.0\.0\.5:5060.* up$", run.show("targets"), re.M), 10, "the PBX")
    workers = run.show("workers").split("\n\n")[0].splitlines()  # then the control thread's turns
    assert len(workers) == 3 and workers[0].split()[0] == "WORKER"
    run.stop()


def test_pcap_replay(lab, tmp_path):
    bodies = [f"body {i % 10}" for i in range(200)]
    wire.write(tmp_path / "in.pcap", [INVITE.format(i, i % 10).encode() for i in range(200)], ("192.0.2.50", 5060),
               ("192.0.2.10", 5060))
    run = Run(lab.ns("replay"), "pcap-replay.yaml", tmp_path)
    wait_until(lambda: re.search(r"^servers .* 200 ", run.show("trunks"), re.M), 10, lambda: run.show("trunks"))
    assert run.show("drops") == "no packet was dropped\n"
    run.stop()

    out = wire.messages(tmp_path / "out.pcap")
    assert len(out) == 200
    assert sorted(m.call_id for m in out) == sorted(f"replay-{i}@192.0.2.50" for i in range(200))
    for m in out:
        i = int(m.call_id.split("@")[0].split("-")[1])
        assert (m.source, m.target) == (("192.0.2.10", 5060), ("198.51.100.7", 5060))
        assert m.start == f"INVITE sip:+4930{i}@198.51.100.7:5060 SIP/2.0"
        assert m.text.split("\r\n\r\n", 1)[1] == bodies[i]
        vias = re.findall(r"^Via: (.*)$", m.text.replace("\r", ""), re.M)
        assert vias[0].startswith("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK") and f"replay{i}" in vias[1]
    with open(tmp_path / "out.pcap", "rb") as f:
        frame = f.read()[40:]
    assert frame[:12].hex() == "0200000000fe020000000001"  # `default` of the neighbours, from our `mac`


def test_the_walk_of_the_readme():
    # Returns when nothing holds its output any more: a program left running would be seen here.
    r = subprocess.run([os.path.join(EXAMPLES, "lab.sh"), "50"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=60, env=dict(os.environ, TANDEM=TANDEM))
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    assert re.search(r"Successful call .* 50 *$", r.stdout, re.M)
    requests = dict(re.findall(r"^carrier .* udp (\S+):5060 .* (\d+)  (?:up|standby)$", r.stdout, re.M))
    assert sum(map(int, requests.values())) == 150 and requests["192.0.2.103"] == "0", r.stdout
    assert "no packet was dropped" in r.stdout
    assert not re.search(r"^lab-", sh("ip", "netns", "list"), re.M)
