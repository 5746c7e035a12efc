"""SIP messages out of a capture: who sent which message of which call to whom.

PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import collections
import ipaddress
import struct

Message = collections.namedtuple("Message", "time source target start call_id cseq text")


def _udp(frame):
    """(source, target, payload) of an Ethernet frame with a whole UDP datagram, or None."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    ip = frame[14:]
    if kind == 0x0800 and ip[9] == 17:
        head = (ip[0] & 15) * 4
        if struct.unpack_from("!H", ip, 6)[0] & 0x3FFF:
            return None  # a fragment
        source, target = ipaddress.ip_address(ip[12:16]), ipaddress.ip_address(ip[16:20])
    elif kind == 0x86DD and ip[6] == 17:
        head = 40
        source, target = ipaddress.ip_address(ip[8:24]), ipaddress.ip_address(ip[24:40])
    else:
        return None
    sport, dport, length = struct.unpack_from("!HHH", ip, head)
    return (str(source), sport), (str(target), dport), ip[head + 8:head + length]


def _value(text, *names):
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() in names:
            return value.strip()
    return ""


def messages(path):
    """All SIP messages of a pcap file, in the order of the capture. Addresses are (text, port)."""
    with open(path, "rb") as f:
        data = f.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    scale = 1e-9 if data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e-6
    at, found = 24, []
    while at + 16 <= len(data):
        seconds, part, kept, _ = struct.unpack_from(order + "IIII", data, at)
        udp = _udp(data[at + 16:at + 16 + kept])
        at += 16 + kept
        if not udp or b"SIP/2.0" not in udp[2]:
            continue
        text = udp[2].decode("utf-8", "replace")
        found.append(Message(seconds + part * scale, udp[0], udp[1], text.split("\r\n")[0], _value(text, "call-id", "i"),
                             _value(text, "cseq"), text))
    return found


def write(path, payloads, source, target, source_mac="02:00:00:00:00:aa", target_mac="02:00:00:00:00:01"):
    """A pcap file with one IPv4/UDP datagram per payload, from source to target: ("192.0.2.1", 5060)."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, payload in enumerate(payloads):
            udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), i, 0, 64, 17, 0,
                               ipaddress.ip_address(source[0]).packed, ipaddress.ip_address(target[0]).packed)
            total = sum(struct.unpack("!10H", head))
            total = (total & 0xFFFF) + (total >> 16)
            head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
            macs = bytes.fromhex(target_mac.replace(":", "")) + bytes.fromhex(source_mac.replace(":", ""))
            frame = macs + b"\x08\x00" + head + udp
            f.write(struct.pack("<IIII", 1700000000 + i, 0, len(frame), len(frame)) + frame)


def requests(path):
    """The requests of a pcap file."""
    return [m for m in messages(path) if not m.start.startswith("SIP/2.0")]


def targets_of_calls(found):
    """Call-ID -> set of target addresses that its requests were sent to."""
    calls = collections.defaultdict(set)
    for m in found:
        if not m.start.startswith("SIP/2.0"):
            calls[m.call_id].add(m.target[0])
    return calls
