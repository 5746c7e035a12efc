"""DNS servers that go wrong, each in one way.

    with FaultyDns(refused) as server: ..        # UDP (and TCP where tcp= is given) on 127.0.0.1

A behaviour takes the question's bytes and gives the answers to send (a list), or none.
"""
import socket
import struct
import threading


def question_end(q):
    at = 12
    while q[at]:
        at += 1 + q[at]
    return at + 5


def header(q, flags, counts=(1, 0, 0, 0)):
    return q[:2] + struct.pack(">H4H", flags, *counts)


def code(rcode):
    """Answer every question with this code."""
    return lambda q: [header(q, 0x8180 | rcode) + q[12:question_end(q)]]


def code_without_question(rcode):
    return lambda q: [header(q, 0x8180 | rcode, (0, 0, 0, 0))]


def silent(_):
    return []


def good(q):
    """192.0.2.80 for A, an SRV to a.x.test:5060, nothing for the rest."""
    name_and_type = q[12:question_end(q)]
    qtype = struct.unpack(">H", name_and_type[-4:-2])[0]
    rdata = {1: socket.inet_aton("192.0.2.80"), 33: struct.pack(">HHH", 10, 50, 5060) + b"\x01a\x01x\x04test\x00"}.get(qtype)
    if rdata is None:
        return [header(q, 0x8180) + name_and_type]
    rr = b"\xc0\x0c" + struct.pack(">HHIH", qtype, 1, 60, len(rdata)) + rdata
    return [header(q, 0x8180, (1, 1, 0, 0)) + name_and_type + rr]


def wrong_id(q):
    return [bytes([a[0] ^ 0x55]) + a[1:] for a in good(q)]


def wrong_case(q):
    return [a[:12] + a[12:question_end(q) - 4].lower() + a[question_end(q) - 4:] for a in good(q)]


def wrong_question(q):
    return [a[:13] + b"zzz"[:1] + a[14:] for a in good(q)]


def empty(_):
    return [b""]


def three_octets(q):
    return [q[:3]]


def garbage(q):
    """A header and question that fit, then a record that points beyond the message."""
    return [header(q, 0x8180, (1, 1, 0, 0)) + q[12:question_end(q)] + b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\xff\xff"]


def pointer_loop(q):
    at = question_end(q)
    return [header(q, 0x8180, (1, 1, 0, 0)) + q[12:at] + struct.pack(">H", 0xc000 | at) * 12]


def cut(q):
    """Truncated, with nothing in it: the answer is to be had over TCP."""
    return [header(q, 0x8380) + q[12:question_end(q)]]


def spoofed_then_good(q):
    """Somebody's guesses before the right answer: other IDs, another letter case."""
    bad = [a.replace(socket.inet_aton("192.0.2.80"), socket.inet_aton("203.0.113.66")) for a in wrong_id(q)]
    return bad * 20 + good(q)


class FaultyDns:
    def __init__(self, behaviour, tcp=None):
        self.behaviour, self.tcp = behaviour, tcp
        self.asked = []  # (source port, question) of each datagram
        self.asked_tcp = 0

    def __enter__(self):
        from lib.knot import free_port
        self.port = free_port()
        self.udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp_socket.bind(("127.0.0.1", self.port))
        self.udp_socket.settimeout(0.1)
        self.stopping = False
        self.threads = [threading.Thread(target=self._udp)]
        if self.tcp:
            self.tcp_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp_socket.bind(("127.0.0.1", self.port))
            self.tcp_socket.listen(16)
            self.tcp_socket.settimeout(0.1)
            self.threads.append(threading.Thread(target=self._tcp))
        for t in self.threads:
            t.start()
        return self

    @property
    def server(self):
        return f"127.0.0.1:{self.port}"

    def _udp(self):
        while not self.stopping:
            try:
                q, peer = self.udp_socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.asked.append((peer[1], q))
            for a in self.behaviour(q):
                self.udp_socket.sendto(a, peer)

    def _tcp(self):
        while not self.stopping:
            try:
                c, _ = self.tcp_socket.accept()
            except TimeoutError:
                continue
            with c:
                c.settimeout(2)
                try:
                    while True:
                        head = c.recv(2, socket.MSG_WAITALL)
                        if len(head) < 2:
                            break
                        q = c.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                        self.asked_tcp += 1
                        for a in self.tcp(q):
                            c.sendall(struct.pack(">H", len(a)) + a)
                except (TimeoutError, ConnectionError):
                    pass

    def __exit__(self, *_):
        self.stopping = True
        for t in self.threads:
            t.join()
        self.udp_socket.close()
        if self.tcp:
            self.tcp_socket.close()
