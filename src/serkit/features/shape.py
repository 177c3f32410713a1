"""Spectral shape: centroid, bandwidth, rolloff, flatness, flux and slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.features.spectrum import fft_frequencies

Array = NDArray[np.float32]

SHAPE_NAMES = ("centroid", "bandwidth", "rolloff", "flatness", "flux", "slope")
"""Rows of `spectral_shape`, in order."""

_ROLLOFF = 0.85
_FLOOR = np.float32(1e-10)


def spectral_shape(power: Array, *, rate: int = SAMPLE_RATE) -> Array:
    """Six measures of each spectrum.

    Of the magnitude: centroid, bandwidth (standard deviation around the centroid) and rolloff
    (frequency below which 85 % of the sum lies), in Hz, and flux (Euclidean distance to the
    previous frame after scaling to unit sum; 0 for the first frame). Of the power: flatness
    (geometric over arithmetic mean) and slope in dB per kHz. Silent frames have the measures of a
    flat spectrum.

    Args:
        power: Power spectrum, shape `[n_bins, n_frames]`.
        rate: Sampling rate in Hz.

    Returns:
        Shape `[6, n_frames]`, float32, rows as in `SHAPE_NAMES`.
    """
    spectra = np.maximum(np.ascontiguousarray(power.T), _FLOOR)  # [n_frames, n_bins]
    n_bins = spectra.shape[1]
    hz = fft_frequencies(rate, 2 * (n_bins - 1))
    magnitude = np.sqrt(spectra)
    total = magnitude.sum(axis=1)
    share = magnitude / total[:, None]
    centroid = share @ hz
    bandwidth = np.sqrt(np.maximum(share @ np.square(hz) - np.square(centroid), 0.0))
    rolloff = hz[np.argmax(np.cumsum(share, axis=1) >= _ROLLOFF, axis=1)]
    log_power = np.log(spectra)
    flatness = np.exp(log_power.mean(axis=1)) / spectra.mean(axis=1)
    flux = np.zeros(len(spectra), np.float32)
    flux[1:] = np.sqrt(np.square(np.diff(share, axis=0)).sum(axis=1))
    khz = hz / 1000.0 - hz.mean() / 1000.0
    slope = (log_power @ khz) * np.float32(10.0 / np.log(10.0)) / np.sum(np.square(khz))
    return np.stack((centroid, bandwidth, rolloff, flatness, flux, slope)).astype(np.float32)
