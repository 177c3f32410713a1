import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.linear_model import LinearRegression

from serkit.features import FUNCTIONAL_NAMES, Descriptor, FeatureRecipe, extract, functionals
from serkit.features.functionals import correlations

matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=40),
    elements=st.floats(-100, 100, width=32),
)


@given(matrices)
def test_order_statistics_agree_with_numpy(rows):
    names = ["mean", "std", "min", "max", "range", "p05", "p20", "p50", "p80", "p95", "iqr"]
    found = dict(zip(names, functionals(rows, names), strict=True))
    exact = rows.astype(np.float64)
    expected = {
        "mean": exact.mean(axis=1),
        "std": exact.std(axis=1),
        "min": exact.min(axis=1),
        "max": exact.max(axis=1),
        "range": np.ptp(exact, axis=1),
        "iqr": np.subtract(*np.percentile(exact, [75, 25], axis=1)),
    } | {f"p{p:02}": np.percentile(exact, p, axis=1) for p in (5, 20, 50, 80, 95)}
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=2e-3)


@given(matrices)
def test_all_are_finite_float32(rows):
    found = functionals(rows, FUNCTIONAL_NAMES)
    assert found.shape == (len(FUNCTIONAL_NAMES), len(rows))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_moments_of_known_distributions():
    rng = np.random.default_rng(0)
    rows = np.stack((rng.standard_normal(200_000), rng.exponential(size=200_000)))
    skewness, kurtosis = functionals(rows.astype(np.float32), ["skewness", "kurtosis"])
    np.testing.assert_allclose(skewness, [0, 2], atol=0.1)
    np.testing.assert_allclose(kurtosis, [3, 9], atol=0.6)


def test_moments_of_a_constant_are_zero():
    constant = np.full((1, 50), 0.1, np.float32)
    assert not functionals(constant, ["skewness", "kurtosis"]).any()


def test_slope_is_a_least_squares_line():
    rows = np.random.default_rng(1).standard_normal((3, 25)).astype(np.float32)
    time = np.linspace(0, 1, 25)[:, None]
    expected = LinearRegression().fit(time, rows.T).coef_[:, 0]
    np.testing.assert_allclose(functionals(rows, ["slope"])[0], expected, rtol=1e-4)


def test_roughness_by_hand():
    rows = np.array([[0.0, 1.0, -1.0, -1.0]], np.float32)
    assert functionals(rows, ["roughness"])[0, 0] == pytest.approx((1 + 2 + 0) / 3)


def test_no_frames_are_zeros_and_one_frame_has_no_slope():
    assert not functionals(np.zeros((4, 0), np.float32), FUNCTIONAL_NAMES).any()
    one = functionals(np.ones((4, 1), np.float32), ["slope", "roughness", "std"])
    assert not one.any()


@given(matrices)
def test_correlations_are_bounded_and_finite(rows):
    found = correlations(rows)
    assert found.shape == (len(rows) * (len(rows) - 1) // 2,)
    assert found.dtype == np.float32
    assert (np.abs(found) <= 1.0).all()


def test_correlations_agree_with_numpy():
    rows = np.random.default_rng(2).standard_normal((5, 60)).astype(np.float32)
    rows[1] += rows[0]
    expected = np.corrcoef(rows)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(correlations(rows), expected, atol=1e-5)


def test_correlations_with_a_constant_and_without_frames_are_zero():
    rows = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0], [2.0, 4.0, 8.0]], np.float32)
    np.testing.assert_allclose(correlations(rows), [0.0, 0.0, 1.0], atol=1e-6)
    assert not correlations(np.zeros((3, 0), np.float32)).any()


def test_correlations_follow_the_other_functionals_of_a_recipe():
    both = Descriptor("mfcc", 4, order=1, functionals=("correlations", "mean", "std"))
    recipe = FeatureRecipe("pairs", (both,))
    assert recipe.n_features == len(recipe.feature_names) == 4 * 2 + 6
    assert recipe.feature_names[0] == "mfcc[0]'.mean"
    assert recipe.feature_names[8:10] == ("mfcc[0]'~mfcc[1]'", "mfcc[0]'~mfcc[2]'")
    sound = np.random.default_rng(3).standard_normal(16_000).astype(np.float32)
    alone = FeatureRecipe("rows", (Descriptor("mfcc", 4, order=1, functionals=("mean", "std")),))
    np.testing.assert_array_equal(extract(recipe, sound)[:8], extract(alone, sound))
