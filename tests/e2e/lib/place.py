"""The lab of the call tests, ready to place calls: site, Knot DNS with carrier.test, engine.

PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import pytest

from lib.edge import Engine, Site
from lib.knot import Knot
from lib.netns import Lab

CONFIG = """
interfaces:
  wan:
    device: wan
listen:
  - address: udp:192.0.2.1:5060
  - address: udp:[2001:db8::1]:5060
dns:
  servers:
    - 192.0.2.53
  timeout: 300ms
trunks:
  carrier:
    uri: sip:carrier.test
    sources:
      - resolved
  caller:
    uri: sip:192.0.2.10
    sources:
      - 192.0.2.10
      - 2001:db8::a
routes:
  - from: caller
    to: carrier
  - from: carrier
    to: caller
"""

# Weights 50/30/20 and a second tier.
FOUR = """
_sip._udp 60 SRV 10 50 5060 pop1
_sip._udp 60 SRV 10 30 5060 pop2
_sip._udp 60 SRV 10 20 5060 pop3
_sip._udp 60 SRV 20 100 5060 pop4
pop1 60 A 192.0.2.21
pop2 60 A 192.0.2.22
pop3 60 A 192.0.2.23
pop4 60 A 192.0.2.24
"""


@pytest.fixture
def place(lab, tmp_path):
    """Start the lab: zone text -> (site, dns, engine)."""
    started = []

    def start(zone, up, config=CONFIG, **engine):
        site = Site(lab)
        knot = Knot(tmp_path / "dns", {"carrier.test": zone}, address="192.0.2.53", port=53,
                    prefix=["ip", "netns", "exec", site.dns.name])
        started.append(knot.start())
        edge = Engine(site.edge, tmp_path, config, **engine)
        edge.wait_up(up, trunk="carrier")
        return site, knot, edge

    yield start
    for knot in started:
        knot.stop()


class World:
    """A site, its DNS and one engine, for all tests of a module: see of_module."""

    def __init__(self, lab, folder, config, zones, trunks=("carrier",), targets=1):
        """zones: name -> text. Ready when one target of each of the trunks is up."""
        self.folder = folder
        self.site = Site(lab, targets=targets)
        self.knot = Knot(folder / "knot", zones, address="192.0.2.53", port=53, prefix=self.site.dns.argv()).start()
        self.engine = Engine(self.site.edge, folder, config)
        for trunk in trunks:
            self.engine.wait_up(1, trunk=trunk)


def of_module(make):
    """The fixture `world` of a module: make(lab, folder) is a World; its engine must end well."""
    @pytest.fixture(scope="module")
    def world(tmp_path_factory):
        with Lab() as lab:
            made = make(lab, tmp_path_factory.mktemp("world"))
            try:
                yield made
                assert made.engine.stop() == 0
            finally:
                made.knot.stop()

    return world
