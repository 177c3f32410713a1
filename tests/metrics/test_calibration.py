import numpy as np
import pytest

from serkit.metrics import calibration_error, expected_calibration_error, reliability


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.35, 0.65]], np.float32)
    targets = np.array([0, 1, 1, 0])
    # Bin 0.9-1.0: confidence 0.9, half right; bin 0.6-0.7: confidence 0.625, half right.
    assert expected_calibration_error(targets, probabilities) == pytest.approx(
        0.5 * abs(0.5 - 0.9) + 0.5 * abs(0.5 - 0.625), abs=1e-6
    )


def test_calibrated_probabilities_have_almost_no_error():
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 1, 100_000).astype(np.float32)
    targets = (rng.uniform(0, 1, 100_000) > first).astype(int)
    assert expected_calibration_error(targets, np.stack((first, 1 - first), axis=1)) < 0.01


def test_reliability_curves_of_disjoint_parts_add_up():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), 60).astype(np.float32)
    targets = rng.integers(4, size=60)
    parts = [reliability(targets[part], probabilities[part]) for part in (slice(25), slice(25, 60))]
    np.testing.assert_allclose(sum(parts), reliability(targets, probabilities))
    assert calibration_error(sum(parts)) == pytest.approx(
        expected_calibration_error(targets, probabilities)
    )
