"""What commands take on files of at most 1 MB that ask for far more, and `encode` on an hour.

Claims: no such file makes a command take more than 512 MB, or work for more than a minute without
showing progress; `encode` of an hour of speech stays within 100 MB.

Each command runs by itself, its stderr a terminal. What has not ended after 20 s is interrupted:
its memory until then is given, and how long it was silent at most.

Needs RAVDESS for the hour: SERKIT_CORPORA=/folder python benchmarks/budgets.py
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import machine, versions, write_result

MOST_S, MOST_HOUR_S = 20.0, 300.0
MOST_MB, MOST_HOUR_MB = 512.0, 100.0

COMMANDS = (
    "predict silence.flac",
    "predict levels.flac",
    "predict wide.flac",
    "predict slow.flac",
    "predict silence.flac --report x.html",
    "predict claims.wav channels.wav",
    "predict noise.wav -m costly-features.safetensors",
    "predict noise.wav -m costly-network.safetensors",
    "predict noise.wav -m costly-weights.safetensors",
    "predict noise.wav -m beyond-features.safetensors",
    "predict noise.wav -m beyond-network.safetensors",
    "encode levels.flac -o x.smel",
    "encode wide.flac -o x.smel",
    "encode levels.flac -o x.smel --kbps 1",
    "encode silence.flac -o x.smel --mode svdq",
    "decode gaps.smel",
    "decode silence.smel --png x.png",
    "decode silence.smel --npy x.npy",
    "decode rank.smel --npy x.npy",
    "decode rank.smel --preview x.wav",
    "decode small.smel",
    "codec info small.smel --json",
    "corpus stats manifest=one-levels.csv",
    "corpus stats manifest=rows.csv",
    "corpus stats manifest=overlap.csv",
    "corpus stats manifest=field.csv",
    "corpus stats manifest=nested.jsonl",
    "evaluate tiny --corpus manifest=one-levels.csv",
    "evaluate tiny --corpus manifest=rows.csv",
    "train wide.yaml --corpus manifest=small.csv -o x.safetensors",
    "train most.yaml --corpus manifest=small.csv -o x.safetensors",
    "train bomb.yaml -o x.safetensors",
)


def measured(command: str, folder: Path, most_s: float) -> dict[str, Any]:
    """Run a command, interrupted after `most_s`."""
    terminal, shown = pty.openpty()
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "serkit", *command.split()],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=shown,
        start_new_session=True,
    )
    os.close(shown)
    last, silent_s, ended, written = start, 0.0, False, bytearray()
    while not ended and time.monotonic() - start < most_s:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                content = os.read(terminal, 1 << 16)
            except OSError:  # as Linux says that the other end is closed
                content = b""
            ended = not content
            written += content
            silent_s = max(silent_s, time.monotonic() - last)
            last = time.monotonic()
    silent_s = max(silent_s, time.monotonic() - last)
    if not ended:
        process.send_signal(signal.SIGINT)
    seconds = time.monotonic() - start
    # Of the process and those it has waited for, the largest.
    _, status, usage = os.wait4(process.pid, 0)
    os.close(terminal)
    lines = written.decode("utf-8", "replace").split("serkit: ")
    return {
        "command": command,
        "ended": ended,
        "exit": os.waitstatus_to_exitcode(status) if ended else None,
        "seconds": seconds,
        "silent_s": silent_s,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        "said": lines[-1].split("\r")[0].strip() if ended and len(lines) > 1 else "",
    }


def main() -> None:
    """Run all."""
    # Where interrupts are ignored, as in the background of a shell, commands would ignore them too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: one that is started by a large one counts as large at first.
        maker = Path(__file__).with_name("hostile.py")
        subprocess.run([sys.executable, str(maker), name, "--speech"], check=True)
        rows = []
        for command in COMMANDS:
            rows.append(measured(command, folder, MOST_S))
            print(rows[-1], flush=True)
        hours = [
            measured(f"encode hour.flac -o hour.smel{options}", folder, MOST_HOUR_S)
            for options in ("", " --kbps 1.5")
        ]
        print(*hours, sep="\n")
    write_result(
        "budgets",
        {
            "most_s": MOST_S,
            "most_mb": MOST_MB,
            "most_hour_mb": MOST_HOUR_MB,
            "rows": rows,
            "hour": hours,
            "machine": machine(),
            "versions": versions(["numpy", "soundfile"]),
        },
    )


if __name__ == "__main__":
    main()
