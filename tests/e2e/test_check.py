"""`tandem check`: every fault is one line with its place, and the examples are fine."""
import glob
import json
import os
import subprocess
import time

import pytest

BASE = """interfaces:
  wan:
    device: eth0
listen:
  - address: udp:192.0.2.10:5060
trunks:
  carrier:
    uri: sip:sip.carrier.example
    sources:
      - resolved
  pbx:
    uri: sip:10.0.0.5
    sources:
      - 10.0.0.0/24
routes:
  - from: pbx
    to: carrier
"""
VDEV = "vdev: net_null0\n    mac: 02:00:00:00:00:01\n    addresses: 192.0.2.10/24"

DURATION = "a duration such as 500ms, 1.5s, 3m, 24h or 1d"
SUCH = "a duration (such as 500ms, 1.5s, 3m, 24h or 1d)"
ENDPOINT = ("expected an address, or ADDRESS:PORT with brackets around IPv6, such as 192.0.2.1:53 or "
            "[2001:db8::1]:53")
LISTEN = "expected udp:ADDRESS:PORT, such as udp:192.0.2.10:5060 or udp:[2001:db8::10]:5060"
TOP = ("interfaces, listen, names, workers, busy-poll, control-socket, key-file, dns, limits, trunks, routes")
QUOTE = "quote a text that begins with '*', '&' or '@'"


def add(text):
    return lambda: BASE + text


def swap(old, new):
    def make():
        assert old in BASE
        return BASE.replace(old, new)
    return make


def whole(text):
    return lambda: text


# (what is wrong, the file, its errors)
BAD = [
    # the shape of the file
    ("empty", whole(""), ["1:1: the file is empty; expected at least 'interfaces' and 'listen'"]),
    ("comment only", whole("# x\n"), ["1:1: the file is empty; expected at least 'interfaces' and 'listen'"]),
    ("list", whole("- a\n"), ["1:1: the file must be a map of keys, not a list"]),
    ("text", whole("just text\n"), ["1:1: the file must be a map of keys, not a single value"]),
    ("two documents", lambda: BASE + "---\n" + BASE, ["18:1: a second document begins here; a file has one"]),
    ("tab", add("\tuser: x\n"), ["18:1: this is not YAML: found a tab character that violates indentation while "
                                 "scanning a plain scalar; a tab cannot indent, use spaces"]),
    ("bare star", add("  - user: *\n    to: pbx\n"),
     ["18:12: this is not YAML: did not find expected alphabetic or numeric character while scanning an alias; " + QUOTE]),
    ("no anchor", add("names: *b\n"), ["18:8: this is not YAML: found undefined alias; " + QUOTE]),
    ("colon", add("nat: x: y\n"),
     ["18:7: this is not YAML: mapping values are not allowed in this context; quote a text that contains ': '"]),
    ("flow list", swap("  - address: udp:192.0.2.10:5060", "  [udp:[2001:db8::1]:5060]"),
     ["5:7: this is not YAML: found unexpected ':' while scanning a plain scalar; write lists in lines of their own, "
      "each beginning with '- '"]),
    ("deep", whole("a: " + "[" * 200000), ["1:35: lists and maps are nested more than 32 deep"]),
    ("cycle", add("names: &a\n  - *a\n"), ["18:8: 'names' must be a host name or address, not a list"]),
    ("list as key", add("? [a]\n: b\n"), ["18:3: a key must be a word, not a list"]),
    # keys
    ("near key", add("dns:\n  timeuot: 1s\n"), ["19:3: unknown key 'timeuot' in 'dns'; did you mean 'timeout'?"]),
    ("far key", add("zzzzzzzz: 1\n"), ["18:1: unknown key 'zzzzzzzz'; there are " + TOP]),
    ("key of a later version", add("dns:\n  min-ttl: 1s\n"),
     ["19:3: unknown key 'min-ttl' in 'dns'; there are servers, timeout, tries"]),
    ("key of a later version, limits", add("limits:\n  holds: 64k\n"),
     ["19:3: unknown key 'holds' in 'limits'; there are transactions, ringing, parked, park-for"]),
    ("merge key", add("<<: x\n"), ["18:1: unknown key '<<'; there are " + TOP]),
    ("key of a trunk", swap("    uri: sip:10.0.0.5", "    urri: sip:10.0.0.5"),
     ["12:5: 'uri' is missing in trunk 'pbx'", "12:5: unknown key 'urri' in trunk 'pbx'; did you mean 'uri'?"]),
    ("twice", add("dns:\n  tries: 3\n  tries: 4\n"), ["20:3: 'tries' in 'dns' is there already, in line 19; keep one"]),
    ("section twice", add("dns:\n  tries: 3\ndns:\n  tries: 4\n"), ["20:1: 'dns' is there already, in line 18; keep one"]),
    ("missing", whole("interfaces:\n  wan:\n    device: eth0\n"), ["1:1: 'listen' is missing"]),
    # types and values
    ("list for a value", add("dns:\n  timeout:\n    - 1s\n"), [f"20:5: 'timeout' in 'dns' must be {SUCH}, not a list"]),
    ("value for a map", add("dns: 192.0.2.53\n"), ["18:6: 'dns' must be a map of keys, not a single value"]),
    ("nothing", add("dns:\n  timeout:\n"), [f"19:11: 'timeout' in 'dns' has no value; expected {SUCH}, or leave it out"]),
    ("duration", add("dns:\n  timeout: 1.5 sec\n"), [f"19:12: 'timeout' in 'dns' is '1.5 sec': expected {DURATION}"]),
    ("duration without unit", add("dns:\n  timeout: 5\n"), [f"19:12: 'timeout' in 'dns' is '5': expected {DURATION}"]),
    ("duration too fine", add("dns:\n  timeout: 10.5ms\n"), [f"19:12: 'timeout' in 'dns' is '10.5ms': expected {DURATION}"]),
    ("duration out of range", add("dns:\n  timeout: 2h\n"),
     ["19:12: 'timeout' in 'dns' is '2h': expected a duration from 10ms to 1m"]),
    ("number", swap("device: eth0", "device: eth0\n    rings: many"),
     ["4:12: 'rings' in interface 'wan' is 'many': expected a number from 1 to 64"]),
    ("number or word", add("workers: autp\n"), ["18:10: 'workers' is 'autp': expected auto or a number from 1 to 64"]),
    ("number out of range", add("workers: 0\n"), ["18:10: 'workers' is '0': expected auto or a number from 1 to 64"]),
    ("number's suffix", add("limits:\n  transactions: 1G\n"),
     ["19:17: 'transactions' in 'limits' is '1G': expected a number from 1024 to 64000000 (k and M may follow it)"]),
    ("number beyond 64 bits", add("workers: 99999999999999999999999\n"),
     ["18:10: 'workers' is '99999999999999999999999': expected auto or a number from 1 to 64"]),
    ("switch", add("busy-poll: maybe\n"), ["18:12: 'busy-poll' is 'maybe': expected yes or no"]),
    ("word", swap("sources:\n      - resolved", "nat: yess"),
     ["9:10: 'nat' in trunk 'carrier' is 'yess': did you mean 'yes'? It can be one of auto, yes, no"]),
    ("long text", add("control-socket: /" + "x" * 107 + "\n"),
     ["18:17: 'control-socket' is '/xxxxxxxxxxxxxxxxxxxxxxxxxxxxx..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx': "
      "expected 1 to 107 characters"]),
    ("control character", add('control-socket: "a\\u0000b"\n'),
     ["18:17: 'control-socket' is 'a?b': expected no control characters"]),
    ("DNS server's port", add("dns:\n  servers: 192.0.2.53:99999\n"),
     [f"19:12: 'servers' in 'dns' is '192.0.2.53:99999': {ENDPOINT}"]),
    ("too many DNS servers", add("dns:\n  servers:\n" + "".join(f"    - 192.0.2.{i}\n" for i in range(1, 10))),
     ["28:7: 'servers' has 9 entries; 8 at most"]),
    ("too many interfaces", swap("listen:", "".join(f"  i{i}:\n    device: eth{i}\n" for i in range(1, 33)) + "listen:"),
     ["66:3: 'interfaces' has 33 entries; 32 at most"]),
    ("too many addresses", swap("device: eth0", "vdev: net_null0\n    mac: 02:00:00:00:00:01\n    addresses:\n      - 192.0.2.10/24\n"
                                + "".join(f"      - 10.0.{i}.1/24\n" for i in range(64))),
     ["70:9: 'addresses' has 65 entries; 64 at most"]),
    ("host", add("names: a..b\n"), ["18:8: 'names' is 'a..b': expected a host name or an address, without port"]),
    ("host twice", add("names:\n  - a.example\n  - A.example.\n"), ["20:5: 'a.example' is in 'names' twice; keep one"]),
    # interfaces
    ("no interface", swap("  wan:\n    device: eth0\n", "  {}\n"), ["2:3: 'interfaces' has no entry; expected at least one"]),
    ("rings", swap("device: eth0", "device: eth0\n    rings: 2\n  lan:\n    device: eth1\n    rings: 1\nworkers: 2"),
     ["7:12: interface 'lan' has 1 ring, but each of the 2 workers needs one; expected rings: 2"]),
    ("neither", swap("device: eth0", "rings: 1"), ["2:3: interface 'wan' has neither 'device' nor 'vdev'; expected one"]),
    ("both", swap("device: eth0", VDEV + "\n    device: eth0"),
     ["2:3: interface 'wan' has both 'device' and 'vdev'; keep one"]),
    ("pci", swap("device: eth0", "pci: 0000:03:00.0"),
     ["3:10: 'pci' in interface 'wan': NICs taken from the kernel come later; use 'device'"]),
    ("device's name", swap("device: eth0", "device: eth0/1"),
     ["3:13: 'device' in interface 'wan' is 'eth0/1': expected the name of a kernel interface such as eth0"]),
    ("device's MAC", swap("device: eth0", "device: eth0\n    mac: 02:00:00:00:00:01"),
     ["4:10: 'mac' in interface 'wan' is the kernel's business; only a vdev has it"]),
    ("one device twice", swap("device: eth0", "device: eth0\n  lan:\n    device: eth0"),
     ["5:13: device 'eth0' is interface 'wan' already"]),
    ("vdev alone", swap("device: eth0", "vdev: net_null0"),
     ["2:3: 'addresses' is missing in interface 'wan'; a vdev has no kernel to ask",
      "2:3: 'mac' is missing in interface 'wan'; a vdev has no kernel to ask"]),
    ("one vdev twice", swap("device: eth0", VDEV + "\n  lan:\n    " + VDEV.replace("net_null0", '"net_null0,no-rx=1"')),
     ["7:11: vdev 'net_null0' is interface 'wan' already"]),
    ("long vdev", swap("device: eth0", VDEV.replace("net_null0", "net_" + "n" * 60 + ",no-rx=1")),
     ["3:11: 'vdev' in interface 'wan' begins with a device name of 64 characters; expected 1 to 63 before the first ','"]),
    ("group MAC, no length", swap("device: eth0", VDEV.replace("02:", "01:", 1).replace("/24", "")),
     ["4:10: 'mac' in interface 'wan' is '01:00:00:00:00:01': expected the MAC address of one station, not a group's",
      "5:16: 'addresses' in interface 'wan' is '192.0.2.10': expected an address and the length of its network, such "
      "as 192.0.2.10/24"]),
    ("foreign listener", swap("device: eth0", VDEV.replace(".10/", ".11/")),
     ["7:14: 192.0.2.10 is no address of an interface; it belongs into 'addresses' of one"]),
    ("neighbours", swap("device: eth0", VDEV + "\n    neighbours:\n      gateway: 02:00:00:00:00:02\n      10.0.0.1: 02"),
     ["7:7: 'gateway' in 'neighbours' is neither an IP address nor 'default'",
      "8:17: 'neighbours' is '02': expected a MAC address such as 02:00:00:00:00:01"]),
    ("neighbour twice", swap("device: eth0", VDEV + "\n    neighbours:\n      ::1: 02:00:00:00:00:02\n"
                                                    "      0:0::1: 02:00:00:00:00:02"),
     ["8:7: this neighbour is there already, in line 7; keep one"]),
    # listeners
    ("no listener", swap("listen:\n  - address: udp:192.0.2.10:5060", "listen: []"),
     ["4:9: 'listen' has no entry; expected at least one"]),
    ("listen is a map", swap("  - address: udp", "  address: udp"),
     ["5:3: 'listen' must be a list (a line of its own for each entry, beginning with '- '), not a map"]),
    ("listener is a value", swap("  - address: udp", "  - udp"), ["5:5: a listener must be a map of keys, not a single value"]),
    ("one port twice", swap("0.2.10:5060", "0.2.10:5060\n  - address: udp:192.0.2.10"),
     ["6:14: udp:192.0.2.10:5060 is listened on already, in line 5; each listener has its own port"]),
    ("tcp", swap("udp:192", "tcp:192"),
     ["5:14: 'address' in a listener is 'tcp:192.0.2.10:5060': listeners over tcp come later; use udp:"]),
    ("no transport", swap("udp:192", "192"), [f"5:14: 'address' in a listener is '192.0.2.10:5060': {LISTEN}"]),
    ("any", swap("192.0.2.10", "0.0.0.0"),
     ["5:14: 'address' in a listener is 'udp:0.0.0.0:5060': expected one address of an interface"]),
    ("no brackets", swap("192.0.2.10", "2001:db8::1"), [f"5:14: 'address' in a listener is 'udp:2001:db8::1:5060': {LISTEN}"]),
    ("advertise", swap("0.2.10:5060", "0.2.10:5060\n    advertise: 2001:db8::1"),
     ["6:16: 'advertise' must be an IPv4 address, as 'address' is one"]),
    # trunks
    ("trunk twice", swap("  pbx:", "  carrier:"),
     ["11:3: trunk 'carrier' is there already, in line 7; names are unique",
      "16:11: trunk 'pbx' in a route does not exist; add it to 'trunks'"]),
    ("trunk's name", swap("  pbx:", "  p bx:"),
     ["11:3: 'p bx' cannot be a name in 'trunks'; expected letters, digits, '.', '_' and '-', 64 at most"]),
    ("long name", swap("  pbx:", "  " + "p" * 65 + ":"),
     ["11:3: 'pppppppppppppppppppppppppppppp..pppppppppppppppppppppppppppppp' cannot be a name in 'trunks'; expected "
      "letters, digits, '.', '_' and '-', 64 at most"]),
    ("reserved name", lambda: BASE.replace("carrier:", "request-uri:").replace("to: carrier", "to: request-uri"),
     ["7:3: a trunk cannot be called 'request-uri'; in a route it has a meaning of its own"]),
    ("no uri", swap("    uri: sip:10.0.0.5\n", ""), ["12:5: 'uri' is missing in trunk 'pbx'"]),
    ("uri without scheme", swap("sip:10.0.0.5", "10.0.0.5"),
     ["12:10: 'uri' in trunk 'pbx' is '10.0.0.5': expected a SIP URI such as sip:sip.carrier.example or "
      "sip:192.0.2.7:5060"]),
    ("tel uri", swap("sip:10.0.0.5", "tel:+49"),
     ["12:10: 'uri' in trunk 'pbx' is 'tel:+49': expected a SIP URI such as sip:sip.carrier.example"]),
    ("sips uri", swap("sip:10.0.0.5", "sips:pbx.example"),
     ["12:10: 'uri' in trunk 'pbx' is 'sips:pbx.example': only UDP can be sent yet; use sip: without transport, or "
      "with transport=udp"]),
    ("tcp uri", swap("sip:10.0.0.5", "sip:pbx.example;transport=tcp"),
     ["12:10: 'uri' in trunk 'pbx' is 'sip:pbx.example;transport=tcp': only UDP can be sent yet; use sip: without "
      "transport, or with transport=udp"]),
    ("uri with user", swap("sip:10.0.0.5", "sip:me@pbx.example"),
     ["12:10: 'uri' in trunk 'pbx' is 'sip:me@pbx.example': expected host, port and parameters only; a call keeps its "
      "own user"]),
    ("maddr", swap("sip:10.0.0.5", "sip:pbx.example;maddr=" + "a" * 254),
     ["12:10: 'uri' in trunk 'pbx' is 'sip:pbx.example;maddr=" + "a" * 8 + ".." + "a" * 30 + "': its maddr is neither a host name nor an address"]),
    # two names of one 32-bit hash
    ("trunk's id", lambda: BASE.replace("pbx", "t212099").replace("carrier:", "t85936:").replace("to: carrier", "to: t85936"),
     ["11:3: trunk 't212099' and trunk 't85936' in line 7 have the same 32-bit id; rename one"]),
    ("host bits", swap("10.0.0.0/24", "10.0.0.1/24"),
     ["14:9: 'sources' in trunk 'pbx' is '10.0.0.1/24': bits are set beyond the prefix length; did you mean "
      "'10.0.0.0/24'?"]),
    ("source's port", swap("10.0.0.0/24", "10.0.0.0/24 port 99999"),
     ["14:9: 'sources' in trunk 'pbx' is '10.0.0.0/24 port 99999': expected resolved, a prefix such as "
      "198.51.100.0/24, or a prefix with a port such as 198.51.100.7 port 5060"]),
    ("source twice", swap("- 10.0.0.0/24", "- 10.0.0.5\n      - 10.0.0.5/32"),
     ["15:9: trunk 'pbx' has this source already, in line 14; keep one"]),
    ("resolved and its address", swap("- 10.0.0.0/24", "- resolved\n      - 10.0.0.5"),
     ["15:9: trunk 'pbx' has this source already, in line 14; keep one"]),
    ("source of two", swap("- resolved", "- 10.0.0.0/24"),
     ["14:9: trunk 'pbx' has the same source as trunk 'carrier' in line 10; nothing tells their requests apart"]),
    ("name of two", lambda: BASE.replace("sip:10.0.0.5", "sip:SIP.carrier.example").replace("- 10.0.0.0/24", "- resolved"),
     ["14:9: trunk 'pbx' has the same source as trunk 'carrier' in line 10; nothing tells their requests apart"]),
    # routes
    ("near trunk", swap("to: carrier", "to: carier"),
     ["17:9: trunk 'carier' in a route does not exist; there is 'carrier'"]),
    ("far trunk", swap("from: pbx", "from: phone"),
     ["16:11: trunk 'phone' in a route does not exist; add it to 'trunks'"]),
    ("nowhere", swap("    to: carrier\n", ""), ["16:5: a route has neither 'to' nor 'reply'; expected one"]),
    ("two ends", add("    reply: 200\n"), ["16:5: a route has both 'to' and 'reply'; keep one"]),
    ("reply", add("  - reply: 100\n"), ["18:12: 'reply' in a route is '100': expected a number from 200 to 699"]),
    ("lower case", add("  - method: invite\n    reply: 200\n"),
     ["18:13: 'method' in a route is 'invite': methods are upper case; did you mean 'INVITE'?"]),
    ("CANCEL", add("  - method: CANCEL\n    reply: 200\n"),
     ["18:13: 'method' in a route is 'CANCEL': CANCEL and ACK go where their INVITE went; use INVITE"]),
    ("star inside", add('  - user: "+4*9"\n    to: pbx\n'),
     ["18:11: 'user' in a route is '+4*9': expected a user such as +4930123, where only the last character may be '*'"]),
    ("star in a label", add('  - domain: "*partner"\n    to: pbx\n'),
     ["18:13: 'domain' in a route is '*partner': expected a host, or '*.' and a domain such as \"*.partner.example\""]),
    # all at once, in order
    ("several", lambda: BASE.replace("to: carrier", "to: carier").replace("udp:192", "tcp:192") + "dns:\n  timeuot: 1s\n",
     ["5:14: 'address' in a listener is 'tcp:192.0.2.10:5060': listeners over tcp come later; use udp:",
      "17:9: trunk 'carier' in a route does not exist; there is 'carrier'",
      "19:3: unknown key 'timeuot' in 'dns'; did you mean 'timeout'?"]),
]


def test_base_is_fine(tandem, tmp_path):
    (tmp_path / "edge.yaml").write_text(BASE)
    r = tandem("check", "edge.yaml", cwd=tmp_path)
    assert (r.returncode, r.stdout, r.stderr) == (0, "edge.yaml: fine: 2 trunks, 1 listener, 1 route\n", "")


@pytest.mark.parametrize("make,errors", [pytest.param(m, e, id=n) for n, m, e in BAD])
def test_bad_file(tandem, tmp_path, make, errors):
    (tmp_path / "edge.yaml").write_text(make())
    r = tandem("check", "edge.yaml", cwd=tmp_path, timeout=20)
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    assert r.stderr.splitlines() == [f"edge.yaml:{e}" for e in errors] + [count]
    assert (r.returncode, r.stdout) == (1, "")


def test_not_utf8(tandem, tmp_path):
    (tmp_path / "edge.yaml").write_bytes(b"listen: caf\xe9\n")
    r = tandem("check", "edge.yaml", cwd=tmp_path)
    assert r.stderr.splitlines()[0].startswith("edge.yaml:1:12: this is not UTF-8 text: ")
    assert r.returncode == 1


def test_json(tandem, tmp_path):
    (tmp_path / "edge.yaml").write_text(BASE.replace("to: carrier", "to: carier"))
    r = tandem("check", "--json", "edge.yaml", cwd=tmp_path)
    assert r.returncode == 1
    assert json.loads(r.stdout) == {
        "file": "edge.yaml", "fine": False, "errors_left_out": 0,
        "errors": [{"line": 17, "column": 9, "text": "trunk 'carier' in a route does not exist; there is 'carrier'"}]}
    (tmp_path / "edge.yaml").write_text(BASE)
    r = tandem("check", "--json", "edge.yaml", cwd=tmp_path)
    assert r.returncode == 0
    assert json.loads(r.stdout)["configuration"] == {"interfaces": 1, "trunks": 2, "listeners": 1, "routes": 1}


@pytest.mark.parametrize("args,code,text", [
    ((), 2, "tandem check: FILE: none is given; see tandem check --help\n"),
    (("a", "b"), 2, "tandem check: FILE: more than one is given; see tandem check --help\n"),
    (("--jsn", "a"), 2, "tandem check: --jsn: unknown option; see tandem check --help\n"),
    (("absent.yaml",), 1, "absent.yaml: there is no such file\n1 error\n"),
    ((".",), 1, ".: Is a directory\n1 error\n"),
])
def test_usage(tandem, tmp_path, args, code, text):
    r = tandem("check", *args, cwd=tmp_path)
    assert (r.returncode, r.stdout, r.stderr) == (code, "", text)


def test_help_and_version(tandem):
    r = tandem("check", "--help")
    assert r.returncode == 0
    assert r.stdout.count("\n  tandem check ") == 3
    assert tandem("check", "--version").stdout == tandem("--version").stdout


def example_files():
    folder = os.path.join(os.path.dirname(__file__), "..", "..", "examples")
    return sorted(glob.glob(os.path.join(folder, "*.yaml")))


def test_there_are_examples():
    assert len(example_files()) >= 3


@pytest.mark.parametrize("path", example_files(), ids=os.path.basename)
def test_example(tandem, path):
    r = tandem("check", path)
    assert (r.returncode, r.stderr) == (0, "")


def trunks(n, target="carriers-{:05d}"):
    lines = ["interfaces:", "  wan:", "    device: eth0", "listen:", "  - address: udp:192.0.2.10", "trunks:"]
    for i in range(n):
        lines += [f"  carriers-{i:05d}:", f"    uri: sip:sip.carriers-{i:05d}.example", "    sources:", "      - resolved",
                  f"      - 10.{i >> 8}.{i & 255}.0/24"]
    lines += ["routes:"]
    for i in range(n):
        lines += [f"  - from: carriers-{i:05d}", "    to: " + target.format(i * 7919 % n)]
    return "\n".join(lines) + "\n"


def test_many_trunks(tandem, tmp_path):
    """About 0.2 s where this was written; a quadratic search would take minutes."""
    (tmp_path / "big.yaml").write_text(trunks(20000))
    begin = time.monotonic()
    r = tandem("check", "big.yaml", cwd=tmp_path)
    assert r.stdout == "big.yaml: fine: 20000 trunks, 1 listener, 20000 routes\n"
    assert time.monotonic() - begin < 5


def test_many_errors(tandem, tmp_path):
    (tmp_path / "big.yaml").write_text(trunks(20000, "carrers-{:05d}"))
    r = tandem("check", "big.yaml", cwd=tmp_path, timeout=20)
    assert r.stderr.splitlines()[-2:] == ["19000 more not shown", "20000 errors"]


def test_aliases_are_bounded(tandem, tmp_path):
    """2,000 times the same list of 5,000 sources: ten million values in a small file."""
    sources = "\n".join(f"      - 10.{i >> 8}.{i & 255}.0/24" for i in range(5000))
    text = BASE.replace("    sources:\n      - resolved", "    sources: &all\n" + sources)
    more = "".join(f"  t{i}:\n    uri: sip:192.0.2.1\n    sources: *all\n" for i in range(2000))
    (tmp_path / "bomb.yaml").write_text(text.replace("  pbx:\n", more + "  pbx:\n"))
    r = tandem("check", "bomb.yaml", cwd=tmp_path, timeout=20)
    assert "more than 4194304 values, aliases counted" in r.stderr


def test_anchors_are_bounded(tandem, tmp_path):
    (tmp_path / "bomb.yaml").write_text(BASE + "names:\n" + "".join(f"  - &a{i} h{i}.example\n" for i in range(100000)))
    r = tandem("check", "bomb.yaml", cwd=tmp_path, timeout=20)
    assert "more than 1024 anchors in one file" in r.stderr


def test_too_large(tandem, tmp_path):
    with open(tmp_path / "huge.yaml", "wb") as f:
        f.truncate((64 << 20) + 1)
    r = tandem("check", "huge.yaml", cwd=tmp_path, timeout=20)
    assert (r.returncode, r.stderr) == (1, "huge.yaml: larger than 64 MB; is this the right file?\n1 error\n")


def test_reads_a_pipe(tandem, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = subprocess.Popen(["/usr/bin/python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])",
                               str(path), BASE])
    r = tandem("check", str(path))
    writer.wait(timeout=20)
    assert r.returncode == 0
