"""Searches for the bit-width of each layer: by importance (Shinde et al.) and by file size."""

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
    """One step of a search.

    Attributes:
        layer: Index of the layer, from the input.
        bits: Bit-width tried.
        score: Score of the network with this layer and the layers settled so far quantised.
        margin: Largest loss of score allowed, compared with the full network.
        accepted: Whether the bit-width is accepted.
        bytes: Size of the model file with it.
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
    """Choose the bit-width of each layer by its importance.

    Shinde et al., *Layer-Importance guided Adaptive Quantization for Efficient Speech Emotion
    Recognition* (2024), 2.2.2: in order of decreasing importance, each layer gets the smallest
    bit-width with which the score is at most `margin * importance` (equation 4) below that of the
    full network; layers settled before stay quantised. If there is none, the layer gets 8 bits.

    Args:
        layers: The layers with weights of the full network.
        quantize: Quantises a layer to a bit-width.
        score: Score of a network on validation data; higher is better.
        size: Size in bytes of the file of a network; recorded, but not used for decisions.
        margin: Largest loss of score allowed for a layer of importance 1.
        alpha: See `layer_importance`.

    Returns:
        The bit-width of each layer, and all trials in order.

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
            reached = score(settled)
            accepted = full - reached <= allowed or width == MOST_BITS
            trials.append(Trial(i, width, reached, allowed, accepted, size(settled)))
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
    """Choose the bit-width of each layer by the size of the model file.

    A greedy search from 8 bits in all layers: in each step all smaller bit-widths of all layers are
    tried, in order of increasing file size (with codes, steps, biases, normalisation and header),
    and the first is accepted whose score is at most `margin` below that of the full network. The
    search ends when none is.

    Args:
        layers: The layers with weights of the full network.
        quantize: Quantises a layer to a bit-width.
        score: Score of a network on validation data; higher is better.
        size: Size in bytes of the file of a network.
        margin: Largest loss of score allowed for the network.

    Returns:
        The bit-width of each layer, and all trials in order.
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
            reached = score(narrower)
            accepted = full - reached <= margin + _ROUNDING
            trials.append(Trial(i, width, reached, margin, accepted, n_bytes))
            if accepted:
                bits[i], settled = width, narrower
                break
    return tuple(bits), tuple(trials)
