"""`tandem resolve` against Knot DNS: the cases of RFC 3263, 2782, 3403 and 7984.

Each case has a domain of its own under t.test. Expectations are written by hand from the RFCs.
"""
import json

import pytest

from lib.knot import Knot

# host, addresses: what the cases' SRV records point to.
HOSTS = """
a 60 A 192.0.2.1
b 60 A 192.0.2.2
c 60 A 192.0.2.3
two 60 A 192.0.2.21
two 60 A 192.0.2.22
six 60 AAAA 2001:db8::6
dual 60 A 192.0.2.4
dual 60 AAAA 2001:db8::4
alias 30 CNAME a
loop1 60 CNAME loop2
loop2 60 CNAME loop1
far 60 CNAME a.other.test.
chain1 60 CNAME chain2
chain2 60 CNAME chain3
chain3 60 CNAME chain4
chain4 60 CNAME chain5
chain5 60 CNAME chain6
chain6 60 CNAME chain7
chain7 60 CNAME chain8
chain8 60 CNAME a
long1 60 CNAME long2
long2 60 CNAME chain1
"""

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def t(tier, transport, address, port, host, share=1.0, priority=None, weight=None):
    row = {"tier": tier, "transport": transport, "address": address, "port": port, "host": host,
           "share": pytest.approx(share, abs=1e-6), "usable": transport == "udp"}
    if priority is not None:
        row.update(priority=priority, weight=weight)
    return row


def h(name):
    return name + ".t.test"


# name: (zone text, with "@" as the case's domain; URI, with "@" likewise; targets or error code;
#        a piece of a warning, None for no warning at all, "" for any; names asked for or None)
CASES = {
    "naptr-s": ('@ NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.@\n_sip._udp.@ SRV 10 50 5060 a',
                "sip:@", [t(0, "udp", A, 5060, h("a"), 1, 10, 50)], None,
                [("NAPTR", "@"), ("SRV", "_sip._udp.@"), ("A", h("a")), ("AAAA", h("a"))]),
    "naptr-s-capital": ('@ NAPTR 10 10 "S" "sIp+d2U" "" _sip._udp.@\n_sip._udp.@ SRV 10 50 5060 a',
                        "sip:@", [t(0, "udp", A, 5060, h("a"))], None, None),
    "naptr-a": ('@ NAPTR 10 10 "a" "SIP+D2U" "" b', "sip:@", [t(0, "udp", B, 5060, h("b"))], None,
                [("NAPTR", "@"), ("A", h("b")), ("AAAA", h("b"))]),
    "naptr-a-tls": ('@ NAPTR 10 10 "A" "SIPS+D2T" "" b', "sip:@", [t(0, "tls", B, 5061, h("b"))], None, None),
    "naptr-u": ('@ NAPTR 10 10 "u" "SIP+D2U" "" _sip._udp.@\n_sip._tcp.@ SRV 1 1 5060 a',
                "sip:@", [t(0, "tcp", A, 5060, h("a"))], "neither S nor A", None),
    "naptr-p": ('@ NAPTR 10 10 "p" "SIP+D2T" "" _sip._tcp.@\n@ NAPTR 20 1 "s" "SIP+D2U" "" _sip._udp.@\n'
                '_sip._udp.@ SRV 1 1 5060 a', "sip:@", [t(0, "udp", A, 5060, h("a"))], "neither S nor A", None),
    "naptr-empty-flag": ('@ NAPTR 10 10 "" "SIP+D2U" "" b\n_sip._udp.@ SRV 1 1 5060 a', "sip:@",
                         [t(0, "udp", A, 5060, h("a"))], "neither S nor A", None),
    "naptr-regexp": ('@ NAPTR 10 10 "s" "SIP+D2U" "!^.*$!sip:x@y!" _sip._udp.nowhere\n_sip._udp.@ SRV 1 1 5060 a',
                     "sip:@", [t(0, "udp", A, 5060, h("a"))], "regular expression", None),
    "naptr-dot": ('@ NAPTR 10 10 "s" "SIP+D2U" "" .\n_sip._udp.@ SRV 1 1 5060 a', "sip:@",
                  [t(0, "udp", A, 5060, h("a"))], "no replacement", None),
    "naptr-other-services": ('@ NAPTR 1 1 "s" "SIP+D2S" "" _sip._sctp.@\n@ NAPTR 2 1 "s" "SIPS+D2W" "" _sips._ws.@\n'
                             '@ NAPTR 3 1 "s" "SIP+D2W" "" _sip._ws.@\n@ NAPTR 4 1 "s" "E2U+sip" "" x\n'
                             '@ NAPTR 5 1 "s" "SIP+D2T" "" _sip._tcp.@\n_sip._tcp.@ SRV 1 1 5060 a',
                             "sip:@", [t(0, "tcp", A, 5060, h("a"))], "SIPS+D2W", None),
    "naptr-order": ('@ NAPTR 900 1 "s" "SIP+D2U" "" _sip._udp.@\n@ NAPTR 7 50 "s" "SIP+D2T" "" _sip._tcp.@\n'
                    '@ NAPTR 7 10 "s" "SIPS+D2T" "" _sips._tcp.@\n_sip._udp.@ SRV 1 1 5060 a\n_sip._udp.@ SRV 9 1 5060 b\n'
                    '_sip._tcp.@ SRV 5 1 5060 b\n_sips._tcp.@ SRV 3 1 5061 c', "sip:@",
                    [t(0, "tls", C, 5061, h("c")), t(1, "tcp", B, 5060, h("b")), t(2, "udp", A, 5060, h("a")),
                     t(3, "udp", B, 5060, h("b"))], None, None),
    "naptr-missing-srv": ('@ NAPTR 1 1 "s" "SIP+D2T" "" _sip._tcp.@\n@ NAPTR 2 1 "s" "SIP+D2U" "" _sip._udp.@\n'
                          '_sip._udp.@ SRV 1 1 5060 a', "sip:@", [t(0, "udp", A, 5060, h("a"))], "has no SRV", None),
    "naptr-no-srv-at-all": ('@ NAPTR 1 1 "s" "SIP+D2T" "" _sip._tcp.@\n@ A 192.0.2.9', "sip:@",
                            [t(0, "tcp", "192.0.2.9", 5060, "@")], "has no SRV", None),
    "naptr-srv-dot": ('@ NAPTR 1 1 "s" "SIP+D2T" "" _sip._tcp.@\n@ NAPTR 2 1 "s" "SIP+D2U" "" _sip._udp.@\n'
                      '_sip._tcp.@ SRV 0 0 0 .\n_sip._udp.@ SRV 1 1 5060 a', "sip:@",
                      [t(0, "udp", A, 5060, h("a"))], None, None),
    "naptr-elsewhere": ('@ NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.carrier.other.test.', "sip:@",
                        [t(0, "udp", "198.51.100.1", 5070, "pop.other.test")], None, None),
    "naptr-twice": ('@ NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.@\n@ NAPTR 2 1 "s" "SIP+D2U" "" _sip._udp.@\n'
                    '_sip._udp.@ SRV 1 1 5060 a', "sip:@", [t(0, "udp", A, 5060, h("a"))], "where another", None),
    "sips-naptr": ('@ NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.@\n@ NAPTR 2 1 "s" "SIPS+D2T" "" _sips._tcp.@\n'
                   '_sip._udp.@ SRV 1 1 5060 a\n_sips._tcp.@ SRV 1 1 5061 b', "sips:@",
                   [t(0, "tls", B, 5061, h("b"))], "wants SIPS", None),
    "sips-srv": ('_sip._udp.@ SRV 1 1 5060 a\n_sip._tcp.@ SRV 1 1 5060 a\n_sips._tcp.@ SRV 1 1 5063 b', "sips:@",
                 [t(0, "tls", B, 5063, h("b"))], None,
                 [("NAPTR", "@"), ("SRV", "_sips._tcp.@"), ("A", h("b")), ("AAAA", h("b"))]),
    "sips-address": ("@ A 192.0.2.9", "sips:@", [t(0, "tls", "192.0.2.9", 5061, "@")], None, None),
    "sips-udp": ("@ A 192.0.2.9", "sips:@;transport=udp", "transport", None, []),
    "srv-transports": ("_sip._udp.@ SRV 1 1 5060 a\n_sip._tcp.@ SRV 2 1 5060 b\n_sips._tcp.@ SRV 3 1 5061 c", "sip:@",
                       [t(0, "tls", C, 5061, h("c"), 1, 3, 1), t(1, "tcp", B, 5060, h("b"), 1, 2, 1),
                        t(2, "udp", A, 5060, h("a"), 1, 1, 1)], None, None),
    "srv-tiers": ("_sip._udp.@ SRV 20 100 5060 c\n_sip._udp.@ SRV 10 75 5060 a\n_sip._udp.@ SRV 10 25 5062 b", "sip:@",
                  [t(0, "udp", A, 5060, h("a"), .75, 10, 75), t(0, "udp", B, 5062, h("b"), .25, 10, 25),
                   t(1, "udp", C, 5060, h("c"), 1, 20, 100)], None, None),
    "srv-priority-gaps": ("_sip._udp.@ SRV 0 1 5060 c\n_sip._udp.@ SRV 65535 1 5060 a\n_sip._udp.@ SRV 1000 1 5060 b",
                          "sip:@", [t(0, "udp", C, 5060, h("c"), 1, 0, 1), t(1, "udp", B, 5060, h("b"), 1, 1000, 1),
                                    t(2, "udp", A, 5060, h("a"), 1, 65535, 1)], None, None),
    "srv-heavy": ("_sip._udp.@ SRV 0 65535 5060 a\n_sip._udp.@ SRV 0 1 5060 b", "sip:@",
                  [t(0, "udp", A, 5060, h("a"), 65535 / 65536), t(0, "udp", B, 5060, h("b"), 1 / 65536)], None, None),
    "srv-zero": ("_sip._udp.@ SRV 0 5 5060 a\n_sip._udp.@ SRV 0 0 5060 b", "sip:@",
                 [t(0, "udp", A, 5060, h("a"), 1), t(0, "udp", B, 5060, h("b"), 0)], None, None),
    "srv-all-zero": ("_sip._udp.@ SRV 0 0 5060 a\n_sip._udp.@ SRV 0 0 5060 b", "sip:@",
                     [t(0, "udp", A, 5060, h("a"), .5), t(0, "udp", B, 5060, h("b"), .5)], "are 0: equal shares", None),
    "srv-dot": ("@ A 192.0.2.9\n_sip._udp.@ SRV 0 0 0 .", "sip:@", "service-absent", None, None),
    "srv-dot-and-tcp": ("@ A 192.0.2.9\n_sip._udp.@ SRV 0 0 0 .\n_sip._tcp.@ SRV 0 1 5060 a", "sip:@",
                        [t(0, "tcp", A, 5060, h("a"))], None, None),
    "srv-dot-beside": ("_sip._udp.@ SRV 0 0 0 .\n_sip._udp.@ SRV 1 1 5060 a", "sip:@",
                       [t(0, "udp", A, 5060, h("a"))], "beside others", None),
    "srv-port-0": ("_sip._udp.@ SRV 0 1 0 b\n_sip._udp.@ SRV 1 1 5060 a", "sip:@",
                   [t(0, "udp", A, 5060, h("a"))], "port 0", None),
    "srv-ports": ("_sip._udp.@ SRV 0 1 5060 a\n_sip._udp.@ SRV 0 3 5062 a", "sip:@",
                  [t(0, "udp", A, 5062, h("a"), .75), t(0, "udp", A, 5060, h("a"), .25)], None, None),
    "srv-two-addresses": ("_sip._udp.@ SRV 10 50 5060 two\n_sip._udp.@ SRV 10 50 5060 b", "sip:@",
                          [t(0, "udp", B, 5060, h("b"), .5), t(0, "udp", "192.0.2.21", 5060, h("two"), .25),
                           t(0, "udp", "192.0.2.22", 5060, h("two"), .25)], "is shared by 2 addresses", None),
    "srv-dual-stack": ("_sip._udp.@ SRV 10 50 5060 dual", "sip:@",
                       [t(0, "udp", "192.0.2.4", 5060, h("dual"), .5),
                        t(0, "udp", "2001:db8::4", 5060, h("dual"), .5)], None, None),
    "srv-ipv6": ("_sip._udp.@ SRV 10 50 5060 six", "sip:@", [t(0, "udp", "2001:db8::6", 5060, h("six"))], None, None),
    "srv-alias": ("_sip._udp.@ SRV 10 50 5060 alias", "sip:@", [t(0, "udp", A, 5060, h("alias"))],
                  "alias (CNAME)", None),
    "srv-alias-elsewhere": ("_sip._udp.@ SRV 10 50 5060 far", "sip:@", [t(0, "udp", "198.51.100.2", 5060, h("far"))],
                            "alias (CNAME)", None),
    "srv-name-alias": ("_sip._udp.@ CNAME _sip._udp.real.@\n_sip._udp.real.@ SRV 1 1 5060 a", "sip:@",
                       [t(0, "udp", A, 5060, h("a"))], None, None),
    "srv-loop": ("_sip._udp.@ SRV 1 1 5060 loop1\n_sip._udp.@ SRV 1 3 5060 a", "sip:@",
                 [t(0, "udp", A, 5060, h("a"))], "loop", None),
    "srv-eight-aliases": ("_sip._udp.@ SRV 1 1 5060 chain1", "sip:@", [t(0, "udp", A, 5060, h("chain1"))],
                          "alias (CNAME)", None),
    "srv-ten-aliases": ("_sip._udp.@ SRV 1 1 5060 long1\n_sip._udp.@ SRV 1 1 5060 b", "sip:@",
                        [t(0, "udp", B, 5060, h("b"))], "loop, or more than 8", None),
    "srv-itself": ("_sip._udp.@ SRV 1 1 5060 _sip._udp.@", "sip:@", "no-address", "has no address", None),
    "srv-gone-host": ("_sip._udp.@ SRV 1 1 5060 gone\n_sip._udp.@ SRV 2 1 5060 a", "sip:@",
                      [t(0, "udp", A, 5060, h("a"), 1, 2, 1)], "gone.t.test has no address", None),
    "srv-day": ("_sip._udp.@ 86400 SRV 1 1 5060 a", "sip:@", [t(0, "udp", A, 5060, h("a"))], "TTL of 86400", None),
    "address": ("@ A 192.0.2.9\n@ AAAA 2001:db8::9", "sip:@",
                [t(0, "udp", "192.0.2.9", 5060, "@", .5), t(0, "udp", "2001:db8::9", 5060, "@", .5)], None,
                [("NAPTR", "@"), ("SRV", "_sips._tcp.@"), ("SRV", "_sip._tcp.@"), ("SRV", "_sip._udp.@"), ("A", "@"),
                 ("AAAA", "@")]),
    "address-alias": ("@ CNAME a", "sip:@", [t(0, "udp", A, 5060, "@")], None, None),
    "nothing-there": ("x.@ A 192.0.2.9", "sip:@", "no-address", "has no address", None),
    "no-such-name": ("", "sip:@", "not-found", "has no address", None),
    "transport-tcp": ('@ NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.@\n_sip._udp.@ SRV 1 1 5060 a\n_sip._tcp.@ SRV 1 1 5070 b',
                      "sip:@;transport=TCP", [t(0, "tcp", B, 5070, h("b"))], None,
                      [("SRV", "_sip._tcp.@"), ("A", h("b")), ("AAAA", h("b"))]),
    "transport-udp-no-srv": ("@ A 192.0.2.9\n_sip._tcp.@ SRV 1 1 5070 b", "sip:@;transport=udp",
                             [t(0, "udp", "192.0.2.9", 5060, "@")], None, None),
    "transport-tls": ("_sips._tcp.@ SRV 1 1 5071 b", "sip:@;transport=tls", [t(0, "tls", B, 5071, h("b"))], None, None),
    "transport-ws": ("@ A 192.0.2.9", "sip:@;transport=ws", "transport", None, []),
    "port": ('@ NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.@\n_sip._udp.@ SRV 1 1 5060 a\n@ A 192.0.2.9', "sip:@:5080",
             [t(0, "udp", "192.0.2.9", 5080, "@")], "port 5080 overrides", [("A", "@"), ("AAAA", "@")]),
    "port-default": ("_sip._udp.@ SRV 1 1 5080 a\n@ A 192.0.2.9", "sip:@:5060",
                     [t(0, "udp", "192.0.2.9", 5060, "@")], "port 5060 overrides", None),
    "port-sips": ("@ A 192.0.2.9", "sips:@:5099", [t(0, "tls", "192.0.2.9", 5099, "@")], "overrides", None),
    "port-transport": ("@ A 192.0.2.9", "sip:alice@@:5080;transport=tcp", [t(0, "tcp", "192.0.2.9", 5080, "@")],
                       "overrides", None),
    "maddr-name": ("_sip._udp.m.@ SRV 1 1 5060 a\n_sip._udp.@ SRV 1 1 5060 b", "sip:@;maddr=m.@",
                   [t(0, "udp", A, 5060, h("a"))], None, None),
    "maddr-address": ("_sip._udp.@ SRV 1 1 5060 b", "sip:@;maddr=192.0.2.77",
                      [t(0, "udp", "192.0.2.77", 5060, "192.0.2.77")], "192.0.2.77 overrides", []),
    "final-dot": ("_sip._udp.@ SRV 1 1 5060 a", "sip:@.", [t(0, "udp", A, 5060, h("a"))], None, None),
    "capitals": ("_sip._udp.@ SRV 1 1 5060 a", "SIP:Bob@@", [t(0, "udp", A, 5060, h("a"))], None, None),
    "numeric": ("", "sip:192.0.2.5", [t(0, "udp", "192.0.2.5", 5060, "192.0.2.5")], "overrides discovery", []),
    "numeric-ipv6": ("", "sip:[2001:db8::5]:5090;transport=tcp", [t(0, "tcp", "2001:db8::5", 5090, "[2001:db8::5]")],
                     "overrides discovery", []),
    "numeric-sips": ("", "sips:192.0.2.5", [t(0, "tls", "192.0.2.5", 5061, "192.0.2.5")], "overrides discovery", []),
}

OTHER = """
_sip._udp.carrier 60 SRV 10 10 5070 pop
pop 60 A 198.51.100.1
a 60 A 198.51.100.2
"""


def domain(case):
    return f"{case}.t.test"


def at(text, case, relative):
    """"@" made the case's domain: relative to the zone, or whole."""
    name = case if relative else domain(case)
    if text.startswith("sip") or text.startswith("SIP"):  # a URI: the last "@" of "user@@"
        return text.replace("@@", "@" + name) if "@@" in text else text.replace("@", name)
    return text.replace("@", name)


def zone_text():
    lines = []
    for case, (zone, *_) in CASES.items():
        for line in zone.splitlines():
            protected = line.replace("sip:x@y", "sip:x-y")
            lines.append(at(protected, case, True))
    return HOSTS + "\n".join(lines)


@pytest.fixture(scope="module")
def knot(tmp_path_factory):
    with Knot(tmp_path_factory.mktemp("knot"), {"t.test": zone_text(), "other.test": OTHER}) as k:
        yield k


def resolve(tandem, server, uri):
    done = tandem("resolve", "--json", "--server", server, uri)
    return done, json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_case(tandem, knot, case):
    _, uri, want, warning, asked = CASES[case]
    done, got = resolve(tandem, knot.server, at(uri, case, False))
    if isinstance(want, str):
        assert got["targets"] == [] and got["error"]["code"] == want and done.returncode == 1, got
    else:
        assert got["error"] is None and done.returncode == 0, got
        targets = sorted(got["targets"], key=lambda x: x["tier"])
        assert targets == got["targets"]
        slim = [{k: g[k] for k in w} for w, g in zip(want, targets)]
        assert slim == [dict(w, host=at(w["host"], case, False)) for w in want]
        assert len(targets) == len(want)
    if warning is None:
        assert got["warnings"] == []
    elif warning:
        assert any(warning in w for w in got["warnings"]), got["warnings"]
    if asked is not None:
        assert [(q["type"], q["name"]) for q in got["queries"]] == [(ty, at(n, case, False)) for ty, n in asked]


def test_enough_cases():
    assert len(CASES) >= 40


def test_queries_say_what_came(tandem, knot):
    _, got = resolve(tandem, knot.server, "sip:srv-alias.t.test")
    by = {(q["type"], q["name"]): q for q in got["queries"]}
    srv = by["SRV", "_sip._udp.srv-alias.t.test"]
    assert (srv["rcode"], srv["ttl"], srv["answers"]) == ("NOERROR", 60, ["10 50 5060 alias.t.test"])
    a = by["A", "alias.t.test"]
    assert (a["ttl"], a["answers"]) == (30, ["CNAME a.t.test", "192.0.2.1"])
    missing = by["SRV", "_sip._tcp.srv-alias.t.test"]
    assert (missing["rcode"], missing["ttl"], missing["answers"]) == ("NXDOMAIN", 60, [])
    assert by["AAAA", "alias.t.test"]["rcode"] == "NOERROR" and by["AAAA", "alias.t.test"]["answers"] == ["CNAME a.t.test"]
    assert all(q["ms"] >= 0 for q in got["queries"])
    assert got["targets"][0]["ttl"] == 30


def test_many_records_by_tcp(tandem, tmp_path):
    """200 SRV records do not fit a datagram: fetched over TCP, none lost."""
    zone = "\n".join(f"_sip._udp.many 60 SRV {i % 4} {i} 5060 host-with-a-long-name-{i:03}\n"
                     f"host-with-a-long-name-{i:03} 60 A 10.1.0.{i}" for i in range(1, 201))
    with Knot(tmp_path, {"t.test": zone}) as k:
        _, got = resolve(tandem, k.server, "sip:many.t.test;transport=udp")
        assert len(got["targets"]) == 200
        for tier in range(4):
            assert sum(x["share"] for x in got["targets"] if x["tier"] == tier) == pytest.approx(1)


def test_edit_and_refusal(tandem, tmp_path):
    """What resolve says follows the zone; a server without the zone is told from one without the name."""
    with Knot(tmp_path, {"t.test": "_sip._udp.x SRV 1 1 5060 a\na A 192.0.2.1\nb A 192.0.2.2"}) as k:
        assert resolve(tandem, k.server, "sip:x.t.test")[1]["targets"][0]["address"] == "192.0.2.1"
        k.edit("t.test", "_sip._udp.x SRV 1 1 5060 b\na A 192.0.2.1\nb A 192.0.2.2")
        assert resolve(tandem, k.server, "sip:x.t.test")[1]["targets"][0]["address"] == "192.0.2.2"
        k.refuse()
        done, got = resolve(tandem, k.server, "sip:x.t.test")
        assert done.returncode == 1 and got["error"]["code"] == "refused"
        k.serve()
        assert resolve(tandem, k.server, "sip:x.t.test")[0].returncode == 0
        k.freeze()
        done, got = resolve(tandem, k.server, "sip:x.t.test")
        assert done.returncode == 1 and got["error"]["code"] == "timeout"
        k.thaw()
        assert resolve(tandem, k.server, "sip:x.t.test")[0].returncode == 0


def test_ipv6_server(tandem, tmp_path):
    with Knot(tmp_path, {"t.test": "@ A 192.0.2.1"}, address="::1") as k:
        assert resolve(tandem, k.server, "sip:t.test")[1]["targets"][0]["address"] == "192.0.2.1"


# ---- Text and use --------------------------------------------------------------------------


def test_text(tandem, knot):
    done = tandem("resolve", "--server", knot.server, "sip:srv-two-addresses.t.test")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["QUERY", "NAME", "ANSWER", "TTL", "TIME"]
    table = lines[lines.index("") + 1:]
    assert table[0].split() == ["TIER", "SHARE", "TARGET", "HOST", "PRIO", "WEIGHT", "TTL"]
    assert table[1].split() == ["0", "50.00", "%", "udp", "192.0.2.2:5060", "b.t.test", "10", "50", "60"]
    assert table[-1] == "warning: weight 50 of two.t.test is shared by 2 addresses; each gets 1/2 of it"
    assert all(len(line) <= 80 for line in lines if not line.startswith(("warning", "note")))


def test_text_long_names(tandem, tmp_path):
    long = "a-host-whose-name-does-not-fit-anywhere-in-eighty-columns"
    zone = f"_sip._udp.{long} SRV 1 1 5060 {long}.b\n{long}.b AAAA 2001:db8:1111:2222:3333:4444:5555:6666"
    with Knot(tmp_path, {"t.test": zone}) as k:
        done = tandem("resolve", "--server", k.server, f"sip:{long}.t.test;transport=udp")
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and all(len(line) <= 80 for line in lines), done.stdout
        assert any(".." in line for line in lines)


def test_text_error(tandem, knot):
    done = tandem("resolve", "--server", knot.server, "sip:no-such-name.t.test")
    assert done.returncode == 1
    assert done.stderr == "error: no-such-name.t.test: no such name in DNS; check the spelling, and the zone\n"


@pytest.mark.parametrize("args, hint", [
    ([], "URI: none is given"), (["sip:a", "sip:b"], "more than one"), (["--frob", "sip:a"], "--frob: unknown option"),
    (["--server", "nowhere", "sip:a"], "is no address"), (["tel:+49301"], "neither sip: nor sips:"),
    (["not a uri"], "sip:HOST"), (["sip:"], "sip:HOST"), (["sip:a..b"], ""), (["--server"], "--help"),
])
def test_used_wrong(tandem, args, hint):
    done = tandem("resolve", *args)
    assert done.returncode == 2 and done.stdout == "" and hint in done.stderr, done.stderr


def test_help_and_its_examples(tandem):
    done = tandem("resolve", "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    examples = [line.strip() for line in done.stdout.splitlines() if line.startswith("  tandem resolve ")]
    assert len(examples) == 3
    import shlex
    for e in examples:
        words = shlex.split(e)
        assert tandem(*words[1:]).returncode == 0, e


def test_version(tandem):
    assert tandem("--version").stdout == tandem("resolve", "--version").stdout != ""
