"""Energy by pitch class."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE

Array = NDArray[np.float32]

# Ellis's Gaussian weighting in octaves above 27.5 Hz, centred on 27.5 Hz * 2^5 = 880 Hz.
_CENTRE_OCTAVE, _OCTAVE_WIDTH = 5.0, 2.0


@lru_cache(maxsize=8)
def chroma_filter_bank(n_chroma: int, *, n_fft: int, rate: int = SAMPLE_RATE) -> Array:
    """Gaussian filters that fold the spectrum into pitch classes, C first, A = 440 Hz.

    Source: D. Ellis, *Chroma feature analysis and synthesis* (2007), `fft2chromamx`.

    Args:
        n_chroma: Pitch classes per octave.
        n_fft: Length of the transform in samples.
        rate: Sampling rate in Hz.

    Returns:
        Shape `[n_chroma, n_fft // 2 + 1]`, float32, read-only.
    """
    hz = np.arange(1, n_fft) * rate / n_fft
    position = n_chroma * np.log2(hz / 27.5)
    # The bin at 0 Hz has no pitch: it is placed 1.5 octaves below the first.
    position = np.concatenate(([position[0] - 1.5 * n_chroma], position))
    spread = np.concatenate((np.maximum(np.diff(position), 1.0), [1.0]))
    half = round(n_chroma / 2)
    distance = position - np.arange(n_chroma)[:, None]
    distance = np.remainder(distance + half + 10 * n_chroma, n_chroma) - half
    bank = np.exp(-0.5 * np.square(2.0 * distance / spread))
    bank /= np.sqrt(np.sum(np.square(bank), axis=0))
    bank *= np.exp(-0.5 * np.square((position / n_chroma - _CENTRE_OCTAVE) / _OCTAVE_WIDTH))
    bank = np.roll(bank, -3 * (n_chroma // 12), axis=0)
    result = np.ascontiguousarray(bank[:, : n_fft // 2 + 1], np.float32)
    result.flags.writeable = False
    return result


def chroma(power: Array, n_chroma: int = 12, *, rate: int = SAMPLE_RATE) -> Array:
    """Energy per pitch class, scaled to a maximum of 1 in each frame.

    Args:
        power: Power spectrum, shape `[n_fft // 2 + 1, n_frames]`.
        n_chroma: Pitch classes per octave.
        rate: Sampling rate in Hz.

    Returns:
        Shape `[n_chroma, n_frames]`, float32 in [0, 1]; silent frames stay 0.
    """
    folded = chroma_filter_bank(n_chroma, n_fft=2 * (len(power) - 1), rate=rate) @ power
    largest = folded.max(axis=0, initial=0.0)
    audible = largest >= np.finfo(np.float32).tiny
    scale: Array = np.where(audible, largest, np.float32(1.0)).astype(np.float32)
    return folded / scale
