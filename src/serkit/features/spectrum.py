"""Short-time power spectra."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.features.frames import Padding, WindowName, centre, frame, window

Array = NDArray[np.float32]

# Samples transformed at a time, so that windowed frames and spectra stay in the CPU cache.
_BATCH_SAMPLES = 1 << 14
# Size of the spectra held in memory at a time.
_MOST_HELD = 1 << 21


def power_spectrum(
    samples: Array,
    *,
    n_fft: int,
    hop: int,
    window_length: int | None = None,
    window_name: WindowName = "hann",
    padding: Padding | None = "constant",
) -> Array:
    """The squared magnitude of the short-time Fourier transform.

    Args:
        samples: Shape `[n_samples]`, float32.
        n_fft: Length of the transform.
        hop: Distance between frames in samples.
        window_length: Length of the window, centred in the frame; None for `n_fft`.
        window_name: `hann`, `hamming` or `rectangular`.
        padding: Padding of the ends, with which frames are centred; None for no padding, in which
            case a signal shorter than one frame has no frames.

    Returns:
        Shape `[n_fft // 2 + 1, n_frames]`, float32; a transposed view, frame by frame in memory.
    """
    if padding is not None:
        samples = centre(samples, n_fft, padding)
    frames = frame(samples, n_fft, hop)
    taper = window(window_name, window_length or n_fft, n_fft)
    n_frames, n_bins = len(frames), n_fft // 2 + 1
    power = np.empty((n_frames, n_bins), np.float32)
    # The buffers are reused: allocating new ones would take as long as the transform.
    batch = max(1, min(n_frames, _BATCH_SAMPLES // n_fft))
    tapered = np.empty((batch, n_fft), np.float32)
    spectrum = np.empty((batch, n_bins), np.complex64)
    squared = spectrum.view(np.float32).reshape(batch, n_bins, 2)
    for start in range(0, n_frames, batch):
        out = power[start : start + batch]
        n = len(out)
        np.multiply(frames[start : start + n], taper, out=tapered[:n])
        np.fft.rfft(tapered[:n], out=spectrum[:n])  # type: ignore[arg-type]  # the stub knows no float32
        np.square(squared[:n], out=squared[:n])
        np.add(squared[:n, :, 0], squared[:n, :, 1], out=out)
    return power.T


def power_spectra(
    samples: Array,
    *,
    n_fft: int,
    hop: int,
    window_length: int | None = None,
    window_name: WindowName = "hann",
    padding: Padding = "constant",
) -> Iterator[Array]:
    """`power_spectrum` in blocks of frames, with bounded memory.

    Args:
        samples: As for `power_spectrum`.
        n_fft: As for `power_spectrum`.
        hop: As for `power_spectrum`.
        window_length: As for `power_spectrum`.
        window_name: As for `power_spectrum`.
        padding: As for `power_spectrum`.

    Yields:
        Consecutive frames, at least one, shape `[n_fft // 2 + 1, n]`, at most 8 MB.
    """
    samples = centre(samples, n_fft, padding)
    n_frames = 1 + (len(samples) - n_fft) // hop
    at_once = max(1, _MOST_HELD // (n_fft // 2 + 1))
    for start in range(0, n_frames, at_once):
        n = min(at_once, n_frames - start)
        yield power_spectrum(
            samples[start * hop : (start + n - 1) * hop + n_fft],
            n_fft=n_fft,
            hop=hop,
            window_length=window_length,
            window_name=window_name,
            padding=None,
        )


def fft_frequencies(rate: float, n_fft: int) -> Array:
    """Centre frequencies of the bins in Hz, shape `[n_fft // 2 + 1]`."""
    return np.linspace(0.0, rate / 2.0, n_fft // 2 + 1).astype(np.float32)
