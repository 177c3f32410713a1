import numpy as np
import pytest

from serkit.compression import (
    average_bits,
    layer_importance,
    normalised_variances,
    parameter_shares,
)
from serkit.errors import ModelError
from serkit.runtime import Dense


def dense(weights):
    weight = np.array(weights, np.float32)
    return Dense(weight, np.zeros(len(weight), np.float32))


# 8 + 2 and 2 + 1 parameters; variances 1 and 4.
LAYERS = (dense([[1, -1, 1, -1], [-1, 1, -1, 1]]), dense([[2, -2]]))


def test_equations_of_the_paper_by_hand():
    np.testing.assert_allclose(parameter_shares(LAYERS), [10 / 13, 3 / 13])
    np.testing.assert_allclose(normalised_variances(LAYERS), [np.log(np.e - 0.75), 1.0])
    np.testing.assert_allclose(
        layer_importance(LAYERS, alpha=0.3),
        [0.3 * 10 / 13 + 0.7 * np.log(np.e - 0.75), 0.3 * 3 / 13 + 0.7],
    )
    assert average_bits(LAYERS, (2, 5)) == pytest.approx((2 * 10 + 5 * 3) / 13)


def test_alpha_0_and_1():
    np.testing.assert_allclose(layer_importance(LAYERS, alpha=1.0), parameter_shares(LAYERS))
    np.testing.assert_allclose(layer_importance(LAYERS, alpha=0.0), normalised_variances(LAYERS))


def test_layers_without_variance():
    layers = (dense([[1, 1]]), dense([[3, 3]]))
    np.testing.assert_allclose(normalised_variances(layers), 1.0)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_impossible_alpha(alpha):
    with pytest.raises(ModelError, match=r"alpha is .*; expected 0 to 1"):
        layer_importance(LAYERS, alpha=alpha)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_layer_that_is_not_finite_is_named(bad):
    with pytest.raises(ModelError, match="layer 1 has weights that are not finite"):
        layer_importance((LAYERS[0], dense([[bad, 1]])))
