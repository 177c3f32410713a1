import numpy as np
import pytest
from scipy import special

from serkit.adaptation.probabilities import one_hot, softmax


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4,), (7, 4), (2, 3, 4)])
def test_softmax_is_scipys(shape, dtype):
    scores = (1000.0 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
    probabilities = softmax(scores)
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, special.softmax(scores, axis=-1), rtol=1e-6)


def test_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
