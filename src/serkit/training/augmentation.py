"""Data augmentation: altered copies of recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from serkit.audio import SAMPLE_RATE
from serkit.codec import N_QUALITIES, decode, encode_basis
from serkit.features import DescriptorRecipe, LogMelRecipe, extract_of_log_mel
from serkit.runtime import features_of

Samples = NDArray[np.float32]

AUGMENTATION_VERSION = 1
"""Changes whenever the same arguments of `augment` would give another copy."""

# Knots of the random equaliser in Hz, an octave apart.
_KNOTS_HZ = np.array([0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])


class Augmentation(BaseModel):
    """Settings of augmentation; the features of each copy are computed once, before training.

    Attributes:
        copies: Augmented copies per training recording, in addition to the recording itself.
        speed: Largest factor by which speed and pitch change; 1 for no change.
        equaliser_db: Standard deviation of a random change of the spectral envelope, in dB.
        noise_snr_db: Range of signal-to-noise ratios of added coloured noise, in dB; None for no
            noise.
        probability: Probability of the equaliser, and of the noise.
        coded: Probability that a copy is coded by the codec at a random quality; for models that
            take log-mel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    copies: int = Field(ge=1, le=16)
    speed: float = Field(default=1.0, ge=1.0, le=2.0)
    equaliser_db: float = Field(default=0.0, ge=0.0, le=40.0)
    noise_snr_db: tuple[float, float] | None = None
    probability: float = Field(default=0.7, ge=0.0, le=1.0)
    coded: float = Field(default=0.0, ge=0.0, le=1.0)


def augmented_features(
    recipe: DescriptorRecipe, samples: Samples, plan: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The features of one augmented copy of a recording.

    Args:
        recipe: The features.
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.
        plan: Settings of the augmentation.
        rng: Source of all random choices.

    Returns:
        As `serkit.features.extract`.
    """
    copy = augment(samples, plan, rng)
    if isinstance(recipe, LogMelRecipe) and rng.random() < plan.coded:
        packets = encode_basis(copy, quality=int(rng.integers(N_QUALITIES)))
        return extract_of_log_mel(recipe, decode(packets).log_mel)
    return features_of(recipe, copy)


def augment(samples: Samples, plan: Augmentation, rng: np.random.Generator) -> Samples:
    """One augmented copy of a recording.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.
        plan: Settings of the augmentation.
        rng: Source of all random choices.

    Returns:
        Shape `[n]`, float32; the length changes with the speed.
    """
    limit = np.log(plan.speed)
    samples = _change_speed(samples, float(np.exp(rng.uniform(-limit, limit))))
    if plan.equaliser_db and rng.random() < plan.probability:
        samples = _equalise(samples, plan.equaliser_db, rng)
    if plan.noise_snr_db and rng.random() < plan.probability:
        samples = _add_noise(samples, rng.uniform(*plan.noise_snr_db), rng)
    return samples


def _change_speed(samples: Samples, factor: float) -> Samples:
    """Play faster and higher (factor above 1), or slower and lower."""
    import soxr

    if abs(factor - 1.0) < 1e-3:
        return samples
    faster: Samples = soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ")
    return faster if len(faster) else samples


def _equalise(samples: Samples, size_db: float, rng: np.random.Generator) -> Samples:
    """Filter with a smooth random response: a tilt and independent octave gains."""
    gains = rng.standard_normal(len(_KNOTS_HZ))
    gains = np.convolve(np.pad(gains, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    tilt = rng.standard_normal() * np.linspace(-1.0, 1.0, len(_KNOTS_HZ))
    response_db = size_db * (0.7 * gains + 0.6 * tilt)
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    # Interpolated over a frequency axis that is linear near 0 Hz and logarithmic above.
    gain_db = np.interp(np.log2(hz + 60.0), np.log2(_KNOTS_HZ + 60.0), response_db)
    filtered = np.fft.irfft(spectrum * 10.0 ** (gain_db / 20.0), len(samples))
    altered: Samples = filtered.astype(np.float32)
    return altered


def _add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add noise between white and pink at a signal-to-noise ratio over the whole recording."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum / (hz + 50.0) ** rng.uniform(0.0, 1.0), len(samples))
    power = float(np.mean(np.square(noise)))
    if power == 0.0:
        return samples
    wanted = float(np.mean(np.square(samples))) * 10.0 ** (-snr_db / 10.0)
    noisy: Samples = (samples + noise * np.sqrt(wanted / power)).astype(np.float32)
    return noisy
