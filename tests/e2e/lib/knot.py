"""A real DNS server for tests: Knot DNS in the foreground, one per instance.

    with Knot(folder, {"x.test": "@ 60 A 192.0.2.1"}) as knot:
        run("tandem", "resolve", "--server", knot.server, "sip:x.test")
        knot.edit("x.test", "@ 60 A 192.0.2.2")

Zone text is what follows the SOA and NS records, which are added with a fresh serial; names
are relative to the zone. Negative answers live for `negative_ttl` seconds.

Inside a network namespace: Knot(.., address="10.0.0.53", port=53, prefix=["ip", "netns", "exec", NS]).
"""
import os
import signal
import socket
import subprocess
import time


def free_port(address="127.0.0.1"):
    """A port that is free for UDP and TCP alike, as far as anybody can tell beforehand."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        with socket.socket(family, socket.SOCK_STREAM) as tcp, socket.socket(family, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise RuntimeError("no free port")


def wait_for(what, done, seconds=10.0, step=0.02):
    """Poll until done() is true; it may raise OSError meanwhile."""
    end = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(step)


class Knot:
    def __init__(self, folder, zones, address="127.0.0.1", port=None, negative_ttl=60, prefix=()):
        self.folder = str(folder)
        self.zones = dict(zones)
        self.address = address
        self.port = port or free_port(address)
        self.negative_ttl = negative_ttl
        self.prefix = list(prefix)
        self.serial = 1
        self.process = None
        self.frozen = False
        self.serving = True
        os.makedirs(self.folder, exist_ok=True)

    @property
    def server(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def _conf(self):
        return os.path.join(self.folder, "knot.conf")

    def _write_conf(self):
        zones = "".join(f"  - domain: {z}\n    file: {self.folder}/{z}.zone\n" for z in self.zones) if self.serving else ""
        with open(self._conf, "w") as f:
            f.write(f"server:\n  listen: [{self.address}@{self.port}]\n  rundir: {self.folder}\n"
                    f"  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
                    f"database:\n  storage: {self.folder}\n"
                    f"log:\n  - target: stderr\n    any: warning\n"
                    f"template:\n  - id: default\n    storage: {self.folder}\n    zonefile-sync: -1\n"
                    f"    zonefile-load: whole\n    journal-content: none\n    semantic-checks: off\n")
            if zones:
                f.write("zone:\n" + zones)

    def _write_zone(self, zone):
        self.serial += 1
        path = os.path.join(self.folder, zone + ".zone")
        with open(path + ".new", "w") as f:
            f.write(f"$ORIGIN {zone}.\n$TTL 60\n"
                    f"@ {self.negative_ttl} SOA ns hostmaster {self.serial} 3600 900 86400 {self.negative_ttl}\n"
                    f"@ 60 NS ns\nns 60 A 192.0.2.53\n{self.zones[zone]}\n")
        os.rename(path + ".new", path)

    def start(self):
        for z in self.zones:
            self._write_zone(z)
        self._write_conf()
        self.log = open(os.path.join(self.folder, "knot.log"), "ab")
        self.process = subprocess.Popen([*self.prefix, "knotd", "-c", self._conf], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        try:
            wait_for("Knot DNS", lambda: self._control("status", check=False).returncode == 0)
            for z in self.zones:
                wait_for(f"zone {z}", lambda: self._serial_of(z) == self.serial_of_file(z))
        except BaseException:
            self.stop()
            raise
        return self

    def serial_of_file(self, zone):
        with open(os.path.join(self.folder, zone + ".zone")) as f:
            return int(f.read().split(" SOA ")[1].split()[2])

    def _serial_of(self, zone):
        out = self._control("zone-status", zone, "+serial", check=False).stdout
        digits = "".join(c for c in out.rpartition("serial:")[2] if c.isdigit())
        return int(digits) if digits else None

    def _control(self, *args, check=True):
        return subprocess.run(["knotc", "-c", self._conf, "-t", "10", *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=check)

    def edit(self, zone, text):
        """Replace a zone's text and wait until it is served."""
        self.zones[zone] = text
        self._write_zone(zone)
        self._control("zone-reload", zone)
        wait_for(f"zone {zone}", lambda: self._serial_of(zone) == self.serial_of_file(zone))

    def refuse(self):
        """Answer REFUSED to everything, as a server without the zones does."""
        self.serving = False
        self._write_conf()
        self._control("reload")

    def serve(self):
        """Undo refuse()."""
        self.serving = True
        self._write_conf()
        self._control("reload")
        for z in self.zones:
            wait_for(f"zone {z}", lambda: self._serial_of(z) == self.serial_of_file(z))

    def freeze(self):
        """Fall silent: questions arrive and nothing comes back."""
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def stop(self):
        if not self.process:
            return
        if self.frozen:
            self.thaw()
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        self.process = None
        self.log.close()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()
