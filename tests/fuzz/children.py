"""Run numbered inputs in child processes, so that crashes and hangs of libraries are counted.

A fuzzer is a module with `prepare(seed)`, which returns the seeds of its inputs, and
`one_input(prepared, rng, folder)`, which writes a random input, reads it and returns the outcome in
a few words. Any exception is a crash.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_SECONDS = 60
MAX_MEGABYTES = 512

OneInput = Callable[[Any, random.Random, Path], str]


class TooSlowError(BaseException):
    """An input took longer than `MAX_SECONDS`; not an `Exception`, which readers may catch."""


def _too_slow(*_: object) -> None:
    raise TooSlowError(f"more than {MAX_SECONDS} s")


def _child(prepare: Callable[[int], Any], one_input: OneInput, given: list[str]) -> None:
    """Read a range of inputs, logging the number of each before it is read."""
    seed, first, last = map(int, given[:3])
    folder = Path(given[3])
    prepared = prepare(seed)
    outcomes: Counter[str] = Counter()
    longest, peak, heaviest = 0.0, _peak_mb(), -1
    before = peak
    signal.signal(signal.SIGALRM, _too_slow)
    with (folder / "progress").open("w") as notes:
        for number in range(first, last):
            notes.seek(0)
            notes.write(f"{number:12d}")
            notes.flush()
            rng = random.Random(f"{seed}/{number}")
            with tempfile.TemporaryDirectory(dir=folder) as place:
                signal.alarm(MAX_SECONDS)
                # A library may hang where Python cannot raise: then the process is ended.
                start = time.perf_counter()
                outcomes[one_input(prepared, rng, Path(place))] += 1
                longest = max(longest, time.perf_counter() - start)
                signal.alarm(0)
            if _peak_mb() > peak:
                peak, heaviest = _peak_mb(), number
    print(
        json.dumps(
            {
                "outcomes": outcomes,
                "longest_s": longest,
                "peak_mb": peak,
                "peak_mb_before": before,
                "heaviest": heaviest,
            }
        )
    )


def _peak_mb() -> float:
    """Peak memory of this process; getrusage would include the process it was forked from."""
    status = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return kilobytes * 1024 / 1e6


def run(script: str, runs: int, seed: int, *, at_a_time: int = 500) -> dict[str, Any]:
    """Fuzz in child processes.

    Args:
        script: File of the fuzzer, which calls `main`.
        runs: How many inputs.
        seed: Seed of all inputs.
        at_a_time: Inputs for each process.

    Returns:
        Figures: crashes, the longest time, the largest memory, and what came of the inputs.
    """
    outcomes: Counter[str] = Counter()
    crashes: list[dict[str, Any]] = []
    most: dict[str, float] = {"longest_s": 0.0, "peak_mb": 0.0, "peak_mb_before": 0.0}
    heaviest = -1
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        first = 0
        while first < runs:
            last = min(runs, first + at_a_time)
            given = ["--child", *map(str, (seed, first, last)), folder]
            try:
                done = subprocess.run(
                    [sys.executable, script, *given],
                    capture_output=True,
                    check=False,
                    timeout=MAX_SECONDS * 10,
                )
                status, complaint = done.returncode, done.stderr.decode(errors="replace")
            except subprocess.TimeoutExpired:
                status, complaint = -1, "hangs"
            if status == 0:
                found = json.loads(done.stdout.splitlines()[-1])
                outcomes.update(found["outcomes"])
                if found["peak_mb"] > most["peak_mb"]:
                    heaviest = found["heaviest"]
                most = {name: max(value, found[name]) for name, value in most.items()}
                first = last
                continue
            number = int((Path(folder) / "progress").read_text())
            reason = complaint.strip().splitlines()[-1:]
            crashes.append({"number": number, "exit": status, "reason": reason})
            outcomes["crash"] += 1
            # What came before it is not read again: its outcomes are not known.
            outcomes["before a crash"] += number - first
            first = number + 1
    return {
        "runs": runs,
        "seed": seed,
        "crashes": crashes,
        "seconds": round(time.perf_counter() - start, 1),
        **{name: round(value, 2) for name, value in most.items()},
        "heaviest": heaviest,
        "outcomes": dict(outcomes.most_common()),
    }


def main(script: str, prepare: Callable[[int], Any], one_input: OneInput, runs: int) -> None:
    """The command line of a fuzzer: fuzz, replay one input, or run as a child.

    Args:
        script: Its file.
        prepare: See above.
        one_input: See above.
        runs: How many, if not said.
    """
    if sys.argv[1:2] == ["--child"]:
        _child(prepare, one_input, sys.argv[2:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=int, help="run one input again, by its number")
    arguments = parser.parse_args()
    if arguments.replay is not None:
        prepared = prepare(arguments.seed)
        rng = random.Random(f"{arguments.seed}/{arguments.replay}")
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            try:
                print(one_input(prepared, rng, Path(place)))
            except Exception:
                traceback.print_exc()
            for path in sorted(Path(place).rglob("*")):
                print(path.relative_to(place))
            print(f"{time.perf_counter() - start:.2f} s, {_peak_mb():.0f} MB")
        return
    found = run(script, arguments.runs, arguments.seed)
    print(json.dumps(found, indent=1))
    bad = found["crashes"] or found["longest_s"] > MAX_SECONDS or found["peak_mb"] > MAX_MEGABYTES
    sys.exit(1 if bad else 0)
