"""How fast features + `tiny` are on 8 s of audio, beside librosa and openSMILE, on one thread.

Claims: at least 5 times faster than librosa computing the same features, at least 40 times faster
than opensmile-python's eGeMAPSv02. Peers are timed in turn with ours, round by round, so that a
machine that drifts drifts for all of them.

Needs the extra `bench`: python benchmarks/predict_speed.py
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import statistics
from pathlib import Path

import librosa
import numpy as np
import opensmile
import scipy.stats

import serkit
from serkit.audio import SAMPLE_RATE, read
from serkit.features import FeatureRecipe, extract

from harness import machine, median_ms, versions, write_result

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 8.0
ROUNDS = 9


def eight_seconds() -> np.ndarray:
    """The example recordings one after another, cut to 8 s."""
    joined = np.concatenate([read(path) for path in sorted(EXAMPLES.glob("*.flac"))])
    return joined[: round(SECONDS * SAMPLE_RATE)]


def librosa_features(samples: np.ndarray, recipe: FeatureRecipe, *, shared: bool) -> np.ndarray:
    """The features of `tiny` with librosa for the frames and NumPy and SciPy for the statistics.

    With `shared`, spectra are computed once and handed from call to call by hand; without, each
    feature is asked for as librosa's documentation shows it, from the samples.
    """
    frames = {"n_fft": recipe.n_fft, "hop_length": recipe.hop}
    bank = {
        "sr": SAMPLE_RATE,
        "n_mels": recipe.n_mels,
        "fmin": recipe.f_min,
        "fmax": recipe.f_max,
        "htk": recipe.mel_scale == "htk",
        "norm": "slaney" if recipe.mel_scale == "slaney" else None,
    }
    samples = librosa.util.normalize(samples) * recipe.peak
    spectra = frames | {"win_length": recipe.window_length}
    log_mel = librosa.power_to_db(librosa.feature.melspectrogram(y=samples, **spectra, **bank))
    sizes = {d.name: d.size for d in recipe.descriptors}

    def rows_of(name: str) -> np.ndarray:
        if name == "log-mel":
            return log_mel
        if name == "mfcc" and shared:
            return librosa.feature.mfcc(S=log_mel, n_mfcc=sizes[name])
        if name == "mfcc":
            return librosa.feature.mfcc(y=samples, n_mfcc=sizes[name], **spectra, **bank)
        framed = {"frame_length": recipe.n_fft, "hop_length": recipe.hop}
        if name == "zero-crossings":
            return librosa.feature.zero_crossing_rate(samples, **framed)
        if name == "level":
            return librosa.power_to_db(librosa.feature.rms(y=samples, **framed) ** 2)
        raise SystemExit(f"librosa's {name} is missing in this benchmark")

    level = rows_of("level")[0]
    audible = level >= level.max() - recipe.gate_db
    known: dict[str, np.ndarray] = {}
    parts = []
    for descriptor in recipe.descriptors:
        name = descriptor.name
        rows = known[name] if shared and name in known else rows_of(name)
        known[name] = rows
        for _ in range(descriptor.order):
            rows = librosa.feature.delta(rows)
        parts += [STATISTICS[s](rows[:, audible]) for s in descriptor.functionals]
    return np.concatenate(parts)


def slope(rows: np.ndarray) -> np.ndarray:
    """Rise of the least-squares line from the first frame to the last."""
    return np.polyfit(np.linspace(0.0, 1.0, rows.shape[1]), rows.T, 1)[0]


STATISTICS = {
    "mean": lambda rows: rows.mean(axis=1),
    "std": lambda rows: rows.std(axis=1),
    "min": lambda rows: rows.min(axis=1),
    "max": lambda rows: rows.max(axis=1),
    "range": lambda rows: np.ptp(rows, axis=1),
    "p05": lambda rows: np.percentile(rows, 5, axis=1),
    "p50": lambda rows: np.percentile(rows, 50, axis=1),
    "p95": lambda rows: np.percentile(rows, 95, axis=1),
    "iqr": lambda rows: scipy.stats.iqr(rows, axis=1),
    "skewness": lambda rows: scipy.stats.skew(rows, axis=1),
    "slope": slope,
}


def main() -> None:
    """Time everything and keep the medians."""
    samples = eight_seconds()
    tiny = serkit.load("tiny")
    recipe = tiny.model.card.features
    theirs = librosa_features(samples, recipe, shared=True)
    np.testing.assert_allclose(extract(recipe, samples), theirs, rtol=2e-3, atol=2e-2)
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, num_workers=1)
    contenders = {
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
    rounds = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (work, runs) in contenders.items():
            rounds[name].append(median_ms(work, runs=runs, warm_up=1))
    ours = rounds["serkit tiny, features and network"]
    rows = [
        {
            "what": name,
            "median_ms": statistics.median(times),
            "real_time_factor": statistics.median(times) / 1000.0 / SECONDS,
            "ratio": statistics.median(t / o for t, o in zip(times, ours, strict=True)),
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
