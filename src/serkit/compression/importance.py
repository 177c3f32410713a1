"""Layer importance by Shinde et al."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.runtime import WeightedLayer


def parameter_shares(layers: Sequence[WeightedLayer]) -> NDArray[np.float64]:
    """Share of each layer in all weights and biases (equation 1), shape `[n_layers]`."""
    sizes = np.array([layer.weight.size + layer.bias.size for layer in layers], np.float64)
    shares: NDArray[np.float64] = sizes / sizes.sum()
    return shares


def normalised_variances(layers: Sequence[WeightedLayer]) -> NDArray[np.float64]:
    """`log(e - 1 + variance / largest variance)` of each layer's weights (equation 2).

    In [0.54, 1]; 1 for all layers if all variances are 0. Shape `[n_layers]`.
    """
    variances = np.array([np.var(layer.matrix, dtype=np.float64) for layer in layers])
    largest = variances.max()
    ratios = variances / largest if largest > 0 else np.ones(len(layers))
    logarithms: NDArray[np.float64] = np.log(np.e - 1.0 + ratios)
    return logarithms


def layer_importance(layers: Sequence[WeightedLayer], *, alpha: float = 0.5) -> NDArray[np.float64]:
    """`alpha * parameter share + (1 - alpha) * normalised variance` (equation 3), `[n_layers]`.

    Shinde et al., *Layer-Importance guided Adaptive Quantization for Efficient Speech Emotion
    Recognition* (2024), 2.2.1. The paper does not state alpha.

    Args:
        layers: The layers with weights of a network.
        alpha: Weight of the parameter share, 0 to 1.

    Raises:
        ModelError: Alpha is out of range, or a weight or bias is not finite.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ModelError(f"alpha is {alpha}; expected 0 to 1")
    for i, layer in enumerate(layers):
        if not (np.isfinite(layer.matrix).all() and np.isfinite(layer.bias).all()):
            raise ModelError(
                f"layer {i} has weights that are not finite (NaN or infinite); train it again"
            )
    importance: NDArray[np.float64] = alpha * parameter_shares(layers) + (
        1.0 - alpha
    ) * normalised_variances(layers)
    return importance


def average_bits(layers: Sequence[WeightedLayer], bits: Sequence[int]) -> float:
    """The average bit-width: bits weighted by parameter shares (equation 5)."""
    return float(parameter_shares(layers) @ np.array(bits, np.float64))
