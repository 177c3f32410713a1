"""Memory and time of commands on hostile files of at most 1 MB, and of `encode` on an hour.

Claims: no such file makes a command take more than 512 MB or run for more than a minute without
showing progress; `encode` of an hour of speech stays within 100 MB.

Each command runs in a process of its own, with a terminal as stderr. After 20 s it is interrupted;
its peak memory and longest silence until then are recorded.

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

LIMIT_S, HOUR_LIMIT_S = 20.0, 300.0
LIMIT_MB, HOUR_LIMIT_MB = 512.0, 100.0

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


def measured(command: str, folder: Path, limit_s: float) -> dict[str, Any]:
    """Run a command; interrupt it after `limit_s` seconds."""
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
    while not ended and time.monotonic() - start < limit_s:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                content = os.read(terminal, 1 << 16)
            except OSError:  # Linux reports a closed terminal as an input/output error
                content = b""
            ended = not content
            written += content
            silent_s = max(silent_s, time.monotonic() - last)
            last = time.monotonic()
    silent_s = max(silent_s, time.monotonic() - last)
    if not ended:
        process.send_signal(signal.SIGINT)
    seconds = time.monotonic() - start
    # The peak of the process and of children it has waited for.
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
    """Run every command."""
    # In the background of a shell interrupts are ignored, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A separate process: children of a large process start with its peak memory.
        maker = Path(__file__).with_name("hostile.py")
        subprocess.run([sys.executable, str(maker), name, "--speech"], check=True)
        rows = []
        for command in COMMANDS:
            rows.append(measured(command, folder, LIMIT_S))
            print(rows[-1], flush=True)
        hours = [
            measured(f"encode hour.flac -o hour.smel{options}", folder, HOUR_LIMIT_S)
            for options in ("", " --kbps 1.5")
        ]
        print(*hours, sep="\n")
    write_result(
        "budgets",
        {
            "most_s": LIMIT_S,
            "most_mb": LIMIT_MB,
            "most_hour_mb": HOUR_LIMIT_MB,
            "rows": rows,
            "hour": hours,
            "machine": machine(),
            "versions": versions(["numpy", "soundfile"]),
        },
    )


if __name__ == "__main__":
    main()
