"""Feature extraction by a recipe; frames and spectra are shared by all descriptors."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serkit.audio import normalise_peak, pre_emphasis, trim
from serkit.features.cepstrum import delta
from serkit.features.descriptors import DESCRIPTORS, MEL, PITCH, SpectralRows, spectral_keys
from serkit.features.energy import rms
from serkit.features.functionals import CORRELATIONS, correlations, functionals
from serkit.features.mel import power_to_db
from serkit.features.pitch import Pitch
from serkit.features.recipe import DescriptorRecipe, FeatureRecipe, LogMelRecipe
from serkit.features.spectrum import power_spectra
from serkit.features.whisper import DECADES, SCALE

Array = NDArray[np.float32]

# Of Whisper's log-mel, `(log10(energy) + 4) / 4`.
_DB_PER_UNIT = np.float32(10.0) * SCALE
_RANGE_DB = np.float32(10.0) * DECADES


def extract(recipe: FeatureRecipe, samples: Array) -> Array:
    """The features of a recording.

    Args:
        recipe: What to compute.
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.

    Returns:
        Shape `[recipe.n_features]`, or `[recipe.n_features, n_frames]` with at least one frame
        if the recipe keeps frames; float32, finite.
    """
    return _described(SoundAnalysis(recipe, samples))


def extract_of_log_mel(recipe: LogMelRecipe, log_mel: Array) -> Array:
    """The features of a log-mel spectrogram.

    Args:
        recipe: What to compute.
        log_mel: As Whisper's encoder takes it, `(log10(energy) + 4) / 4`; shape `[80, n_frames]`
            with at least one frame, float32.

    Returns:
        As `extract`.
    """
    return _described(LogMelAnalysis(recipe, log_mel))


class SoundAnalysis:
    """A recording under a recipe."""

    def __init__(self, recipe: FeatureRecipe, samples: Array) -> None:
        if recipe.trim_db is not None:
            samples = trim(samples, top_db=recipe.trim_db)
        if recipe.peak is not None:
            samples = normalise_peak(samples, recipe.peak)
        self.recipe = recipe
        self.samples = samples

    def spectral(self, rows: SpectralRows, size: int = 0) -> Array:
        """Rows computed from the spectra, shape `[n_rows, n_frames]`."""
        return self._of_spectra[rows, size]

    @cached_property
    def _of_spectra(self) -> dict[tuple[SpectralRows, int], Array]:
        """All spectral rows the recipe needs, from spectra computed once, a few at a time."""
        recipe, samples = self.recipe, self.samples
        if recipe.pre_emphasis:
            samples = pre_emphasis(samples, recipe.pre_emphasis)
        keys = spectral_keys(recipe.descriptors)
        parts: dict[tuple[SpectralRows, int], list[Array]] = {key: [] for key in keys}
        before: Array | None = None
        for power in power_spectra(
            samples,
            n_fft=recipe.n_fft,
            hop=recipe.hop,
            window_length=recipe.window_length,
            window_name=recipe.window,
        ):
            for rows, size in keys:
                parts[rows, size].append(rows.compute(recipe, size, power, before))
            before = power[:, -1:]
        return {
            key: of_key[0] if len(of_key) == 1 else np.concatenate(of_key, axis=1)
            for key, of_key in parts.items()
        }

    @cached_property
    def log_mel(self) -> Array:
        """Mel energies in dB, shape `[n_mels, n_frames]`."""
        return power_to_db(self.spectral(MEL))

    @cached_property
    def level(self) -> Array:
        """RMS in dB, shape `[1, n_frames]`."""
        amplitude = rms(self.samples, length=self.recipe.n_fft, hop=self.recipe.hop)
        return power_to_db(np.square(amplitude))[None]

    @cached_property
    def pitch(self) -> Pitch:
        """Pitch and voicing of each frame."""
        return Pitch.of(*self.spectral(PITCH))

    @cached_property
    def audible(self) -> NDArray[np.bool_]:
        """Frames that enter the functionals, shape `[n_frames]`."""
        return _audible(self.level[0], self.recipe.gate_db)


class LogMelAnalysis:
    """A log-mel spectrogram under a recipe, relative to its maximum."""

    def __init__(self, recipe: LogMelRecipe, log_mel: Array) -> None:
        self.recipe = recipe
        decibels = _DB_PER_UNIT * (log_mel - log_mel.max())
        self.log_mel: Array = np.maximum(decibels, -_RANGE_DB)

    @cached_property
    def level(self) -> Array:
        """Sum of the mel energies in dB, shape `[1, n_frames]`."""
        energies = np.float32(10.0) ** (self.log_mel / np.float32(10.0))
        return power_to_db(energies.sum(axis=0, keepdims=True))

    @cached_property
    def audible(self) -> NDArray[np.bool_]:
        """Frames that enter the functionals, shape `[n_frames]`."""
        return _audible(self.level[0], self.recipe.gate_db)


Analysis = SoundAnalysis | LogMelAnalysis


def _audible(level: Array, gate_db: float | None) -> NDArray[np.bool_]:
    if gate_db is None:
        return np.ones(len(level), np.bool_)
    audible: NDArray[np.bool_] = level >= level.max() - gate_db
    return audible


def _described(analysis: Analysis) -> Array:
    recipe: DescriptorRecipe = analysis.recipe
    parts = []
    for descriptor in recipe.descriptors:
        kind = DESCRIPTORS[descriptor.name]
        rows = kind.rows(analysis, descriptor)
        for _ in range(descriptor.order):
            rows = delta(rows)
        if recipe.per_frame:
            parts.append(rows)
            continue
        counted = rows.take(np.flatnonzero(kind.frames(analysis)), axis=1)
        parts.append(functionals(counted, descriptor.of_rows).ravel())
        if CORRELATIONS in descriptor.functionals:
            parts.append(correlations(counted))
    return np.concatenate(parts)
