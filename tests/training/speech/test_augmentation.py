"""Augmentation of waveforms: in its ranges, and determined by the seed."""

import random

import numpy as np
import pytest

from serkit.training.speech.augmentation import augmented
from serkit.training.speech.recipe import WaveformAugmentation

NONE = {"gain_db": None, "noise": None, "pitch_semitones": 0.0, "polarity": False}


def only(**one):
    return WaveformAugmentation(**NONE | {"probability": 1.0} | one)


@pytest.fixture
def tone():
    return 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)


def test_gain_is_in_its_range(tone):
    plan = only(gain_db=(-18.0, 6.0))
    gains = [20 * np.log10(np.abs(augmented(tone, plan, s)).max() / 0.1) for s in range(200)]
    assert -18.01 < min(gains) < -15.0 < 3.0 < max(gains) < 6.01


def test_noise_is_in_its_range(tone):
    plan = only(noise=(0.001, 0.015))
    sizes = [float(np.std(augmented(tone, plan, s) - tone)) for s in range(60)]
    assert 0.00095 < min(sizes) < 0.003 < 0.012 < max(sizes) < 0.0155


def test_pitch_is_shifted_by_at_most_two_semitones(tone):
    plan = only(pitch_semitones=2.0)
    shifts = []
    for seed in range(20):
        copy = augmented(tone, plan, seed)
        assert copy.shape == tone.shape
        middle = copy[4000:12_000] * np.hanning(8000)
        peak = np.abs(np.fft.rfft(middle, 1 << 16)).argmax() * 16_000 / (1 << 16)
        shifts.append(12 * np.log2(peak / 1000.0))
    assert -2.1 < min(shifts) < -1.0 < 1.0 < max(shifts) < 2.1


def test_polarity_is_inverted(tone):
    np.testing.assert_array_equal(augmented(tone, only(polarity=True), 0), -tone)


def test_the_seed_determines_the_copy_and_nothing_else_is_disturbed(tone):
    plan = WaveformAugmentation(pitch_semitones=0.0)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = (random.random(), np.random.random())  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = tone.copy()
    first = augmented(tone, plan, 7)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    np.testing.assert_array_equal(augmented(tone, plan, 7), first)
    np.testing.assert_array_equal(tone, before)
    copies = {augmented(tone, plan, seed).tobytes() for seed in range(40)}
    # Each of the three changes is left out in half of the copies, all three in an eighth.
    assert 20 < len(copies) < 40
