"""A server of serkit in a process of its own, and what it costs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "SERKIT_SERVE_"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Served:
    """A running server.

    Attributes:
        port: Where it listens on the loopback interface.
        process: The server.
    """

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[int]:
        """The server and its decoding processes."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid, *(int(one) for of in threads for one in of.read_text().split())]

    @property
    def cpu_s(self) -> float:
        """Processor time of all its processes so far, in seconds."""
        return sum(map(_cpu_s, self.processes))

    @property
    def memory_mb(self) -> float:
        """Resident memory of all its processes, in MB."""
        return sum(map(_memory_mb, self.processes))

    def ready(self, path: str = "/readyz") -> bool:
        """Whether it answers 200."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as response:  # noqa: S310
                return bool(response.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@contextlib.contextmanager
def served(port: int = 0, **settings: Any) -> Iterator[Served]:
    """Start a server with these settings; it ends with the block."""
    port = port or free_port()
    server = Served(port, start(port, **settings))
    try:
        wait_until_ready(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def start(port: int, **settings: Any) -> subprocess.Popen[bytes]:
    """Start the process of a server."""
    environment = {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "serkit", "serve"],
        env=os.environ | {f"{PREFIX}LOG_LEVEL": "error", f"{PREFIX}PORT": str(port)} | environment,
        stdout=subprocess.DEVNULL,
    )


def wait_until_ready(server: Served, seconds: float = 60.0) -> None:
    """Wait for a server to answer.

    Raises:
        TimeoutError: It does not.
    """
    latest = time.monotonic() + seconds
    while not server.ready():
        if time.monotonic() > latest:
            raise TimeoutError(f"no server at {server.url} after {seconds:g} s")
        time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _cpu_s(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory_mb(process: int) -> float:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE / 1e6
    except OSError:
        return 0.0
