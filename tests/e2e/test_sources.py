"""Two trunks whose names come to one address: who keeps it, and who is told."""
import re

from lib.edge import TANDEM
from lib.netns import wait_until
from lib.place import CONFIG

pytest_plugins = ["lib.netns", "lib.place"]

SECOND = """  zweig:
    uri: sip:zweig.carrier.test
    source-linger: 1s
    sources:
      - resolved
  caller:
"""
ZONE = """
_sip._udp 2 SRV 10 50 5060 pop1
_sip._udp.zweig 2 SRV 10 50 5060 {}
pop1 2 A 192.0.2.21
pop2 2 A 192.0.2.22
"""


def shared(edge):
    return edge.ctl("show", "trunks")["shared_sources"]


def warnings(edge):
    return [line for line in edge.process.lines if "shared-source" in line]


def test_two_names_at_one_address(place):
    """The first in the file keeps it; told once when it begins, once when it ends, and shown in between."""
    site, knot, edge = place(ZONE.format("pop2"), 1, config=CONFIG.replace("  caller:\n", SECOND, 1))
    edge.wait_up(1, trunk="zweig")
    assert shared(edge) == [] and warnings(edge) == []
    knot.edit("carrier.test", ZONE.format("pop1"))
    wait_until(lambda: shared(edge), 10, "a shared source")
    because = "it is first in the file"
    assert shared(edge) == [{"address": "192.0.2.21", "kept_by": "carrier", "also_claimed_by": "zweig", "because": because}]
    text = edge.ns.run(TANDEM, "ctl", "-s", edge.socket, "show", "trunks")
    assert re.search(r"^192\.0\.2\.21 +carrier +zweig +it is first in the file$", text, re.M), text
    assert [line.split("; ")[0] for line in warnings(edge)] == [
        "tandem: warning: shared-source: 192.0.2.21: trunks 'carrier' and 'zweig' both claim it"]
    assert f"'carrier' keeps it ({because})" in warnings(edge)[0]
    knot.edit("carrier.test", ZONE.format("pop2"))
    wait_until(lambda: not shared(edge), 15, "an end of sharing")
    assert len(warnings(edge)) == 2, warnings(edge)
    assert "no longer between 'carrier' and 'zweig'" in warnings(edge)[-1]
