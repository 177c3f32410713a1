"""Warnings of the shipped models for input far from their training data."""

import numpy as np
import pytest

import serkit

RATE = 16_000
TIME = np.arange(3 * RATE) / RATE
NO_SPEECH = {
    "a 440 Hz tone": 0.5 * np.sin(2 * np.pi * 440 * TIME),
    "white noise": 0.1 * np.random.default_rng(0).standard_normal(len(TIME)),
    "a struck chord": 0.2
    * np.exp(-2 * (TIME % 1))
    * sum(np.sin(2 * np.pi * hz * TIME) for hz in (220.0, 277.2, 329.6)),
    "clicks": np.where(np.random.default_rng(0).random(len(TIME)) < 2e-4, 0.9, 0.0),
}


@pytest.mark.parametrize("name", ["tiny", "emodb7", "ravdess8"])
@pytest.mark.parametrize("sound", NO_SPEECH)
def test_other_sounds_are_far_from_the_training_data(name, sound):
    answer = serkit.load(name)((NO_SPEECH[sound].astype(np.float32), RATE))
    assert "far-from-training" in [caution.code for caution in answer.warnings]


@pytest.mark.parametrize("name", ["tiny", "emodb7", "ravdess8"])
def test_typical_on_the_card(name):
    typical = serkit.load(name).card.typical
    assert typical.share == 0.99
    # Of the training data the mean square is 1; new speakers lie a little farther.
    assert 1.0 < typical.limit < 2.5
