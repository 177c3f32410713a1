"""The preprocessing of the DistilHuBERT paper, one function per step.

Source: Ismail, *Mobile-Efficient Speech Emotion Recognition Using DistilHuBERT*, III.B:
20 dB trim, pre-emphasis `1 - 0.97 z^-1`, peak 0.95, 8 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def trim(
    samples: Samples, *, top_db: float = 20.0, frame_length: int = 2048, hop: int = 512
) -> Samples:
    """Remove leading and trailing stretches quieter than the loudest frame by `top_db`.

    The level of a frame is its RMS; frames are centred on multiples of `hop` and zero-padded at
    the ends. Digital silence is returned unchanged.

    Args:
        samples: Shape `[n_samples]`.
        top_db: Silence threshold in dB below the loudest frame.
        frame_length: Frame length in samples.
        hop: Distance between frames in samples.

    Returns:
        A view of `samples` from the first loud frame to the last.
    """
    if not len(samples):
        return samples
    padded = np.pad(samples, frame_length // 2)
    # In place: this is the largest array of the preprocessing.
    energy = np.zeros(len(padded) + 1)
    np.square(padded, out=energy[1:], dtype=np.float64)
    np.cumsum(energy[1:], out=energy[1:])
    starts = np.arange(0, len(padded) - frame_length + 1, hop)
    level = energy[starts + frame_length] - energy[starts]
    # Relative to the maximum: the cumulative sum leaves rounding noise in silent frames.
    loud = np.flatnonzero(level > level.max() * 10.0 ** (-top_db / 10.0))
    if not len(loud) or level.max() <= 0.0:
        return samples
    return samples[loud[0] * hop : min(len(samples), (loud[-1] + 1) * hop)]


def pre_emphasis(samples: Samples, coefficient: float = 0.97) -> Samples:
    """Apply `y[n] = x[n] - coefficient * x[n - 1]`, with `x[-1] = 0`.

    Args:
        samples: Shape `[n_samples]`.
        coefficient: Filter coefficient; 0 for none.

    Returns:
        A new array of the same shape, float32.
    """
    emphasised = samples.astype(np.float32, copy=True)
    emphasised[1:] -= np.float32(coefficient) * samples[:-1]
    return emphasised


def normalise_peak(samples: Samples, peak: float = 0.95) -> Samples:
    """Scale so that the largest magnitude is `peak`; digital silence stays silence.

    Args:
        samples: Shape `[n_samples]`.
        peak: Largest magnitude of the result.

    Returns:
        A new array of the same shape, float32.
    """
    largest = float(np.max(np.abs(samples), initial=0.0))
    if largest == 0.0:
        return samples.copy()
    # In this order nothing overflows, even if the largest sample is tiny.
    scaled: Samples = samples / np.float32(largest) * np.float32(peak)
    return scaled
