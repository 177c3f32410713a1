"""Audible speech from log-mel frames, with estimated phases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.features import mel_filter_bank, window
from serkit.features.whisper import HOP, N_FFT, N_MELS

Array = NDArray[np.float32]

# Iterations and momentum as librosa's `griffinlim`, the others chosen by hand.
_ITERATIONS = 32
_MOMENTUM = 0.99
_MEL_ITERATIONS = 10
# Frames inverted at a time, so that memory does not grow with the recording.
_CHUNK_FRAMES = 6000


def griffin_lim(log_mel: Array) -> Array:
    """Samples whose log-mel approximates the one given.

    Griffin and Lim, *Signal Estimation from Modified Short-Time Fourier Transform* (1984), with the
    momentum of Perraudin et al., *A Fast Griffin-Lim Algorithm* (2013).

    Args:
        log_mel: Normalised as for Whisper's encoder, shape `[80, n_frames]`.

    Returns:
        Mono at 16 kHz, shape `[160 * n_frames]`, float32, scaled down to at most 1.
    """
    n_frames = log_mel.shape[1]
    parts = [
        _inverted(log_mel[:, start : start + _CHUNK_FRAMES]).astype(np.float32)
        for start in range(0, n_frames, _CHUNK_FRAMES)
    ]
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    samples /= np.float32(max(1.0, np.abs(samples).max(initial=0.0)))
    return samples


def _inverted(log_mel: Array) -> NDArray[np.float64]:
    energies = 10.0 ** (4.0 * log_mel.astype(np.float64) - 4.0)
    magnitudes = np.sqrt(_linear_energies(energies)).T
    taper = window("hann", N_FFT).astype(np.float64)
    rng = np.random.default_rng(0)
    spectrum = magnitudes * np.exp(2j * np.pi * rng.random(magnitudes.shape))
    previous = np.zeros_like(spectrum)
    for _ in range(_ITERATIONS):
        consistent = _stft(_istft(spectrum, taper), taper, len(magnitudes))
        accelerated = consistent + _MOMENTUM * (consistent - previous)
        previous = consistent
        spectrum = magnitudes * accelerated / np.maximum(np.abs(accelerated), 1e-12)
    return _istft(spectrum, taper)[N_FFT // 2 :][: HOP * len(magnitudes)]


def _linear_energies(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Non-negative energies of the linear bins from those of the mel bands.

    Multiplicative updates for the divergence (Lee and Seung, *Algorithms for Non-negative Matrix
    Factorization*, 2000) from a flat start: errors count relative to a band's energy. Clipped least
    squares would turn small coding errors in strong bands into large ones in weak bands.

    Args:
        energies: Shape `[80, n]`.

    Returns:
        Shape `[201, n]`.
    """
    bank = mel_filter_bank(N_MELS, n_fft=N_FFT).astype(np.float64)
    # The first and the last bin are outside all filters.
    weight = np.maximum(bank.sum(axis=0), 1e-12)[:, None]
    bins = np.ones((N_FFT // 2 + 1, energies.shape[1]))
    for _ in range(_MEL_ITERATIONS):
        bins *= bank.T @ (energies / np.maximum(bank @ bins, 1e-30)) / weight
    return bins


def _stft(
    samples: NDArray[np.float64], taper: NDArray[np.float64], n_frames: int
) -> NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP][:n_frames]
    return np.fft.rfft(frames * taper)


def _istft(spectrum: NDArray[np.complex128], taper: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = np.fft.irfft(spectrum, N_FFT) * taper
    length = HOP * (len(frames) - 1) + N_FFT
    samples, weight = np.zeros(length), np.full(length, 1e-8)
    for i, frame in enumerate(frames):
        samples[i * HOP : i * HOP + N_FFT] += frame
        weight[i * HOP : i * HOP + N_FFT] += taper**2
    normalised: NDArray[np.float64] = samples / weight
    return normalised
