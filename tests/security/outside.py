"""Observation of a process from outside: files, sockets and network traffic."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_IN_OPEN = 0x20
_IN_NONBLOCK = os.O_NONBLOCK


class Canaries:
    """Files that must not be opened (inotify)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(_IN_NONBLOCK)
        assert self._handle >= 0, os.strerror(ctypes.get_errno())

    def add(self, path: Path) -> None:
        """Create another file and watch it."""
        path.write_text("nobody reads this")
        added = self._libc.inotify_add_watch(self._handle, os.fsencode(path), _IN_OPEN)
        assert added >= 0, os.strerror(ctypes.get_errno())

    def opened(self) -> int:
        """Number of times that a file was opened since the last call."""
        try:
            return len(os.read(self._handle, 1 << 16)) // 16
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Stop watching."""
        os.close(self._handle)


class Listener:
    """A TCP and a UDP port of the same number on the loopback interface."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        for one in (self._tcp, self._udp):
            one.setblocking(False)

    def heard(self) -> list[str]:
        """Connections and datagrams since the last call."""
        found = []
        for name, ask in (("tcp", self._tcp.accept), ("udp", lambda: self._udp.recv(100))):
            try:
                ask()
            except BlockingIOError:
                continue
            found.append(name)
        return found

    def close(self) -> None:
        """Stop listening."""
        self._tcp.close()
        self._udp.close()


class SocketWatch(threading.Thread):
    """Polls a process for open sockets every few milliseconds."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._folder = f"/proc/{process}/fd"
        self._seen: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        """Poll until `close` is called."""
        while not self._over.wait(0.005):
            try:
                for name in os.listdir(self._folder):
                    target = os.readlink(f"{self._folder}/{name}")
                    if target.startswith("socket:"):
                        self._seen.add(target)
            except OSError:  # closed in the meantime
                continue

    def held(self) -> set[str]:
        """Sockets seen since the last call."""
        seen, self._seen = self._seen, set()
        return seen

    def close(self) -> None:
        """Stop polling."""
        self._over.set()
        self.join()


def network_of_its_own() -> list[str] | None:
    """A command that runs another in a network namespace; None without the permission."""
    tool = shutil.which("unshare")
    command = [tool or "", "--user", "--map-root-user", "--net", sys.executable, __file__]
    if tool is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        return None
    return command


def _raise_loopback() -> None:
    """Bring the loopback interface up; while it is down, nothing is sent or counted."""
    with socket.socket() as any_socket:
        request = struct.pack("16sh", b"lo", 1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, request + bytes(22))  # SIOCSIFFLAGS


COUNTED = ("Tcp.ActiveOpens", "Tcp.PassiveOpens", "Udp.OutDatagrams", "Udp.InDatagrams")


def traffic(process: int) -> dict[str, int]:
    """Traffic of the network namespace of a process since its creation."""
    found: dict[str, int] = {}
    lines = Path(f"/proc/{process}/net/snmp").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        kind = names.partition(":")[0]
        pairs = zip(names.split()[1:], values.split()[1:], strict=True)
        found |= {f"{kind}.{name}": int(value) for name, value in pairs}
    return {name: found[name] for name in COUNTED if found[name]}


if __name__ == "__main__":
    _raise_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])
