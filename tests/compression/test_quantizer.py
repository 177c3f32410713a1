import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serkit.compression import quantize_matrix
from serkit.errors import ModelError

finite = st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
matrices = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 12)), elements=finite)


@given(matrices, st.integers(1, 8), st.booleans())
def test_range_step_error_is_at_most_half_a_step(weight, bits, per_row):
    small = quantize_matrix(weight, bits, per_row=per_row, steps="range")
    assert small.scale.shape == ((len(weight),) if per_row else (1,))
    error = np.abs(small.dequantised() - weight)
    # The step is stored as float16: a thousandth of the largest weight comes on top.
    largest = np.abs(weight).max(axis=1 if per_row else None, keepdims=True)
    assert (error <= small.scale[:, None] / 2 * 1.001 + 2e-3 * largest + 1e-6).all()


@given(matrices, st.integers(1, 8), st.booleans())
def test_least_squares_is_never_worse_than_the_range(weight, bits, per_row):
    plain, better = (
        np.square(quantize_matrix(weight, bits, per_row=per_row, steps=s).dequantised() - weight)
        for s in ("range", "least-squares")
    )
    assert better.sum() <= plain.sum() * 1.01 + 1e-4 * np.square(weight).sum() + 1e-9


def test_one_bit_is_sign_times_mean_magnitude():
    """XNOR-Net, equation 6."""
    weight = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32)
    expected = np.sign(weight) * np.abs(weight).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(quantize_matrix(weight, 1).dequantised(), expected, rtol=1e-3)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_least_squares_is_near_the_best_step(bits):
    row = np.random.default_rng(1).standard_normal((1, 400))
    middle = (2**bits - 1) / 2
    errors = []
    for step in np.linspace(0.01, 4.0, 4000):
        levels = np.clip(np.round(row / step + middle), 0, 2 * middle) - middle
        errors.append(np.square(row - step * levels).sum())
    found = quantize_matrix(row.astype(np.float32), bits).dequantised()
    assert np.square(found - row).sum() <= 1.01 * min(errors)


def test_step_for_a_gaussian_agrees_with_max():
    """Max, *Quantizing for minimum distortion* (1960), table II: 2 bits 0.9957, 3 bits 0.5860."""
    row = np.random.default_rng(2).standard_normal((1, 200_000)).astype(np.float32)
    for bits, step in ((2, 0.9957), (3, 0.5860), (4, 0.3352)):
        assert quantize_matrix(row, bits).scale[0] == pytest.approx(step, rel=0.03)


def test_zeros_and_extremes():
    zeros = quantize_matrix(np.zeros((2, 3), np.float32), 3)
    np.testing.assert_array_equal(zeros.dequantised(), 0)
    for size in (1e-30, 1e30):
        weight = np.full((1, 4), size, np.float32)
        np.testing.assert_allclose(quantize_matrix(weight, 1).dequantised(), weight, rtol=1e-3)


@pytest.mark.parametrize("bits", [0, 9, -1])
def test_impossible_bits(bits):
    with pytest.raises(ModelError, match="expected 1 to 8"):
        quantize_matrix(np.ones((1, 1), np.float32), bits)
