"""Time from Ctrl-C to the end of a command, and what it leaves behind.

Claim: every command ends within a second with exit code 130 and no traceback, and leaves no
unfinished file or process. Each command is interrupted at several moments, as a terminal does it:
the signal goes to the whole process group.

python benchmarks/interrupt.py
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from harness import machine, versions, write_result

RATE = 16_000
MOMENTS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
LABELS = ("angry", "happy", "neutral", "sad")
COMMANDS = {
    "predict": ("predict", *["long.flac"] * 40),
    "predict --report": ("predict", *["long.flac"] * 40, "--report", "out/report.html"),
    "corpus stats": ("corpus", "stats", "manifest=long.csv"),
    "encode": ("encode", "long.flac", "-o", "out/long.smel"),
    "encode --mode svdq": ("encode", "long.flac", "-o", "out/long.smel", "--mode", "svdq"),
    "train": (
        "train", "models/tiny", "--corpus", "manifest=clips.csv", "--no-figures", "--no-cache",
        "-o", "out/model.safetensors",
    ),
    "evaluate": (
        "evaluate", "models/tiny", "--corpus", "manifest=clips.csv", "--protocol", "loso",
        "--run", "out/run",
    ),
}  # fmt: skip


def make_recordings(root: Path) -> None:
    """Write an hour of noise, a manifest of it, and 1200 short clips of twelve speakers."""
    rng = np.random.default_rng(0)
    minute = 0.1 * rng.standard_normal(60 * RATE)
    with soundfile.SoundFile(root / "long.flac", "w", RATE, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(minute)
    rows = ["audio,label,speaker"]
    for i in range(1200):
        soundfile.write(root / f"clip{i}.wav", 0.1 * rng.standard_normal(3 * RATE), RATE)
        rows.append(f"clip{i}.wav,{LABELS[i % 4]},s{i // 100}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    rows = ["audio,label,speaker"]
    for i in range(40):
        (root / f"long{i}.flac").symlink_to(root / "long.flac")
        rows.append(f"long{i}.flac,sad,a")
    (root / "long.csv").write_text("\n".join(rows) + "\n")


def interrupted(root: Path, arguments: tuple[str, ...], after_s: float) -> dict[str, Any] | None:
    """Start a command and interrupt it; None if it ended earlier."""
    command = [sys.executable, "-m", "serkit", *arguments]
    with tempfile.TemporaryDirectory() as cache:
        process = subprocess.Popen(
            command, cwd=root, env=os.environ | {"XDG_CACHE_HOME": cache}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        time.sleep(after_s)
        if process.poll() is not None:
            process.communicate()
            return None
        start = time.perf_counter()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
        seconds = time.perf_counter() - start
        unfinished = [*(root / "out").rglob(".*"), *Path(cache).rglob(".*")]
    return {
        "after_s": after_s,
        "seconds": seconds,
        "exit": process.returncode,
        "lines": len(errors.splitlines()),
        "unfinished_files": len(unfinished),
        "processes": _alive(process.pid),
    }


def _alive(group: int) -> int:
    """Number of processes of a group that still run half a second later, zombies excluded."""
    time.sleep(0.5)
    alive = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Fields after the name in brackets: state, parent, group (proc(5)).
            state, _, own, *_ = path.read_text().rpartition(")")[2].split()
            alive += state != "Z" and int(own) == group
    return alive


def main() -> None:
    """Interrupt every command at every moment."""
    rows = []
    # In the background of a shell interrupts are ignored, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_recordings(root)
        for name, arguments in COMMANDS.items():
            for after_s in MOMENTS_S:
                (root / "out").mkdir(exist_ok=True)
                row = interrupted(root, arguments, after_s)
                if row is not None:
                    rows.append({"command": name, **row})
                    print(rows[-1])
    conditions = {"machine": machine(), "versions": versions(["serkit", "numpy", "torch"])}
    write_result("interrupt", {**conditions, "rows": rows})


if __name__ == "__main__":
    main()
