"""No input runs code, opens another file or reaches a network: all readers under observation.

`watched.py` observes from inside the process, `outside.py` from outside.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from security.cases import CASES, Case, Place
from security.evil import EVIL, EVIL_IN_C
from security.outside import Canaries, Listener, SocketWatch, network_of_its_own, traffic

WATCHED = Path(__file__).with_name("watched.py")
MOST_SECONDS = 30


class Child:
    """The reading process and its observers."""

    def __init__(self, folder: Path, listener: Listener, wrapper: list[str]) -> None:
        self.folder = folder
        self.listener = listener
        self._canaries = Canaries()
        self._canaries.add(folder / "canary")
        self._number = 0
        self._wrapper = wrapper
        self._start()

    def _start(self) -> None:
        self._number += 1
        own = self.folder / f"own {self._number}"
        own.mkdir()
        self._errors = (own / "errors").open("w+b")
        self._process = subprocess.Popen(
            [*self._wrapper, sys.executable, "-P", WATCHED, own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._line(120) == b"ready\n", self._said()
        self._sockets = SocketWatch(self._process.pid)  # `unshare` becomes what it runs
        self._sockets.start()

    def _end(self) -> None:
        self._sockets.close()
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def case(self, case: Case) -> dict[str, Any]:
        """Make an input, have it read, and tell what came of it."""
        self._number += 1
        place = Place(self.folder / f"{self._number}" / "given", self.listener.port)
        place.root.mkdir(parents=True)
        self._canaries.add(place.canary)
        path = case.make(place)
        asked = os.fsencode(place.root) + b"/" + os.fsencode(path)
        if os.fsencode(path).startswith(b"/"):
            asked = os.fsencode(path)
        found = self.ask(case.reader, asked, place.root)
        found["made"] = (place.root.parent / "evil").exists()
        return found

    def ask(self, reader: str, path: bytes, folder: Path) -> dict[str, Any]:
        """Have a path read."""
        self._sockets.held()
        question = {"reader": reader, "path": path.hex(), "folder": str(folder)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._line(MOST_SECONDS)
        if not answer:
            said, held = self._said(), self._sockets.held()
            self._end()
            self._start()
            pytest.fail(f"{reader} hangs or crashes on {path!r}, holding {held}: {said}")
        found: dict[str, Any] = json.loads(answer)
        found["sockets"] = self._sockets.held()
        found["heard"] = self.listener.heard()
        found["canary"] = self._canaries.opened()
        return found

    def traffic(self) -> dict[str, int]:
        """What its network has carried."""
        return traffic(self._process.pid)

    def close(self) -> None:
        """End it."""
        self._end()
        self._canaries.close()
        self.listener.close()

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else b""

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A child in the network of this machine, with a listener on the loopback interface."""
    found = Child(tmp_path_factory.mktemp("watched"), Listener(), [])
    yield found
    found.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_input_is_only_read(child: Child, case: Case) -> None:
    found = child.case(case)
    assert found["events"] == []
    assert not found["sockets"]
    assert not found["heard"]
    assert not found["canary"]
    assert not found["made"]
    came = found["outcome"].partition(":")[0]
    assert came in (("read", "refused") if case.outcome == "either" else (case.outcome,)), found
    assert "\n" not in found["outcome"]
    assert len(found["outcome"]) < 5000


def test_no_traffic_in_a_network_namespace(tmp_path: Path) -> None:
    """All cases in a network namespace, whose counters miss no datagram and no connection."""
    wrapper = network_of_its_own()
    if wrapper is None:
        pytest.skip("this machine lets nobody make a network namespace; the listener is all")
    child = Child(tmp_path, Listener(), wrapper)
    try:
        for case in CASES:
            assert child.case(case)["events"] == [], case.name
        assert child.traffic() == {}
        (tmp_path / "port").write_text("9")
        child.ask("datagram in C", os.fsencode(tmp_path / "input"), tmp_path)
        assert child.traffic()  # that is, it counts
    finally:
        child.close()


EVENTS = {
    "open": "open", "open by number": "open", "open through a link": "open", "list": "os.listdir",
    "write": "open", "write code": "open", "rename": "os.rename", "remove": "os.remove",
    "socket": "socket.__new__", "resolve": "socket.getaddrinfo", "url": "urllib.Request",
    "subprocess": "subprocess.Popen", "system": "os.system", "spawn": "os.posix_spawn",
    "exec a program": "os.exec", "fork": "os.fork", "pickle": "pickle.find_class",
    "exec": "compile", "eval": "compile", "compiled": "exec", "import": "compile",
    "dlopen": "ctypes.dlopen",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in EVIL if name not in EVIL_IN_C])
def test_the_hook_sees_an_evil_reader(child: Child, name: str) -> None:
    folder = child.folder / f"evil {name}"
    folder.mkdir()
    (folder / "input").write_text("x")
    (folder / "link").symlink_to(child.folder / "canary")
    (folder / "neighbour.py").write_text("x = 1")
    found = child.ask(name, os.fsencode(folder / "input"), folder)
    assert found["outcome"].startswith("forbidden: "), found
    assert [event.partition(":")[0] for event in found["events"]][:1] == [EVENTS[name]]
    assert sorted(path.name for path in folder.iterdir()) == ["input", "link", "neighbour.py"]


@pytest.mark.parametrize(
    ("name", "watch"),
    [("canary in C", "canary"), ("socket in C", "sockets"), ("datagram in C", "heard")],
)
def test_the_watch_from_outside_sees_an_evil_library(child: Child, name: str, watch: str) -> None:
    folder = child.folder / f"evil {name}"
    folder.mkdir()
    (folder / "port").write_text(str(child.listener.port))
    found = child.ask(name, os.fsencode(folder / "input"), folder)
    assert found["events"] == []
    assert found[watch]
