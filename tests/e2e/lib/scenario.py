"""SIPp scenarios made of steps, for dialogs that need more than INVITE to BYE.

    text = scenario("caller", CALLER.invite(), recv_response(200, rrs=True), CALLER.request("ACK", 1, dialog=True))

CALLER and TARGET know the headers of their side. In-dialog requests are sent to the remote
Contact along the recorded route; `recv_request(.., dialog=True)` insists on the own Contact in
the Request-URI and on no Route being left. `$` belongs to lib.sipp's templates, hence `$$`.
PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import re

SDP = """v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio 6000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""

REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 401: "Unauthorized",
           407: "Proxy Authentication Required", 487: "Request Terminated", 486: "Busy Here"}


def scenario(name, *steps):
    """The XML of these steps; variables that only checks assign are declared as used."""
    body = "\n".join(steps)
    numbers = iter(range(1, 1000))
    body = re.sub("@CHECK@", lambda _: f"check{next(numbers)}", body)
    names = sorted(set(re.findall(r'assign_to="(\w+)"', body)))
    reference = f'<Reference variables="{",".join(names)}"/>' if names else ""
    return f'<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="{name}">\n{body}\n{reference}\n</scenario>\n'


def _message(lines, body, retrans):
    head = [line for line in lines if line]
    if body:
        head.append("Content-Type: application/sdp")
    head.append("Content-Length: " + ("[len]" if body else "0"))
    text = "\n".join(head) + "\n\n" + body
    attribute = ' retrans="500"' if retrans else ""
    return f"<send{attribute}><![CDATA[\n{text}\n]]></send>"


class Side:
    """The headers of one end of a dialog."""

    def __init__(self, user, own, peer_first, peer_dialog):
        self.user, self.own, self.peer_first, self.peer_dialog = user, own, peer_first, peer_dialog

    def request(self, method, cseq, dialog=False, extra=(), body="", branch=None, retrans=None, uri=None, to=None):
        """One request. `branch` is needed where two messages share one (CANCEL, ACK of a refusal)."""
        uri = uri or ("[next_url]" if dialog else "sip:[service]@[remote_ip]:[remote_port]")
        branch = f"z9hG4bK{branch}x[pid]x[call_number]" if branch else "[branch]"
        contact = method in ("INVITE", "SUBSCRIBE", "REGISTER", "NOTIFY")
        return _message([
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}",
            "[routes]" if dialog else "",
            self.own,
            to or (self.peer_dialog if dialog else self.peer_first),
            "Call-ID: [call_id]",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self.user}@[local_ip]:[local_port]>" if contact else "",
            "Max-Forwards: 70",
            *extra,
        ], body, method != "ACK" if retrans is None else retrans)

    def invite(self, cseq=1, **more):
        return self.request("INVITE", cseq, body=SDP, **more)

    def response(self, code, cseq=None, first=True, rr=True, extra=(), body="", retrans=False):
        """An answer to the last request; `first`: it gets our tag."""
        return _message([
            f"SIP/2.0 {code} {REASONS[code]}",
            "[last_Via:]",
            "[last_Record-Route:]" if rr else "",
            "[last_From:]",
            "[last_To:]" + (";tag=s[pid]x[call_number]" if first else ""),
            "[last_Call-ID:]",
            f"CSeq: {cseq}" if cseq else "[last_CSeq:]",
            f"Contact: <sip:{self.user}@[local_ip]:[local_port]>" if code < 300 else "",
            *extra,
        ], body, retrans)


CALLER = Side("caller", "From: <sip:caller@[local_ip]:[local_port]>;tag=c[call_number]",
              "To: <sip:[service]@[remote_ip]:[remote_port]>",
              "To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]")
# Its own requests bear what the first request of the dialog said; see LEARN.
TARGET = Side("uas", "From:[$$own];tag=s[pid]x[call_number]", None, "To:[$$peer]")

LEARN = """<ereg regexp=".*" search_in="hdr" header="To:" assign_to="own"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="peer"/>"""


def must_say(regexp, where='search_in="msg"'):
    """An action: the message matches this POSIX expression."""
    return f'<ereg regexp="{regexp}" {where} check_it="true" assign_to="@CHECK@"/>'


def recv_request(method, dialog=False, user="uas", rrs=False, learn=False, actions=(), optional=False):
    checks = list(actions)
    if dialog:
        checks.append(must_say(f"^{method} sip:{user}@$RE_HOST:$PORT SIP/2.0"))
    checks.append('<ereg regexp="[[:space:]]Route:" search_in="msg" check_it_inverse="true" assign_to="@CHECK@"/>')
    if learn:
        checks.append(LEARN)
    attributes = (' rrs="true"' if rrs else "") + (' optional="true"' if optional else "")
    return f'<recv request="{method}"{attributes}><action>' + "\n".join(checks) + "</action></recv>"


def recv_response(code, optional=False, rrs=False, auth=False, actions=()):
    attributes = "".join(f' {k}="true"' for k, v in (("optional", optional), ("rrs", rrs), ("auth", auth)) if v)
    inner = "<action>" + "\n".join(actions) + "</action>" if actions else ""
    return f'<recv response="{code}"{attributes}>{inner}</recv>'


def timewait(ms):
    """Stay, and answer what is repeated."""
    return f'<timewait milliseconds="{ms}"/>'


def pause(ms):
    return f'<pause milliseconds="{ms}"/>'
