"""Speed of `tiny` on 8 s of audio compared with librosa and openSMILE, one thread.

Claims: at least 5 times faster than librosa computing the same features, at least 40 times faster
than opensmile-python's eGeMAPSv02. All systems are timed in turn in every round, so a drift of the
machine affects all of them.

Needs the extra `bench`: python benchmarks/predict_speed.py
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import statistics
from pathlib import Path

import numpy as np
import opensmile

import serkit
from serkit.audio import SAMPLE_RATE, read
from serkit.features import extract

from harness import machine, median_ms, versions, write_result
from peers.librosa_features import librosa_features

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 8.0
ROUNDS = 9


def eight_seconds() -> np.ndarray:
    """The example recordings, concatenated and cut to 8 s."""
    joined = np.concatenate([read(path) for path in sorted(EXAMPLES.glob("*.flac"))])
    return joined[: round(SECONDS * SAMPLE_RATE)]


def main() -> None:
    """Time all systems and report medians."""
    samples = eight_seconds()
    tiny = serkit.load("tiny")
    recipe = tiny.card.input
    expected = librosa_features(samples, recipe, shared=True)
    np.testing.assert_allclose(extract(recipe, samples), expected, rtol=2e-3, atol=2e-2)
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, num_workers=1)
    systems = {
        "serkit tiny, features and network": (lambda: tiny((samples, SAMPLE_RATE)), 40),
        "serkit, the features alone": (lambda: extract(recipe, samples), 40),
        "librosa, the same features": (
            lambda: librosa_features(samples, recipe, shared=False),
            6,
        ),
        "librosa, spectra shared by hand": (
            lambda: librosa_features(samples, recipe, shared=True),
            6,
        ),
        "opensmile eGeMAPSv02": (lambda: smile.process_signal(samples, SAMPLE_RATE), 3),
    }
    rounds = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name, (work, runs) in systems.items():
            rounds[name].append(median_ms(work, runs=runs, warm_up=1))
    own = rounds["serkit tiny, features and network"]
    rows = [
        {
            "what": name,
            "median_ms": statistics.median(times),
            "real_time_factor": statistics.median(times) / 1000.0 / SECONDS,
            "ratio": statistics.median(t / o for t, o in zip(times, own, strict=True)),
        }
        for name, times in rounds.items()
    ]
    for row in rows:
        print(
            f"{row['what']:<36} {row['median_ms']:8.2f} ms   x {row['ratio']:5.1f}   "
            f"RTF {row['real_time_factor']:.5f}"
        )
    write_result(
        "predict_speed",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "librosa", "opensmile"]),
            "threads": 1,
            "audio": f"{SECONDS:g} s, the example recordings one after another",
            "rounds": ROUNDS,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
