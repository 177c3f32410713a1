"""Overlapping frames and window functions."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[np.float32]
Padding = Literal["constant", "reflect", "edge"]
WindowName = Literal["hann", "hamming", "rectangular"]


def frame(samples: Array, length: int, hop: int) -> Array:
    """Cut a signal into overlapping frames without copying.

    Args:
        samples: Shape `[n_samples]`, contiguous.
        length: Frame length in samples.
        hop: Distance between the starts of consecutive frames, in samples.

    Returns:
        A read-only view of shape `[n_frames, length]` with
        `n_frames = 1 + (n_samples - length) // hop`, or 0 frames if the signal is shorter.
    """
    if len(samples) < length:
        return np.zeros((0, length), np.float32)
    # A quarter of the time of `sliding_window_view`, which counts in live streams.
    (stride,) = samples.strides
    shape = (1 + (len(samples) - length) // hop, length)
    view: Array = as_strided(samples, shape, (hop * stride, stride), writeable=False)
    return view


def centre(samples: Array, length: int, mode: Padding = "constant") -> Array:
    """Pad both ends by half a frame, so that frame `t` is centred on sample `t * hop`.

    Args:
        samples: Shape `[n_samples]`.
        length: Frame length in samples.
        mode: `constant` pads zeros, `reflect` mirrors the signal without repeating its end
            (zeros if it is too short to mirror), `edge` repeats the end.

    Returns:
        Shape `[n_samples + 2 * (length // 2)]`.
    """
    half = length // 2
    if mode == "reflect" and len(samples) <= half:
        mode = "constant"
    return np.pad(samples, half, mode=mode)


@lru_cache(maxsize=32)
def window(name: WindowName, length: int, n_fft: int | None = None) -> Array:
    """A periodic window, optionally centred in `n_fft` zeros.

    Args:
        name: `hann`, `hamming` or `rectangular`.
        length: Length of the window in samples.
        n_fft: Length of the result; None for `length`.

    Returns:
        Shape `[n_fft]`, float32, read-only.
    """
    phase = 2.0 * np.pi * np.arange(length) / length
    if name == "hann":
        values = 0.5 - 0.5 * np.cos(phase)
    elif name == "hamming":
        values = 0.54 - 0.46 * np.cos(phase)
    else:
        values = np.ones(length)
    before = ((n_fft or length) - length) // 2
    after = (n_fft or length) - length - before
    padded = np.pad(values, (before, after)).astype(np.float32)
    padded.flags.writeable = False
    return padded
