"""Wall time and peak memory of a cold `serkit predict one.wav`.

Claims: at most three times the wall time of `python -c "import numpy"`, at most 90 MB. The core is
installed into an empty environment; the two commands alternate, each in a process of its own.

python benchmarks/cold_start.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path

import soundfile

from harness import machine, versions, write_result

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plain.flac"
RUNS = 21


def timed(command: list[str]) -> tuple[float, float]:
    """Wall time in seconds and peak resident memory in MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with exit code {process.returncode}")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Alternate the commands and report medians."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "one.wav"
        samples, rate = soundfile.read(EXAMPLE)
        soundfile.write(wav, samples, rate)
        venv.create(Path(folder) / "venv", with_pip=True)
        programs = Path(folder) / "venv" / "bin"
        python = str(programs / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, str(ROOT)], check=True)
        commands = {
            'python -c "import numpy"': [python, "-c", "import numpy"],
            "serkit predict one.wav": [str(programs / "serkit"), "predict", str(wav)],
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for run in range(RUNS + 1):
            for name, command in commands.items():
                figures = timed(command)
                if run:  # the first run fills the file cache
                    measured[name].append(figures)
    rows = [
        {
            "what": name,
            "median_s": statistics.median(s for s, _ in figures),
            "peak_mb": statistics.median(m for _, m in figures),
        }
        for name, figures in measured.items()
    ]
    base, predict = measured.values()
    ratio = statistics.median(p / b for (p, _), (b, _) in zip(predict, base, strict=True))
    for row in rows:
        print(f"{row['what']:<28} {row['median_s']:.3f} s   {row['peak_mb']:.1f} MB")
    print(f"ratio {ratio:.2f}")
    write_result(
        "cold_start",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy"]),
            "runs": RUNS,
            "rows": rows,
            "ratio": ratio,
        },
    )


if __name__ == "__main__":
    main()
