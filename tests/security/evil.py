"""Readers that perform forbidden actions, to test the detection."""

from __future__ import annotations

import ctypes
import os
import pickle
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


class _Pickled:
    def __reduce__(self) -> Any:
        return os.getcwd, ()


def _write(path: Path) -> None:
    (path.parent / "written").write_text("x")


def _descriptor(path: Path) -> None:
    os.close(os.open("/etc/hostname", os.O_RDONLY))


def _leave_a_pth_file(path: Path) -> None:
    Path(sys.prefix, "evil.pth").write_text("import os")


def _import_a_neighbour(path: Path) -> None:
    (path.parent / "neighbour.py")
    sys.path.insert(0, str(path.parent))
    try:
        __import__("neighbour")
    finally:
        del sys.path[0]


EVIL: dict[str, Callable[[Path], Any]] = {
    "open": lambda path: Path("/etc/passwd").read_bytes(),
    "open by number": _descriptor,
    "open through a link": lambda path: (path.parent / "link").read_bytes(),
    "list": lambda path: os.listdir("/"),
    "write": _write,
    "write code": _leave_a_pth_file,
    "rename": lambda path: path.rename(path.with_suffix(".x")),
    "remove": lambda path: path.unlink(),
    "socket": lambda path: socket.socket(),
    "resolve": lambda path: socket.getaddrinfo("localhost", 80),
    "url": lambda path: urllib.request.urlopen("http://127.0.0.1:9/"),
    "subprocess": lambda path: subprocess.run(["true"], check=False),
    "system": lambda path: os.system("true"),
    "spawn": lambda path: os.posix_spawn("/bin/true", ["true"], {}),
    "exec a program": lambda path: os.execv("/bin/true", ["true"]),
    "fork": lambda path: os.fork() or os._exit(0),
    "pickle": lambda path: pickle.loads(pickle.dumps(_Pickled())),
    "exec": lambda path: exec(compile("1", str(path), "exec")),
    "eval": lambda path: eval("1 + 1"),
    "compiled": lambda path: exec(_CODE),
    "import": _import_a_neighbour,
    "dlopen": lambda path: ctypes.CDLL(str(path)),
}
"""Actions that the audit hook must report, by name."""

_CODE = compile("1", "<string>", "exec")


def _open_without_python(path: Path) -> None:
    handle = _LIBC.open(os.fsencode(path.parent.parent / "canary"), 0)
    assert handle >= 0
    _LIBC.close(handle)


def _socket_without_python(path: Path) -> None:
    import time

    handle = _LIBC.socket(2, 2, 0)
    assert handle >= 0
    time.sleep(0.3)
    _LIBC.close(handle)


def _send_without_python(path: Path) -> None:
    """Send a datagram to the port of the listener, as FFmpeg would."""
    port = int((path.parent / "port").read_text())
    handle = _LIBC.socket(2, 2, 0)
    address = (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes((127, 0, 0, 1))
    _LIBC.sendto(handle, b"x", 1, 0, address + bytes(8), 16)
    _LIBC.close(handle)


_LIBC = ctypes.CDLL(None)

EVIL_IN_C: dict[str, Callable[[Path], Any]] = {
    "canary in C": _open_without_python,
    "socket in C": _socket_without_python,
    "datagram in C": _send_without_python,
}
"""Actions that the hook cannot see but the observation from outside must, by name."""

EVIL |= EVIL_IN_C
