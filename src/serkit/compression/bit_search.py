"""The iterative search for the bits of each layer, after Shinde et al."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from serkit.compression.importance import layer_importance
from serkit.runtime import WeightedLayer

MOST_BITS = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """One try of the search.

    Attributes:
        layer: Number of the layer, from 0 at the input.
        bits: Tried for it.
        score: Of the network with the layers settled so far and this one quantised.
        margin: By how much the score may fall below that of the full network, for this layer.
        accepted: Whether these are the layer's bits.
    """

    layer: int
    bits: int
    score: float
    margin: float
    accepted: bool


def search_bits(
    layers: Sequence[WeightedLayer],
    quantize: Callable[[WeightedLayer, int], WeightedLayer],
    score: Callable[[Sequence[WeightedLayer]], float],
    *,
    margin: float,
    alpha: float,
) -> tuple[tuple[int, ...], tuple[Trial, ...]]:
    """Choose the bits of each layer.

    Shinde et al., *Layer-Importance guided Adaptive Quantization for Efficient Speech Emotion
    Recognition* (2024), 2.2.2: the most important layer first, from 1 bit up, each until the score
    has fallen by no more than `margin * importance` (equation 4) below that of the full network;
    layers settled before stay quantised. A layer for which that happens at no width keeps 8.

    Args:
        layers: Of the full network, those with weights.
        quantize: Makes a layer of so many bits.
        score: Of a network, higher is better, on data that takes no part in any test.
        margin: Largest fall allowed to a layer of importance 1.
        alpha: See `layer_importance`.

    Returns:
        The bits of each layer, and every trial in order.

    Raises:
        ModelError: Alpha is out of range, or a layer is not finite.
    """
    importance = layer_importance(layers, alpha=alpha)
    full = score(layers)
    settled = list(layers)
    bits = [MOST_BITS] * len(layers)
    trials = []
    for i in np.argsort(-importance, kind="stable").tolist():
        allowed = margin * float(importance[i])
        for width in range(1, MOST_BITS + 1):
            settled[i] = quantize(layers[i], width)
            found = score(settled)
            accepted = full - found <= allowed or width == MOST_BITS
            trials.append(Trial(i, width, found, allowed, accepted))
            if accepted:
                bits[i] = width
                break
    return tuple(bits), tuple(trials)
