"""Fundamental frequency and voicing by the autocorrelation method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.features.frames import WindowName, window

Array = NDArray[np.float32]

# Upper limit of the spectrum that enters the autocorrelation; above it noise dominates.
_BAND_HZ = 2000.0
# Sampling rate of the autocorrelation, above twice the band.
_LAG_RATE = 8000
# Boersma's defaults: lowest strength of a voiced frame, and the penalty per octave of the period.
_VOICED = 0.45
_OCTAVE_COST = 0.02
# Frames below this power relative to the loudest are unvoiced.
_SILENT = np.float32(1e-4)


@dataclass(frozen=True, slots=True)
class Pitch:
    """Pitch of each frame.

    Attributes:
        hz: Fundamental frequency in Hz, shape `[n_frames]`; meaningful where `voiced`.
        strength: Normalised autocorrelation at the period, in [0, 1], shape `[n_frames]`.
        voiced: Whether the frame is periodic and loud enough, bool, shape `[n_frames]`.
    """

    hz: Array
    strength: Array
    voiced: NDArray[np.bool_]

    @classmethod
    def of(cls, hz: Array, strength: Array, energy: Array) -> Pitch:
        """Decide voicing, given the results of `pitch_candidates` for a whole recording."""
        loud = energy > _SILENT * energy.max(initial=0.0)
        return cls(hz, strength, loud & (strength >= _VOICED))


def pitch(
    power: Array,
    *,
    window_length: int,
    window_name: WindowName = "hann",
    rate: int = SAMPLE_RATE,
    f_min: float = 62.5,
    f_max: float = 600.0,
) -> Pitch:
    """Pitch from power spectra.

    The inverse transform of a power spectrum is the autocorrelation of the windowed frame; it is
    divided by the autocorrelation of the window (Boersma, *Accurate short-term analysis of the
    fundamental frequency*, 1993, equations 8-9). The period is the lag of the highest peak, less a
    penalty for long lags, refined by a parabola.

    Args:
        power: Power spectrum, shape `[n_fft // 2 + 1, n_frames]`. `n_fft` must exceed the window
            by the longest period, or the autocorrelation wraps around.
        window_length: Length of the analysis window in samples.
        window_name: The analysis window.
        rate: Sampling rate in Hz.
        f_min: Lowest fundamental frequency in Hz.
        f_max: Highest fundamental frequency in Hz.

    Returns:
        A `Pitch` of `n_frames` frames.
    """
    return Pitch.of(
        *pitch_candidates(
            power,
            window_length=window_length,
            window_name=window_name,
            rate=rate,
            f_min=f_min,
            f_max=f_max,
        )
    )


def pitch_candidates(
    power: Array,
    *,
    window_length: int,
    window_name: WindowName = "hann",
    rate: int = SAMPLE_RATE,
    f_min: float = 62.5,
    f_max: float = 600.0,
) -> tuple[Array, Array, Array]:
    """The most probable pitch of each frame, without the voicing decision of `pitch`.

    Args:
        power: As for `pitch`; any number of frames of a recording.
        window_length: As for `pitch`.
        window_name: As for `pitch`.
        rate: As for `pitch`.
        f_min: As for `pitch`.
        f_max: As for `pitch`.

    Returns:
        Frequency in Hz, strength and energy, each of shape `[n_frames]`, float32.
    """
    n_fft = 2 * (len(power) - 1)
    n_frames = power.shape[1]
    bins = round(_BAND_HZ * n_fft / rate)
    n_lags = round(_LAG_RATE * n_fft / rate)
    spectra = np.array(power.T[:, : bins + 1], order="C")  # a copy, also of a single frame
    spectra[:, 0] = 0.0  # an offset has no period
    correlation = np.fft.irfft(spectra, n=n_lags)[:, : int(_LAG_RATE / f_min) + 2]
    taper = _window_correlation(window_name, window_length, n_fft, bins, n_lags)
    energy = correlation[:, 0].copy()
    scale = np.where(energy > 0.0, energy, np.float32(1.0))
    correlation /= scale[:, None]
    correlation /= taper[: correlation.shape[1]]
    shortest, longest = int(_LAG_RATE / f_max), correlation.shape[1] - 2
    left = correlation[:, shortest - 1 : longest]
    peak = correlation[:, shortest : longest + 1]
    right = correlation[:, shortest + 1 : longest + 2]
    # Peaks are compared by the height of a parabola through them: on the grid of lags, a multiple
    # of the period that falls on the grid would exceed a period that does not.
    difference = left - right
    curve = np.minimum(left - 2.0 * peak + right, np.float32(-1e-6))
    is_peak = (peak >= left) & (peak >= right)
    height = peak - np.where(is_peak, np.square(difference) / (8.0 * curve), np.float32(0.0))
    lags = np.arange(shortest, longest + 1)
    cost = (_OCTAVE_COST * np.log2(lags / shortest)).astype(np.float32)
    best = np.argmax(height - cost, axis=1)
    rows = np.arange(n_frames)
    # The maximum at an end of the range may not be a peak; it has no vertex.
    vertex = np.where(is_peak[rows, best], difference[rows, best] / (2.0 * curve[rows, best]), 0.0)
    strength = np.clip(height[rows, best], 0.0, 1.0)
    hz = (_LAG_RATE / (lags[best] + vertex)).astype(np.float32)
    return hz, strength.astype(np.float32), np.asarray(energy, np.float32)


@lru_cache(maxsize=8)
def _window_correlation(name: WindowName, length: int, n_fft: int, bins: int, n_lags: int) -> Array:
    """Autocorrelation of the window at the lags of `pitch`, 1 at lag 0."""
    taper = np.fft.rfft(window(name, length, n_fft).astype(np.float64))
    correlation = np.fft.irfft(np.square(np.abs(taper[: bins + 1])), n=n_lags)
    result: Array = (correlation / correlation[0]).astype(np.float32)
    return result
