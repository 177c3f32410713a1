"""Searches for the bits of each layer: the one of Shinde et al., and one by bytes on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from serkit.compression.importance import layer_importance
from serkit.runtime import WeightedLayer

MOST_BITS = 8
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Trial:
    """One try of the search.

    Attributes:
        layer: Number of the layer, from 0 at the input.
        bits: Tried for it.
        score: Of the network with the layers settled so far and this one quantised.
        margin: By how much the score may fall below that of the full network, for this layer.
        accepted: Whether the layer is given these bits.
        bytes: Size of the whole model file with them.
    """

    layer: int
    bits: int
    score: float
    margin: float
    accepted: bool
    bytes: int


def search_bits(
    layers: Sequence[WeightedLayer],
    quantize: Callable[[WeightedLayer, int], WeightedLayer],
    score: Callable[[Sequence[WeightedLayer]], float],
    size: Callable[[Sequence[WeightedLayer]], int],
    *,
    margin: float,
    alpha: float,
) -> tuple[tuple[int, ...], tuple[Trial, ...]]:
    """Choose the bits of each layer by its importance.

    Shinde et al., *Layer-Importance guided Adaptive Quantization for Efficient Speech Emotion
    Recognition* (2024), 2.2.2: the most important layer first, from 1 bit up, each until the score
    has fallen by no more than `margin * importance` (equation 4) below that of the full network;
    layers settled before stay quantised. A layer for which that happens at no width keeps 8.

    Args:
        layers: Of the full network, those with weights.
        quantize: Makes a layer of so many bits.
        score: Of a network, higher is better, on data that takes no part in any test.
        size: Of the file that holds a network, in bytes; it is recorded and decides nothing here.
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
            trials.append(Trial(i, width, found, allowed, accepted, size(settled)))
            if accepted:
                bits[i] = width
                break
    return tuple(bits), tuple(trials)


def search_bytes(
    layers: Sequence[WeightedLayer],
    quantize: Callable[[WeightedLayer, int], WeightedLayer],
    score: Callable[[Sequence[WeightedLayer]], float],
    size: Callable[[Sequence[WeightedLayer]], int],
    *,
    margin: float,
) -> tuple[tuple[int, ...], tuple[Trial, ...]]:
    """Choose the bits of each layer by the bytes of the file on disk.

    All layers start at 8 bits. Each time all narrower widths of all layers are tried, the smallest
    file (codes, steps, biases, normalisation and header counted) first, and the first that lets
    the score fall by no more than the margin below that of the full network is taken, until there
    is none. The margin is the whole network's: what one layer leaves of it, the next may use.

    Args:
        layers: Of the full network, those with weights.
        quantize: Makes a layer of so many bits.
        score: Of a network, higher is better, on data that takes no part in any test.
        size: Of the file that holds a network, in bytes.
        margin: Largest fall allowed to the network.

    Returns:
        The bits of each layer, and every trial in order.
    """
    full = score(layers)
    bits = [MOST_BITS] * len(layers)
    settled = [quantize(layer, MOST_BITS) for layer in layers]
    trials = []
    accepted = True
    while accepted:
        accepted = False
        sizes = {}
        for i, most in enumerate(bits):
            for width in range(1, most):
                narrower = [*settled[:i], quantize(layers[i], width), *settled[i + 1 :]]
                sizes[size(narrower), i, width] = narrower
        for (n_bytes, i, width), narrower in sorted(sizes.items(), key=lambda item: item[0]):
            found = score(narrower)
            accepted = full - found <= margin + _ROUNDING
            trials.append(Trial(i, width, found, margin, accepted, n_bytes))
            if accepted:
                bits[i], settled = width, narrower
                break
    return tuple(bits), tuple(trials)
