"""The features of `tiny` computed by librosa."""

from __future__ import annotations

import librosa
import numpy as np
import scipy.stats

from serkit.audio import SAMPLE_RATE
from serkit.features import FeatureRecipe


def librosa_features(samples: np.ndarray, recipe: FeatureRecipe, *, shared: bool) -> np.ndarray:
    """Features with librosa's descriptors and statistics of NumPy and SciPy.

    Args:
        samples: Mono at 16 kHz, shape `[n]`.
        recipe: The features to compute.
        shared: Compute spectra once and pass them on; otherwise compute each feature from the
            samples, as librosa's documentation shows.

    Returns:
        The features in the order of the recipe, shape `[n_features]`.

    Raises:
        SystemExit: The recipe has a descriptor without an equivalent here.
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
        raise SystemExit(f"no librosa equivalent of {name}")

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
    """Rise of the regression line from the first frame to the last."""
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
