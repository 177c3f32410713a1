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

import serkit
from harness import machine, median_ms, versions, write_result
from serkit.audio import SAMPLE_RATE, read
from serkit.features import FeatureRecipe, extract, functionals

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 8.0
ROUNDS = 9


def eight_seconds() -> np.ndarray:
    """The example recordings one after another, cut to 8 s."""
    joined = np.concatenate([read(path) for path in sorted(EXAMPLES.glob("*.flac"))])
    return joined[: round(SECONDS * SAMPLE_RATE)]


def librosa_frames(samples: np.ndarray, recipe: FeatureRecipe) -> dict[str, np.ndarray]:
    """The frame features of `tiny`, with librosa wherever it has them."""
    samples = librosa.util.normalize(samples) * recipe.peak
    stft = librosa.stft(
        samples, n_fft=recipe.n_fft, hop_length=recipe.hop, win_length=recipe.window_length
    )
    power = np.abs(stft) ** 2
    mel = librosa.feature.melspectrogram(
        S=power,
        sr=SAMPLE_RATE,
        n_fft=recipe.n_fft,
        n_mels=recipe.n_mels,
        fmin=recipe.f_min,
        fmax=recipe.f_max,
        htk=recipe.mel_scale == "htk",
        norm="slaney" if recipe.mel_scale == "slaney" else None,
    )
    log_mel = librosa.power_to_db(mel)
    rms = librosa.feature.rms(y=samples, frame_length=recipe.n_fft, hop_length=recipe.hop)
    frames = {"log-mel": log_mel, "level": librosa.power_to_db(rms**2)}
    wanted = {d.name: d for d in recipe.descriptors}
    if "mfcc" in wanted:
        frames["mfcc"] = librosa.feature.mfcc(S=log_mel, n_mfcc=wanted["mfcc"].size)
    if {"pitch", "voicing"} & set(wanted):
        f0 = librosa.yin(
            samples,
            fmin=62.5,
            fmax=600,
            sr=SAMPLE_RATE,
            frame_length=recipe.n_fft,
            hop_length=recipe.hop,
        )
        frames["pitch"] = np.stack((12 * np.log2(f0 / 27.5), f0))
        frames["voicing"] = (f0 > 0)[None].astype(np.float32)
    if "zero-crossings" in wanted:
        frames["zero-crossings"] = librosa.feature.zero_crossing_rate(
            samples, frame_length=recipe.n_fft, hop_length=recipe.hop
        )
    if "shape" in wanted:
        magnitude = np.abs(stft)
        measures = (
            librosa.feature.spectral_centroid,
            librosa.feature.spectral_bandwidth,
            librosa.feature.spectral_rolloff,
            librosa.feature.spectral_flatness,
        )
        frames["shape"] = np.concatenate([measure(S=magnitude) for measure in measures])
    return frames


def librosa_features(samples: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """Statistics of librosa's frames; the statistics are ours, for they are no part of librosa."""
    frames = librosa_frames(samples, recipe)
    parts = []
    for descriptor in recipe.descriptors:
        rows = frames[descriptor.name]
        for _ in range(descriptor.order):
            rows = librosa.feature.delta(rows)
        parts.append(functionals(rows.astype(np.float32), descriptor.functionals).ravel())
    return np.concatenate(parts)


def main() -> None:
    """Time everything and keep the medians."""
    samples = eight_seconds()
    tiny = serkit.load("tiny")
    recipe = tiny.model.card.features
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, num_workers=1)
    contenders = {
        "serkit tiny, features and network": (lambda: tiny((samples, SAMPLE_RATE)), 40),
        "serkit, the features alone": (lambda: extract(recipe, samples), 40),
        "librosa, the same features": (lambda: librosa_features(samples, recipe), 6),
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
