"""Whisper's log-mel spectrogram, whole and in steps for streams.

Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision* (2022), 2.2, with the
constants of the reference implementation's `whisper/audio.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.features.frames import centre
from serkit.features.mel import mel_filter_bank
from serkit.features.spectrum import power_spectrum

Array = NDArray[np.float32]

N_FFT = 400
"""Window length in samples: 25 ms."""

HOP = 160
"""Distance between frames in samples: 10 ms."""

N_MELS = 80
"""Mel bands of all models but large-v3."""

FLOOR = -10.0
"""Lowest log-mel value, `log10` of 1e-10."""

DECADES = np.float32(8.0)
OFFSET = np.float32(4.0)
SCALE = np.float32(4.0)


def log_mel_frames(samples: Array, *, n_mels: int = N_MELS) -> Array:
    """`log10` mel energies of the frames that fit into the samples, without padding.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`.
        n_mels: Number of Slaney filters.

    Returns:
        Shape `[n_mels, n_frames]`, float32, at least `FLOOR`;
        `n_frames = 1 + (n_samples - 400) // 160`, or 0 below 400 samples.
    """
    power = power_spectrum(samples, n_fft=N_FFT, hop=HOP, padding=None)
    energies = mel_filter_bank(n_mels, n_fft=N_FFT) @ power
    log_mel: Array = np.log10(np.maximum(energies, np.float32(10.0**FLOOR)))
    return log_mel


def clamped(log_mel: Array, peak: float) -> Array:
    """Raise values more than 8 decades below the peak to that level.

    Args:
        log_mel: `log10` mel energies, shape `[n_mels, n_frames]`.
        peak: Largest value of the recording, or of the stream so far.
    """
    raised: Array = np.maximum(log_mel, np.float32(peak) - DECADES)
    return raised


def normalised(log_mel: Array, *, peak: float | None = None) -> Array:
    """The input of Whisper's encoder: clamped 8 decades below the peak, mapped by `(x + 4) / 4`.

    Args:
        log_mel: `log10` mel energies, shape `[n_mels, n_frames]`.
        peak: Largest value of the recording; the maximum of `log_mel` if None.
    """
    if not log_mel.size:
        return log_mel
    raised = clamped(log_mel, float(log_mel.max()) if peak is None else peak)
    return scaled(raised)


def scaled(log_mel: Array) -> Array:
    """`(x + 4) / 4`, the units of Whisper's encoder."""
    mapped: Array = (log_mel + OFFSET) / SCALE
    return mapped


def whisper_log_mel(
    samples: Array, *, n_mels: int = N_MELS, duration_s: float | None = None
) -> Array:
    """The log-mel spectrogram of a whole recording as Whisper's encoder takes it.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`.
        n_mels: 80, or 128 for the large-v3 models.
        duration_s: Length in seconds to pad with silence or crop to (30 for Whisper); None to keep
            the length.

    Returns:
        Shape `[n_mels, n_frames]`, float32, `n_frames = n_samples // 160`.
    """
    if duration_s is not None:
        length = round(duration_s * SAMPLE_RATE)
        samples = np.pad(samples[:length], (0, max(0, length - len(samples))))
    # Whisper drops the last centred frame.
    framed = centre(samples, N_FFT, "reflect")[:-HOP]
    return normalised(log_mel_frames(framed, n_mels=n_mels))
