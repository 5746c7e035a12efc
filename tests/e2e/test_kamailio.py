"""Kamailio as the target: two instances that record-route by a name which is both of theirs.

An in-dialog request has our Route on top and theirs below it; theirs is a name with an SRV record
for each instance, and the one that the call began on is the only one that knows it.
"""
import collections
import contextlib

import pytest

from lib import wire
from lib.edge import Engine, Site, with_trunks
from lib.knot import Knot
from lib.netns import Lab, wait_until
from lib.scenario import CALLER, SDP, TARGET, recv_request, recv_response, scenario
from lib.sipp import uac, uas

INSTANCES = ("192.0.2.21", "192.0.2.22")

CONFIG = with_trunks("""\
trunks:
  carrier:
    uri: sip:voip.test
    sources: resolved
  pbx:
    uri: sip:192.0.2.10
    sources: 192.0.2.10
routes:
  - from: pbx
    to: carrier
""")

ZONE = """_sip._udp 60 SRV 10 50 5060 kam1
_sip._udp 60 SRV 10 50 5060 kam2
kam1 60 A 192.0.2.21
kam2 60 A 192.0.2.22
both 60 A 192.0.2.21
both 60 A 192.0.2.22
"""

# An instance remembers its calls in the htable and refuses in-dialog requests of others, so that
# one which strays fails its call. One child: two would reorder an ACK and what follows it.
KAMAILIO = """#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
listen=udp:{address}:5060
alias="{host}"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "htable.so"
modparam("htable", "htable", "calls=>size=12;autoexpire=300")
modparam("rr", "enable_double_rr", 0)
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if ($sht(calls=>$ci) == $null) {{
            if (!is_method("ACK")) sl_send_reply("481", "Not Mine");
            else xlog("L_ERR", "foreign ACK of $ci\\n");
            exit;
        }}
        if (!loose_route()) {{
            if (is_method("ACK") && t_check_trans()) t_relay();
            else if (!is_method("ACK")) sl_send_reply("404", "No Route");
            exit;
        }}
        t_relay();
        exit;
    }}
    if (is_method("INVITE")) {{
        $sht(calls=>$ci) = 1;
        record_route_preset("{name}");
        $du = "sip:192.0.2.30:5060";
        if (!t_relay()) sl_reply_error();
        exit;
    }}
    sl_send_reply("405", "Method Not Allowed");
}}
"""


class Kamailio:
    """One instance in the foreground, with a configuration of its own."""

    def __init__(self, ns, folder, address, name):
        folder = folder / address
        folder.mkdir()
        config = folder / "kamailio.cfg"
        config.write_text(KAMAILIO.format(address=address, name=name, host=name.split(":")[0]))
        self.process = ns.start("kamailio", "-f", config, "-DD", "-E", "-m", "32", "-M", "8", "-n", "2",
                                "-w", folder, "-P", folder / "kamailio.pid", "-Y", folder)

        def listening():
            if not self.process.running():
                pytest.fail(f"kamailio ended: {self.process.text()[-3000:]}")
            return f"{address}:5060 " in ns.run("ss", "-Huln") + " "
        wait_until(listening, 20, lambda: f"kamailio to listen; it says {self.process.text()[-2000:]}")


@pytest.fixture
def place(tmp_path):
    """Start the lab with instances that record-route by a name: gives (site, engine)."""
    with Lab() as lab, contextlib.ExitStack() as stack:
        def start(name):
            site = Site(lab, targets=2, extra=[("callee", 30)])
            site.kamailios = [Kamailio(site.pop, tmp_path, address, name) for address in INSTANCES]
            stack.enter_context(Knot(tmp_path / "knot", {"voip.test": ZONE}, address="192.0.2.53", port=53,
                                     prefix=site.dns.argv()))
            engine = Engine(site.edge, tmp_path, CONFIG)
            engine.wait_up(2, trunk="carrier")
            return site, engine
        yield start


def instances_of(path):
    """Call-ID -> the instances that had a message of it from the engine, and the methods of these."""
    seen = collections.defaultdict(lambda: (set(), collections.Counter()))
    for m in wire.messages(path):
        if m.source[0] == "192.0.2.1" and m.target[0] in INSTANCES:
            seen[m.call_id][0].add(m.target[0])
            seen[m.call_id][1][m.start.split()[0]] += 1
    return seen


def dialogs(folder):
    """Set-up, a re-INVITE by the caller, and the callee hangs up: files of the two scenarios."""
    near = [CALLER.invite(), recv_response(100, optional=True), recv_response(180, optional=True),
            recv_response(200, rrs=True), CALLER.request("ACK", 1, dialog=True), CALLER.invite(2, dialog=True),
            recv_response(100, optional=True), recv_response(200), CALLER.request("ACK", 2, dialog=True),
            recv_request("BYE", dialog=True, user="caller"), CALLER.response(200, first=False, rr=False)]
    far = [recv_request("INVITE", rrs=True, learn=True), TARGET.response(180),
           TARGET.response(200, body=SDP, retrans=True), recv_request("ACK", dialog=True),
           recv_request("INVITE", dialog=True), TARGET.response(200, first=False, body=SDP, retrans=True),
           recv_request("ACK", dialog=True), TARGET.request("BYE", 9, dialog=True),
           recv_response(100, optional=True), recv_response(200)]
    for name, steps in (("near", near), ("far", far)):
        (folder / name).write_text(scenario(name, *steps))
    return str(folder / "near"), str(folder / "far")


@pytest.mark.parametrize("name", ["voip.test", "both.voip.test:5060"])
def test_calls_stay_on_their_instance(place, tmp_path, name):
    """By SRV records and by two addresses of one name; the caller hangs up, and the callee does."""
    site, engine = place(name)
    n = 100
    for run, (near, far) in {"one": ("uac.xml", "uas.xml"), "two": dialogs(tmp_path)}.items():
        pcap = tmp_path / f"{run}.pcap"
        capture = site.pop.capture("eth0", "udp port 5060", pcap)
        callee = uas(site.ns("callee"), tmp_path, "192.0.2.30", far, name=f"uas-{run}")
        try:
            caller = uac(site.caller, tmp_path, "192.0.2.10", "192.0.2.1:5060", n, 50, near, name=f"uac-{run}",
                         seed=run).finish(60)
        finally:
            callee.stop()
        capture.stop()
        assert (caller.failed(), callee.calls(), callee.failed()) == (0, n, 0), callee.error_text()
        assert engine.drops() == {}  # not even the ACK that is the first to bear a new name
        seen = instances_of(pcap)
        assert len(seen) == n
        assert all(len(where) == 1 for where, _ in seen.values())
        for _, methods in seen.values():
            assert methods["INVITE"] and methods["ACK"] and (methods["BYE"] or run == "two")
        per_instance = collections.Counter(next(iter(where)) for where, _ in seen.values())
        assert min(per_instance.get(i, 0) for i in INSTANCES) > n / 4, per_instance
    for k in site.kamailios:
        assert "foreign ACK" not in k.process.text()
