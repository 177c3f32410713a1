import numpy as np
import pytest
from scipy.linalg import sqrtm

from serkit.training.speaker_variation import shrink_speaker_variation


def sample(rng, n_speakers=12, per_class=20):
    """Two emotions along axis 0, speakers differing along axis 1."""
    rows, targets, speakers = [], [], []
    for speaker in range(n_speakers):
        shift = 3.0 * rng.standard_normal()
        for target in range(2):
            for _ in range(per_class):
                noise = 0.3 * rng.standard_normal(4)
                rows.append(np.add(noise, [2.0 * target, shift, 0, 0]))
                targets.append(target)
                speakers.append(str(speaker))
    return np.array(rows, np.float32), np.array(targets), speakers


def test_inverse_root_of_the_regularised_covariance():
    rows, targets, speakers = sample(np.random.default_rng(0))
    weights = np.ones(len(rows), np.float32)
    found = shrink_speaker_variation(rows, targets, speakers, weights, strength=0.3)
    covariance = np.zeros((4, 4))
    for target in (0, 1):
        centre = rows[targets == target].mean(axis=0)
        for speaker in set(speakers):
            chosen = (targets == target) & (np.array(speakers) == speaker)
            deviation = rows[chosen].mean(axis=0) - centre
            covariance += chosen.mean() * np.outer(deviation, deviation)
    expected = np.linalg.inv(sqrtm(np.eye(4) + 0.3 * covariance))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_speaker_directions_shrink_and_emotion_directions_stay():
    rows, targets, speakers = sample(np.random.default_rng(1))
    weights = np.ones(len(rows), np.float32)
    found = shrink_speaker_variation(rows, targets, speakers, weights, strength=10.0)
    assert np.linalg.norm(found[:, 1]) < 0.2
    assert found[0, 0] == pytest.approx(1.0, abs=0.1)


def test_strength_0_is_the_identity():
    rows, targets, speakers = sample(np.random.default_rng(2))
    weights = np.ones(len(rows), np.float32)
    found = shrink_speaker_variation(rows, targets, speakers, weights, strength=0.0)
    np.testing.assert_allclose(found, np.eye(4), atol=1e-6)
