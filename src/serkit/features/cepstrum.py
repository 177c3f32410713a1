"""Mel-frequency cepstral coefficients and their changes over time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@lru_cache(maxsize=16)
def dct_matrix(n_out: int, n_in: int) -> Array:
    """The first rows of the orthonormal discrete cosine transform of type II.

    Args:
        n_out: Number of coefficients.
        n_in: Length of the input.

    Returns:
        Shape `[n_out, n_in]`, float32, read-only.
    """
    angles = np.pi / n_in * np.outer(np.arange(n_out), np.arange(n_in) + 0.5)
    matrix = np.cos(angles) * np.sqrt(2.0 / n_in)
    matrix[0] /= np.sqrt(2.0)
    result: Array = matrix.astype(np.float32)
    result.flags.writeable = False
    return result


def mfcc(log_mel: Array, n_mfcc: int) -> Array:
    """Cepstral coefficients of a log-mel spectrogram.

    Args:
        log_mel: Shape `[n_mels, n_frames]`, in dB as in librosa.
        n_mfcc: Number of coefficients, including the 0th (level).

    Returns:
        Shape `[n_mfcc, n_frames]`, float32.
    """
    return dct_matrix(n_mfcc, len(log_mel)) @ log_mel


def delta(features: Array, width: int = 9) -> Array:
    """Slope of each row by a line fitted over `width` frames, as `librosa.feature.delta`.

    At both ends, frames without a full window take the slope of the nearest full window, as in a
    Savitzky-Golay filter. With fewer than `width` frames the window is the largest odd number of
    frames; one or two frames have slope 0.

    Args:
        features: Shape `[n_features, n_frames]`.
        width: Odd number of frames, at least 3.

    Returns:
        Change per frame, shape `[n_features, n_frames]`, float32.
    """
    n_frames = features.shape[1]
    width = min(width, n_frames - 1 + n_frames % 2)
    if width < 3:
        return np.zeros_like(features)
    half = width // 2
    norm = np.float32(half * (half + 1) * (2 * half + 1) / 3.0)
    inner = n_frames - 2 * half
    result = np.zeros_like(features)
    slope, step = result[:, half : half + inner], np.empty((len(features), inner), np.float32)
    for k in range(1, half + 1):
        ahead = features[:, half + k : half + k + inner]
        behind = features[:, half - k : half - k + inner]
        np.subtract(ahead, behind, out=step)
        step *= np.float32(k) / norm
        slope += step
    result[:, :half], result[:, half + inner :] = slope[:, :1], slope[:, -1:]
    return result
