"""Methods and their retransmissions through the engine: each dialog once on a good path and once
where the first and then every third copy of every message is lost behind the engine.

SIPp at both ends; each end insists on its own Contact in the Request-URI and on no Route left.
"""
import pytest

from lib.edge import with_trunks
from lib.netns import wait_until
from lib.place import World as Place
from lib.place import of_module
from lib.scenario import CALLER, SDP, TARGET, Side, must_say, recv_request, recv_response, scenario, timewait
from lib.sipp import uac, uas
from lib.sockets import udp_socket

ZONE = "_sip._udp 1 SRV 10 100 5060 {0}\na 1 A 192.0.2.21\nb 1 A 192.0.2.22"

CONFIG = with_trunks("""\
trunks:
  carrier:
    uri: sip:pop.test
    sources: resolved
  pbx:
    uri: sip:192.0.2.10
    sources: 192.0.2.10
routes:
  - from: pbx
    to: carrier
  - from: carrier
    to: pbx
""")

CHALLENGE = 'realm="pop.test", nonce="5f4c2a", algorithm=MD5, qop="auth"'
AUTH = "[authentication username=alice password=secret]"


def call(*caller, target=(), invite=None):
    """Caller and target of a call: set up by INVITE, what is given, then the target hangs up."""
    near = [invite or CALLER.invite(), recv_response(100, optional=True), recv_response(180, optional=True),
            recv_response(200, rrs=True), CALLER.request("ACK", 1, dialog=True), *caller,
            recv_request("BYE", dialog=True, user="caller"), CALLER.response(200, first=False, rr=False)]
    far = [recv_request("INVITE", rrs=True, learn=True), TARGET.response(180),
           TARGET.response(200, body=SDP, retrans=True), recv_request("ACK", dialog=True), *target,
           TARGET.request("BYE", 9, dialog=True), recv_response(200)]
    return near, far


def target_hangs_up():
    return call()


def numbers():
    """tel URIs (RFC 3966) for both ends, as a carrier or an IMS peer writes them."""
    callee = "tel:+49-30-123;npdi"
    phone = Side("caller", "From: <tel:+49-40-9>;tag=c[call_number]", f"To: <{callee}>", f"To: <{callee}>[peer_tag_param]")
    near = [phone.invite(uri=callee), recv_response(100, optional=True), recv_response(180, optional=True),
            recv_response(200, rrs=True), phone.request("ACK", 1, dialog=True),
            recv_request("BYE", dialog=True, user="caller"), phone.response(200, first=False, rr=False)]
    far = [recv_request("INVITE", rrs=True, learn=True, actions=[must_say("^INVITE tel:[+]49-30-123;npdi SIP/2.0")]),
           TARGET.response(180), TARGET.response(200, body=SDP, retrans=True), recv_request("ACK", dialog=True),
           TARGET.request("BYE", 9, dialog=True), recv_response(200)]
    return near, far


def cancel():
    near = [CALLER.invite(branch="inv"), recv_response(100, optional=True), recv_response(180),
            CALLER.request("CANCEL", 1, branch="inv"), recv_response(200), recv_response(487),
            CALLER.request("ACK", 1, branch="inv", to=CALLER.peer_dialog)]
    far = [recv_request("INVITE", rrs=True), TARGET.response(180), recv_request("CANCEL"),
           TARGET.response(200, rr=False), TARGET.response(487, cseq="1 INVITE", rr=False, retrans=True),
           recv_request("ACK")]
    return near, far


def challenge():
    near = [CALLER.invite(branch="one"), recv_response(100, optional=True), recv_response(407, auth=True),
            CALLER.request("ACK", 1, branch="one", to=CALLER.peer_dialog),
            CALLER.invite(2, extra=[AUTH]), recv_response(100, optional=True), recv_response(180, optional=True),
            recv_response(200, rrs=True), CALLER.request("ACK", 2, dialog=True),
            CALLER.request("BYE", 3, dialog=True), recv_response(200)]
    far = [recv_request("INVITE"),
           TARGET.response(407, rr=False, extra=["Proxy-Authenticate: Digest " + CHALLENGE], retrans=True),
           recv_request("ACK"),
           recv_request("INVITE", rrs=True, learn=True,
                        actions=[must_say("Proxy-Authorization: Digest.*username=.alice.")]),
           TARGET.response(200, body=SDP, retrans=True), recv_request("ACK", dialog=True),
           recv_request("BYE", dialog=True), TARGET.response(200, first=False, rr=False)]
    return near, far


def reinvite_by_both():
    return call(recv_request("INVITE", dialog=True, user="caller"),
                CALLER.response(200, first=False, body=SDP, retrans=True),
                recv_request("ACK", dialog=True, user="caller"),
                CALLER.invite(2, dialog=True), recv_response(100, optional=True), recv_response(200),
                CALLER.request("ACK", 2, dialog=True),
                target=[TARGET.invite(8, dialog=True), recv_response(100, optional=True), recv_response(200),
                        TARGET.request("ACK", 8, dialog=True), recv_request("INVITE", dialog=True),
                        TARGET.response(200, first=False, body=SDP, retrans=True), recv_request("ACK", dialog=True)])


def prack():
    near = [CALLER.invite(extra=["Supported: 100rel"]), recv_response(100, optional=True),
            recv_response(183, rrs=True, actions=[must_say("Require: 100rel")]),
            CALLER.request("PRACK", 2, dialog=True, extra=["RAck: 1 1 INVITE"]),
            recv_response(200, actions=[must_say("CSeq: 2 PRACK")]),
            recv_response(200, actions=[must_say("CSeq: 1 INVITE")]), CALLER.request("ACK", 1, dialog=True),
            recv_request("BYE", dialog=True, user="caller"), CALLER.response(200, first=False, rr=False)]
    keep = [f'<ereg regexp=".*" search_in="hdr" header="{header}:" occurrence="{n}" assign_to="{name}"/>'
            for header, n, name in (("Via", 1, "via1"), ("Via", 2, "via2"), ("Record-Route", 1, "rr"))]
    # The INVITE is not the last request when it is answered: its headers come from what was kept.
    answer = TARGET.response(200, cseq="1 INVITE", body=SDP, retrans=True, first=False)
    answer = answer.replace("[last_Via:]", "Via:[$$via1]\nVia:[$$via2]").replace("[last_Record-Route:]",
                                                                                "Record-Route:[$$rr]")
    far = [recv_request("INVITE", rrs=True, learn=True, actions=keep),
           TARGET.response(183, extra=["Require: 100rel", "RSeq: 1"], retrans=True),
           recv_request("PRACK", dialog=True, actions=[must_say("RAck: 1 1 INVITE")]),
           TARGET.response(200, first=False, rr=False), answer, recv_request("ACK", dialog=True),
           TARGET.request("BYE", 9, dialog=True), recv_response(200)]
    return near, far


def message():
    return ([CALLER.request("MESSAGE", 1, extra=["Subject: lunch"]), recv_response(200)],
            [recv_request("MESSAGE", actions=[must_say("^MESSAGE sip:service@pop.test SIP/2.0")]),
             TARGET.response(200, rr=False)])


def register():
    uri = "sip:[remote_ip]:[remote_port]"
    to = "To: <sip:caller@[remote_ip]:[remote_port]>"
    near = [CALLER.request("REGISTER", 1, uri=uri, to=to), recv_response(401, auth=True),
            CALLER.request("REGISTER", 2, uri=uri, to=to, extra=[AUTH, "Expires: 60"]), recv_response(200)]
    far = [recv_request("REGISTER", actions=[must_say("^REGISTER sip:pop.test SIP/2.0")]),
           TARGET.response(401, rr=False, extra=["WWW-Authenticate: Digest " + CHALLENGE]),
           recv_request("REGISTER", actions=[must_say("Authorization: Digest.*username=.alice.")]),
           TARGET.response(200, rr=False, extra=["Expires: 60"])]
    return near, far


def subscribe():
    notified = [recv_request("NOTIFY", dialog=True, user="caller", actions=[must_say("Event: presence")]),
                CALLER.response(200, first=False, rr=False)]
    near = [CALLER.request("SUBSCRIBE", 1, extra=["Event: presence", "Expires: 60"]), recv_response(200, rrs=True),
            *notified,
            CALLER.request("SUBSCRIBE", 2, dialog=True, extra=["Event: presence", "Expires: 0"]), recv_response(200),
            *notified]
    state = ["Event: presence", "Subscription-State: active"]
    far = [recv_request("SUBSCRIBE", rrs=True, learn=True), TARGET.response(200, extra=["Expires: 60"]),
           TARGET.request("NOTIFY", 1, dialog=True, extra=state), recv_response(200),
           recv_request("SUBSCRIBE", dialog=True), TARGET.response(200, first=False, extra=["Expires: 0"]),
           TARGET.request("NOTIFY", 2, dialog=True, extra=state), recv_response(200)]
    return near, far


# The dialog, and what is lost before the target and before the caller sees it: everything that
# SIPp can bear to come late, as its scenarios know one order only.
DIALOGS = {
    "target-hangs-up": (target_hangs_up, ["INVITE", "ACK", "SIP/2.0 200"], ["SIP/2.0 200", "BYE"]),
    "numbers": (numbers, ["INVITE", "ACK", "SIP/2.0 200"], ["SIP/2.0 200", "BYE"]),
    "cancel": (cancel, ["INVITE", "CANCEL", "ACK"], ["SIP/2.0 487"]),
    "challenge": (challenge, ["INVITE", "BYE"], ["SIP/2.0 407", "SIP/2.0 200"]),
    "reinvite-by-both": (reinvite_by_both, ["INVITE", "ACK", "SIP/2.0 200"], ["INVITE", "ACK", "SIP/2.0 200", "BYE"]),
    "prack": (prack, ["INVITE", "PRACK", "ACK", "SIP/2.0 200"], ["SIP/2.0 183", "BYE"]),
    "message": (message, ["MESSAGE"], ["SIP/2.0 200"]),
    "register": (register, ["REGISTER"], ["SIP/2.0 401", "SIP/2.0 200"]),
    "subscribe": (subscribe, ["SUBSCRIBE"], ["NOTIFY"]),
}


class World(Place):
    def __init__(self, lab, folder):
        super().__init__(lab, folder, CONFIG, {"pop.test": ZONE.format("a")}, targets=2)

    def write(self, name, steps):
        path = self.folder / f"{name}.scenario"
        path.write_text(scenario(name, *steps))
        return str(path)

    def lose(self, ns, *starts):
        """Of the datagrams that begin with each of these words the 1st, 4th, 7th.. are lost before ns sees them."""
        rules = "".join(f"    udp dport 5060 @th,64,{8 * len(s)} 0x{s.encode().hex()} numgen inc mod 3 0 counter drop "
                        f"comment \"{s}\"\n"
                        for s in starts)
        text = f"table inet loss {{\n  chain in {{\n    type filter hook input priority 0;\n{rules}  }}\n}}\n"
        path = self.folder / "loss.nft"
        path.write_text(text)
        ns.run("nft", "-f", path)

    def heal(self):
        """Undo lose(); gives what was lost, and how often."""
        lost = {}
        for ns in (self.site.pop, self.site.caller):
            listing = ns.run("nft", "list", "table", "inet", "loss", check=False)
            for line in listing.splitlines():
                if "packets " in line:
                    what = line.split('comment "')[1].split('"')[0]
                    lost[what] = lost.get(what, 0) + int(line.split("packets ")[1].split()[0])
            ns.run("nft", "delete", "table", "inet", "loss", check=False)
        return lost


world = of_module(World)


def run_dialog(world, name, calls, linger_ms):
    near, far = DIALOGS[name.partition("+")[0]][0]()
    # Who has said the last word stays to repeat it.
    near, far = [*near, timewait(linger_ms)], [*far, timewait(linger_ms)]
    server = uas(world.site.pop, world.folder, "192.0.2.21", world.write("uas-" + name, far), name="uas-" + name)
    try:
        client = uac(world.site.caller, world.folder, "192.0.2.10", "192.0.2.1:5060", calls, 20,
                     world.write("uac-" + name, near), name="uac-" + name, seed=name)
        client.finish(60)
    finally:
        server.stop()
    assert server.calls() == calls, server.error_text()
    assert server.failed() == 0, server.error_text()
    return client, server


@pytest.mark.parametrize("name", DIALOGS)
def test_dialog(world, name):
    before = world.engine.drops()
    run_dialog(world, name, 5, 1)
    assert world.engine.drops() == before


@pytest.mark.parametrize("name", DIALOGS)
def test_dialog_with_losses(world, name):
    """Retransmissions of each message find the way of the first copy."""
    before = world.engine.drops()
    _, at_target, at_caller = DIALOGS[name]
    world.lose(world.site.pop, *at_target)
    world.lose(world.site.caller, *at_caller)
    try:
        client, server = run_dialog(world, name + "+losses", 1, 1800)
    finally:
        lost = world.heal()
    assert all(lost.get(what) for what in at_target + at_caller), lost
    assert client.retransmissions() + server.retransmissions() > 0
    assert world.engine.drops() == before


def test_cancel_after_the_zone_changed(world):
    """What is remembered goes where it went: to the target that rings, though the name has left it.

    An INFO from the test, past the engine, is the caller's sign to cancel.
    """
    near, far = cancel()
    at = next(i for i, step in enumerate(near) if "CANCEL sip:" in step)
    near.insert(at, '<recv request="INFO"></recv>')
    rings = uas(world.site.pop, world.folder, "192.0.2.21", world.write("uas-rings", far))
    idle = uas(world.site.pop, world.folder, "192.0.2.22", world.write("uas-idle", far))
    client = uac(world.site.caller, world.folder, "192.0.2.10", "192.0.2.1:5060", 1, 1, world.write("uac-edit", near),
                 name="uac-edit", seed="edit", args=("-trace_msg", "-message_file", world.folder / "uac-edit.msg"))
    try:
        messages = world.folder / "uac-edit.msg"
        wait_until(lambda: messages.exists() and "180 Ringing" in messages.read_text(), 10, "the ringing")
        world.knot.edit("pop.test", ZONE.format("b"))
        wait_until(lambda: [t["address"] for t in world.engine.targets(trunk="carrier", state="up")] == ["192.0.2.22"],
                   10, lambda: f"the edited zone: {world.engine.targets()}")
        with udp_socket(world.site.caller, "192.0.2.11") as s:
            s.sendto(b"INFO sip:caller@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bKsign\r\n"
                     b"From: <sip:test@192.0.2.11>;tag=1\r\nTo: <sip:caller@192.0.2.10>;tag=c1\r\n"
                     b"Call-ID: edit-1@caller\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n", ("192.0.2.10", 5060))
        client.finish(30)
    finally:
        rings.stop()
        idle.stop()
        world.knot.edit("pop.test", ZONE.format("a"))
        world.engine.wait_up(1, trunk="carrier", address="192.0.2.21")
    assert (rings.calls(), rings.failed(), idle.calls()) == (1, 0, 0)
