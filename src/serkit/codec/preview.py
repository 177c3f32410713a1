"""A voice again from log-mel frames, for the curious: the phases are guessed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.features import mel_filter_bank, window
from serkit.features.whisper import HOP, N_FFT, N_MELS

Array = NDArray[np.float32]

_ROUNDS = 32
_MOMENTUM = 0.99
_STRETCH = 6000
"""Frames guessed at a time, so that an hour takes no more memory than a minute."""
_INVERSIONS = 10


def griffin_lim(log_mel: Array) -> Array:
    """Samples whose log-mel is near to the one given.

    Griffin and Lim, *Signal Estimation from Modified Short-Time Fourier Transform* (1984), with the
    momentum of Perraudin et al., *A Fast Griffin-Lim Algorithm* (2013).

    Args:
        log_mel: As Whisper's encoder takes it, shape `[80, n_frames]`.

    Returns:
        Mono at 16 kHz, shape `[160 * n_frames]`, as loud as the log-mel says, at most 1.
    """
    n_frames = log_mel.shape[1]
    parts = [
        _guessed(log_mel[:, start : start + _STRETCH]).astype(np.float32)
        for start in range(0, n_frames, _STRETCH)
    ]
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    samples /= np.float32(max(1.0, np.abs(samples).max(initial=0.0)))
    return samples


def _guessed(log_mel: Array) -> NDArray[np.float64]:
    energies = 10.0 ** (4.0 * log_mel.astype(np.float64) - 4.0)
    magnitudes = np.sqrt(_bins_of(energies)).T
    taper = window("hann", N_FFT).astype(np.float64)
    rng = np.random.default_rng(0)
    spectrum = magnitudes * np.exp(2j * np.pi * rng.random(magnitudes.shape))
    before = np.zeros_like(spectrum)
    for _ in range(_ROUNDS):
        consistent = _analysed(_synthesised(spectrum, taper), taper, len(magnitudes))
        ahead = consistent + _MOMENTUM * (consistent - before)
        before = consistent
        spectrum = magnitudes * ahead / np.maximum(np.abs(ahead), 1e-12)
    return _synthesised(spectrum, taper)[N_FFT // 2 :][: HOP * len(magnitudes)]


def _bins_of(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energies of the bins from those of the mels, none negative, `[80, n]` to `[201, n]`.

    The multiplicative updates of Lee and Seung, *Algorithms for Non-negative Matrix Factorization*
    (2000), for the divergence, from a flat start: errors count relative to a band's energy. Least
    squares cut off at zero turns small errors of coding in strong bands into large ones in weak.
    """
    bank = mel_filter_bank(N_MELS, n_fft=N_FFT).astype(np.float64)
    # No filter reaches the first bin and the last.
    weight = np.maximum(bank.sum(axis=0), 1e-12)[:, None]
    bins = np.ones((N_FFT // 2 + 1, energies.shape[1]))
    for _ in range(_INVERSIONS):
        bins *= bank.T @ (energies / np.maximum(bank @ bins, 1e-30)) / weight
    return bins


def _analysed(
    samples: NDArray[np.float64], taper: NDArray[np.float64], n_frames: int
) -> NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP][:n_frames]
    return np.fft.rfft(frames * taper)


def _synthesised(
    spectrum: NDArray[np.complex128], taper: NDArray[np.float64]
) -> NDArray[np.float64]:
    frames = np.fft.irfft(spectrum, N_FFT) * taper
    length = HOP * (len(frames) - 1) + N_FFT
    samples, weight = np.zeros(length), np.full(length, 1e-8)
    for i, one in enumerate(frames):
        samples[i * HOP : i * HOP + N_FFT] += one
        weight[i * HOP : i * HOP + N_FFT] += taper**2
    found: NDArray[np.float64] = samples / weight
    return found
