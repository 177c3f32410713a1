"""Mel scales, mel filter banks and decibels."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE

Array = NDArray[np.float32]
MelScale = Literal["slaney", "htk"]

# Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """Frequencies in mel, on the scale of Slaney's toolbox or of HTK (`2595 log10(1 + f/700)`)."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)


@lru_cache(maxsize=32)
def mel_filter_bank(
    n_mels: int,
    *,
    n_fft: int,
    rate: int = SAMPLE_RATE,
    f_min: float = 0.0,
    f_max: float | None = None,
    scale: MelScale = "slaney",
    equal_area: bool = True,
) -> Array:
    """Triangular filters, evenly spaced on a mel scale.

    Args:
        n_mels: Number of filters.
        n_fft: Length of the transform in samples.
        rate: Sampling rate in Hz.
        f_min: Lower edge of the lowest filter in Hz.
        f_max: Upper edge of the highest filter in Hz; None for `rate / 2`.
        scale: `slaney` (as in librosa and Whisper) or `htk`.
        equal_area: Scale each triangle to unit area (Slaney) instead of unit height (HTK).

    Returns:
        Shape `[n_mels, n_fft // 2 + 1]`, float32, read-only.
    """
    limits = hz_to_mel(np.array([f_min, rate / 2.0 if f_max is None else f_max]), scale)
    edges = mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2), scale)
    bins = np.linspace(0.0, rate / 2.0, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    if equal_area:
        bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    bank = bank.astype(np.float32)
    bank.flags.writeable = False
    return bank


def power_to_db(power: Array, *, floor: float = 1e-10, top_db: float | None = 80.0) -> Array:
    """Power in dB, clamped to `floor` and to `top_db` below the maximum.

    Args:
        power: Any shape, non-negative.
        floor: Smallest power.
        top_db: Dynamic range in dB; None for no limit.

    Returns:
        `10 log10(power)`, float32, of the same shape.
    """
    db = np.log10(np.maximum(power, np.float32(floor)))
    db *= np.float32(10.0)
    if top_db is not None and db.size:
        np.maximum(db, db.max() - np.float32(top_db), out=db)
    return db
