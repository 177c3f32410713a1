"""How long a command goes on after Ctrl-C, and what it leaves behind.

Claim: any command ends within a second, without a trace, with exit code 130, and no unfinished file
or process stays. Each is interrupted at several moments of its work, as a terminal does it: the
signal goes to the whole process group.

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
    """An hour of noise, a manifest of it, and 1200 short clips of twelve speakers."""
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
    """Start a command and interrupt it; None if it had ended before."""
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
    """How many processes of a group still run, half a second later; ended ones do not count."""
    time.sleep(0.5)
    alive = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name in brackets: state, parent, group (proc(5)).
            state, _, own, *_ = path.read_text().rpartition(")")[2].split()
            alive += state != "Z" and int(own) == group
    return alive


def main() -> None:
    """Every command at every moment."""
    rows = []
    # What a shell starts in the background ignores the signal, and so would the commands.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_recordings(root)
        for name, arguments in COMMANDS.items():
            for after_s in MOMENTS_S:
                (root / "out").mkdir(exist_ok=True)
                found = interrupted(root, arguments, after_s)
                if found is not None:
                    rows.append({"command": name, **found})
                    print(rows[-1])
    conditions = {"machine": machine(), "versions": versions(["serkit", "numpy", "torch"])}
    write_result("interrupt", {**conditions, "rows": rows})


if __name__ == "__main__":
    main()
