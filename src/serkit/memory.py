"""Memory available to this process."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Memory that can be allocated without swapping; None where the system does not tell.

    On Linux, the smaller of what the machine has and what the control group of a container allows.
    """
    found = [size for size in (_of_machine(), _of_group()) if size is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    for line in _lines(_MEMINFO):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) << 10
    return None


def _of_group() -> int | None:
    """What control group v2 allows beyond its use; file cache counts as free."""
    limit, used = (_lines(_GROUP / name) for name in ("memory.max", "memory.current"))
    if not limit or not used or not limit[0].isdigit():
        return None
    cached = 0
    for line in _lines(_GROUP / "memory.stat"):
        name, _, rest = line.partition(" ")
        if name == "inactive_file":
            cached = int(rest)
    return max(0, int(limit[0]) - int(used[0]) + cached)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
