"""Augmentation of waveforms by audiomentations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.errors import MissingExtraError
from serkit.training.speech.recipe import WaveformAugmentation

Samples = NDArray[np.float32]


def augmented(samples: Samples, plan: WaveformAugmentation, seed: int) -> Samples:
    """An altered copy of a recording, determined by the arguments.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.
        plan: Settings.
        seed: Seed, below 2**32.

    Returns:
        A new array, float32; its length changes with the tempo.

    Raises:
        MissingExtraError: audiomentations is not installed.
    """
    transform = _transform(plan)
    if transform is None:
        return samples.copy()
    with _seeded(seed):
        changed: Samples = transform(samples=samples.copy(), sample_rate=SAMPLE_RATE)
    return changed


@cache
def _transform(plan: WaveformAugmentation) -> Any:
    try:
        import audiomentations
    except ImportError:
        raise MissingExtraError("audiomentations", "speech", "augmentation") from None
    p = plan.probability
    steps: list[Any] = []
    if plan.gain_db is not None:
        low, high = plan.gain_db
        steps.append(audiomentations.Gain(min_gain_db=low, max_gain_db=high, p=p))
    if plan.noise is not None:
        low, high = plan.noise
        steps.append(audiomentations.AddGaussianNoise(min_amplitude=low, max_amplitude=high, p=p))
    if plan.snr_db is not None:
        low, high = plan.snr_db
        steps.append(audiomentations.AddGaussianSNR(min_snr_db=low, max_snr_db=high, p=p))
    if plan.pitch_semitones:
        most = plan.pitch_semitones
        steps.append(audiomentations.PitchShift(min_semitones=-most, max_semitones=most, p=p))
    if plan.stretch > 1.0:
        slowest, fastest = 1.0 / plan.stretch, plan.stretch
        steps.append(
            audiomentations.TimeStretch(
                min_rate=slowest, max_rate=fastest, leave_length_unchanged=False, p=p
            )
        )
    if plan.polarity:
        steps.append(audiomentations.PolarityInversion(p=p))
    return audiomentations.Compose(steps) if steps else None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which audiomentations draws from, and restore them after."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
