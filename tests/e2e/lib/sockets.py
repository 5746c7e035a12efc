"""Sockets inside a network namespace, held by the test itself.

PYTEST_DONT_REWRITE: test modules import this before pytest could rewrite it, and it asserts nothing.
"""
import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000


def socket_in(ns, *args):
    """socket.socket(*args) that belongs to the namespace. A thread of its own enters it."""
    made = []

    def make():
        fd = os.open(f"/run/netns/{ns.name}", os.O_RDONLY)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(fd, CLONE_NEWNET) != 0:
                made.append(OSError(ctypes.get_errno(), "setns"))
            else:
                made.append(socket.socket(*args))
        except OSError as e:
            made.append(e)
        finally:
            os.close(fd)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def udp_socket(ns, address, port=0, timeout=5.0):
    """A UDP socket bound there."""
    s = socket_in(ns, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((address, port))
    s.settimeout(timeout)
    return s


def frame_socket(ns, device):
    """A packet socket: whole Ethernet frames in and out of a device."""
    s = socket_in(ns, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 3))
    s.settimeout(5.0)
    return s
