"""Level and zero crossings per frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.features.frames import centre, frame

Array = NDArray[np.float32]


def rms(samples: Array, *, length: int, hop: int) -> Array:
    """Root mean square of centred frames, zero-padded at the ends.

    Args:
        samples: Shape `[n_samples]`.
        length: Frame length in samples.
        hop: Distance between frames in samples.

    Returns:
        Shape `[n_frames]`, float32.
    """
    frames = frame(centre(samples, length), length, hop)
    energy: Array = np.einsum("ij,ij->i", frames, frames)
    level: Array = np.sqrt(energy / np.float32(length))
    return level


def zero_crossings(samples: Array, *, length: int, hop: int) -> Array:
    """Sign changes per sample in centred frames; the ends are padded with the end samples.

    Magnitudes up to 1e-10 count as +0, as in librosa.

    Args:
        samples: Shape `[n_samples]`.
        length: Frame length in samples.
        hop: Distance between frames in samples.

    Returns:
        Shape `[n_frames]`, float32 in [0, 1].
    """
    negative = centre(samples, length, "edge") < -1e-10
    changes = np.zeros(len(negative), np.int32)
    np.cumsum(negative[1:] != negative[:-1], out=changes[1:])
    starts = np.arange(0, len(negative) - length + 1, hop)
    return ((changes[starts + length - 1] - changes[starts]) / length).astype(np.float32)
