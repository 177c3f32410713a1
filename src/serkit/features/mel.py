"""Mel filter banks and the log-mel pictures made with them."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, pre_emphasis
from serkit.features.spectrum import power_spectrum

Array = NDArray[np.float32]
MelScale = Literal["slaney", "htk"]

# Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    """Frequencies in Hz on the mel scale of Slaney's toolbox or of HTK (`2595 log10(1+f/700)`)."""
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
        n_fft: Length of the transform the filters are for.
        rate: Sampling rate in Hz.
        f_min: Lower edge of the lowest filter in Hz.
        f_max: Upper edge of the highest filter in Hz; `rate / 2` if not given.
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
    """Power in dB, no lower than `floor` and no more than `top_db` below its maximum.

    Args:
        power: Any shape, non-negative.
        floor: Smallest power told apart from silence.
        top_db: Dynamic range kept, in dB; None keeps all of it.

    Returns:
        `10 log10(power)`, float32, of the same shape.
    """
    db = np.log10(np.maximum(power, np.float32(floor)))
    db *= np.float32(10.0)
    if top_db is not None and db.size:
        np.maximum(db, db.max() - np.float32(top_db), out=db)
    return db


def whisper_log_mel(samples: Array, *, n_mels: int = 80, duration_s: float | None = None) -> Array:
    """The log-mel spectrogram that Whisper's encoder takes.

    Radford et al., *Robust Speech Recognition via Large-Scale Weak Supervision* (2022), 2.2:
    25 ms Hann windows every 10 ms, Slaney filters, `log10` no lower than 8 below the maximum of
    the recording, mapped by `(x + 4) / 4`.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`.
        n_mels: 80, or 128 for the large-v3 models.
        duration_s: Pad with silence or crop to this length first (the models take 30 s).

    Returns:
        Shape `[n_mels, n_frames]`, float32, `n_frames = n_samples // 160`.
    """
    if duration_s is not None:
        wanted = round(duration_s * SAMPLE_RATE)
        samples = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    power = power_spectrum(samples, n_fft=400, hop=160, padding="reflect")[:, :-1]
    mel = mel_filter_bank(n_mels, n_fft=400) @ power
    log_mel = np.log10(np.maximum(mel, np.float32(1e-10)))
    if log_mel.size:
        np.maximum(log_mel, log_mel.max() - np.float32(8.0), out=log_mel)
    scaled: Array = (log_mel + np.float32(4.0)) / np.float32(4.0)
    return scaled


def amser_log_mel(samples: Array, *, n_mels: int = 80) -> Array:
    """The filter bank of AMSER: pre-emphasis, Hamming window, mel filters, logarithm.

    Lu et al., *AMSER*, IV.A.1. The paper gives the steps and no numbers; these are the usual
    ones: coefficient 0.97, 25 ms frames every 10 ms, 512-point transform, HTK mel filters.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`.
        n_mels: Number of filters.

    Returns:
        Natural logarithm of the filter energies, shape `[n_mels, n_frames]`, float32,
        `n_frames = 1 + n_samples // 160`.
    """
    power = power_spectrum(
        pre_emphasis(samples), n_fft=512, hop=160, window_length=400, window_name="hamming"
    )
    bank = mel_filter_bank(n_mels, n_fft=512, scale="htk", equal_area=False)
    log_mel: Array = np.log(np.maximum(bank @ power, np.float32(1e-10)))
    return log_mel
