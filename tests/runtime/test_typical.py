from dataclasses import replace

import numpy as np
import pytest

from serkit.features import Sequences
from serkit.runtime import Typical
from serkit.runtime.typical import as_text, fitted, projections, triangle

# SplitMix64 of the state 0, then its first outputs from the seed 0, by its authors' C code.
SPLITMIX = (
    0,
    0xE220A8397B1DCDAF,
    0x6E789E6AA1B965F4,
    0x06C45D188009454F,
    0xF88BB8A8724C81EC,
    0x1B39896A51A8749B,
)


def test_directions_agree_with_splitmix64():
    n = len(SPLITMIX)
    signs = [-1.0 if value >> 63 else 1.0 for value in SPLITMIX]
    found = projections(np.eye(n, dtype=np.float32), 1)[:, 0]
    np.testing.assert_allclose(found, np.array(signs) / n**0.5)


def test_directions_are_nearly_at_right_angles():
    directions = projections(np.eye(3000, dtype=np.float32), 24)
    np.testing.assert_allclose(directions.T @ directions, np.eye(24), atol=0.1)


def test_distance_is_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 40)).astype(np.float32)
    projected = projections(rows, 8)
    typical = Typical(0.99, 1.0, as_text(fitted(projected, np.ones(500))))
    moments = projected.T @ projected / 500
    shrunk = 0.95 * moments + 0.05 * np.diag(np.diag(moments))
    expected = np.sqrt(np.einsum("ni,ij,nj->n", projected, np.linalg.inv(shrunk), projected) / 8)
    np.testing.assert_allclose(typical.distances(rows), expected, rtol=5e-3)
    assert np.mean(typical.distances(rows) ** 2) == pytest.approx(1, abs=0.05)


def test_weights_act_as_repetitions():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((30, 5))
    often = rng.integers(1, 4, 30)
    repeated = fitted(np.repeat(rows, often, axis=0), np.ones(often.sum()))
    np.testing.assert_allclose(fitted(rows, often.astype(float)), repeated, rtol=1e-9)


def test_one_extreme_feature_is_limited():
    typical = Typical(0.99, 1.0, as_text(np.eye(4)))
    rows = np.zeros((2, 100), np.float32)
    rows[:, 0] = 10.0, 1e30
    one, other = typical.distances(rows)
    assert one == other == pytest.approx(1.0)


def test_frames_are_averaged():
    rng = np.random.default_rng(2)
    frames = rng.standard_normal((3, 20, 7)).astype(np.float32)
    sequences = Sequences(frames, np.array([7, 5, 7]))
    typical = Typical(0.99, 1.0, as_text(np.eye(6)))
    means = np.stack([frames[0].mean(1), frames[1, :, :5].mean(1), frames[2].mean(1)])
    np.testing.assert_allclose(typical.distances(sequences), typical.distances(means), rtol=1e-5)


def test_round_trip_of_a_matrix():
    matrix = np.tril(np.random.default_rng(3).standard_normal((24, 24)))
    text = as_text(matrix)
    assert len(text) == 800
    np.testing.assert_allclose(triangle(text), matrix, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 bytes"),
        ("AAAA", "3 bytes"),
        ("not base64!", "base64"),
        (as_text(np.eye(33)), "1122 bytes"),
        (as_text(np.full((1, 1), np.inf)), "not finite"),
    ],
)
def test_a_damaged_matrix(text, said):
    with pytest.raises(ValueError, match=said):
        triangle(text)


def test_model_without_typical(model):
    assert model.card.typical is None
    assert model.distances(np.zeros((1, 20), np.float32)) is None


def test_a_model_standardises_first(model):
    typical = Typical(0.99, 1.0, as_text(np.eye(1)))
    known = replace(model, card=replace(model.card, typical=typical))
    at_mean = known.distances(np.stack((model.mean, model.mean + model.scale)))
    signs = projections(np.eye(20, dtype=np.float32), 1)
    np.testing.assert_allclose(at_mean, [0.0, abs(signs.sum())], rtol=1e-5, atol=1e-6)
