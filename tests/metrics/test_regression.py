import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.metrics import concordance, correlation, moments

values = st.lists(
    st.tuples(st.floats(-1, 1, width=16), st.floats(-1, 1, width=16)), min_size=2, max_size=50
)


def test_by_hand():
    truth, predicted = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 4.0])
    # Means 1 and 2, variances 2/3 and 2, covariance 1.
    sums = moments(truth, predicted)
    assert concordance(sums) == pytest.approx(2 * 1 / (2 / 3 + 2 + 1))
    assert correlation(sums) == pytest.approx(1 / math.sqrt(4 / 3))


@given(values)
def test_they_agree_with_numpy(pairs):
    x, y = np.array(pairs).T
    sums = moments(x, y)
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    if spread > 1e-6:
        expected = 2 * np.cov(x, y, ddof=0)[0, 1] / spread
        assert concordance(sums) == pytest.approx(expected, abs=1e-6)
        assert abs(concordance(sums)) <= 1.0 + 1e-9
    if x.std() > 1e-3 and y.std() > 1e-3:
        assert correlation(sums) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)


@given(values, st.integers(1, 49))
def test_sums_of_speakers_are_those_of_all(pairs, cut):
    x, y = np.array(pairs).T
    parts = moments(x[:cut], y[:cut]) + moments(x[cut:], y[cut:])
    np.testing.assert_allclose(parts, moments(x, y), atol=1e-12)


def test_the_same_values_agree_and_a_shift_lowers_the_concordance_alone():
    x = np.linspace(-1, 1, 11)
    assert concordance(moments(x, x)) == pytest.approx(1.0)
    assert concordance(moments(x, x + 0.5)) < 0.9
    assert correlation(moments(x, x + 0.5)) == pytest.approx(1.0)


def test_what_is_undefined_is_nan():
    same = np.full(7, 0.1)
    assert math.isnan(concordance(moments(same, same)))
    assert concordance(moments(same, np.linspace(0, 1, 7))) == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(correlation(moments(same, np.linspace(0, 1, 7))))
    assert math.isnan(concordance(moments(same[:0], same[:0])))
