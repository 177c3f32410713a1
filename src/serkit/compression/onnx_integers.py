"""ONNX graphs of classifiers of sound in integers, and the bits of each of their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import softmax
from serkit.compression.bit_search import Trial, search_bits
from serkit.compression.onnx_precision import with_integer_products
from serkit.compression.onnx_ranges import Inputs, shapes_of, with_integer_chains
from serkit.compression.onnx_weights import FRONT_END, LEAST
from serkit.compression.quantizer import quantize_matrix
from serkit.errors import MissingExtraError, ModelError
from serkit.runtime import Dense, PackedWeight, WeightedLayer
from serkit.runtime.onnx_model import LOGITS
from serkit.runtime.onnx_session import OnnxSession

Array = NDArray[np.float32]

Packing = Callable[[bytes, Sequence[Inputs]], Mapping[str, PackedWeight]]
"""Chooses the weights of less than 8 bits of a graph with float32 weights, given typical inputs."""

_MOST_PACKED = 7
"""With 8 bits a weight is not packed."""


def in_integers(
    graph: bytes, examples: Sequence[Inputs], *, packed: Mapping[str, PackedWeight] | None = None
) -> bytes:
    """An ONNX graph whose products and convolutions are computed in integers.

    Convolutions, and products between quick GELUs, have ranges measured on the examples; the other
    products have a range per row. Products of two activations, normalisation and preprocessing stay
    in float32.

    Args:
        graph: An ONNX graph with float32 weights and inputs.
        examples: Typical inputs.
        packed: Weights in less than 8 bits by name, `[n_outputs, n_inputs]`; 8 for the others.

    Raises:
        ModelError: The graph cannot be run, or a value is not finite.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "import", "quantising a model") from error
    model = onnx.load_model_from_string(graph)
    with_integer_chains(model, examples, extra="import", packed=packed)
    with_integer_products(model, packed)
    return bytes(model.SerializeToString())


def in_bits(graph: bytes, bits: int) -> dict[str, PackedWeight]:
    """All weights of products and convolutions of a graph, in as many bits.

    Args:
        graph: An ONNX graph with float32 weights.
        bits: Bits per weight, 1 to 7.

    Raises:
        ModelError: The bits are out of range.
    """
    if not 1 <= bits <= _MOST_PACKED:
        raise ModelError(f"bits is {bits}; expected 1 to {_MOST_PACKED}")
    return {name: quantize_matrix(one, bits) for name, one in matrices(graph).items()}


def search_weights(
    graph: bytes,
    examples: Sequence[Inputs],
    score: Callable[[bytes], float],
    *,
    margin: float,
    alpha: float = 0.5,
) -> tuple[dict[str, PackedWeight], tuple[Trial, ...]]:
    """Bits of each weight by its importance, as `search_bits` finds them.

    The weights that are not settled yet have 8 bits, so that the margin is a loss against int8.

    Args:
        graph: An ONNX graph with float32 weights and inputs.
        examples: Typical inputs.
        score: Score of a graph in integers; higher is better.
        margin: Largest loss of score for a weight of importance 1.
        alpha: See `layer_importance`.

    Returns:
        The weights of less than 8 bits by name, and all trials in order.

    Raises:
        ModelError: As `in_integers`, or a weight is not finite.
        MissingExtraError: As `in_integers`.
    """
    full = matrices(graph)
    layers = [Dense(matrix, np.zeros(len(matrix), np.float32)) for matrix in full.values()]
    quantised: dict[tuple[int, int], WeightedLayer] = {}
    known: dict[tuple[int, ...], tuple[float, int]] = {}

    def quantize(layer: WeightedLayer, bits: int) -> WeightedLayer:
        if bits > _MOST_PACKED:
            return layer
        key = id(layer.weight), bits
        if key not in quantised:
            matrix = quantize_matrix(layer.matrix, bits)
            quantised[key] = layer.with_parameters(matrix, layer.bias)
        return quantised[key]

    def packed(settled: Sequence[WeightedLayer]) -> dict[str, PackedWeight]:
        pairs = zip(full, settled, strict=True)
        return {name: one.weight for name, one in pairs if isinstance(one.weight, PackedWeight)}

    def measured(settled: Sequence[WeightedLayer]) -> tuple[float, int]:
        weights = packed(settled)
        key = tuple(weights[name].bits if name in weights else 8 for name in full)
        if key not in known:
            small = in_integers(graph, examples, packed=weights)
            known[key] = score(small), len(small)
        return known[key]

    found, trials = search_bits(
        layers,
        quantize,
        lambda settled: measured(settled)[0],
        lambda settled: measured(settled)[1],
        margin=margin,
        alpha=alpha,
    )
    settled = [quantize(layer, bits) for layer, bits in zip(layers, found, strict=True)]
    return packed(settled), trials


def search_by_agreement(
    graph: bytes, examples: Sequence[Inputs], *, margin: float = 0.01
) -> dict[str, PackedWeight]:
    """Bits of each weight by its importance, scored without labels.

    The score is 1 less the mean total variation of the probabilities from those of the graph in
    float32; for dimensions, less the mean absolute difference.

    Args:
        graph: An ONNX graph with float32 weights, whose first output are logits or dimensions.
        examples: Typical inputs.
        margin: As for `search_weights`.

    Raises:
        ModelError: As `in_integers`, or a weight is not finite.
        MissingExtraError: As `in_integers`.
    """
    expected = _answers(graph, examples)

    def score(small: bytes) -> float:
        pairs = zip(_answers(small, examples), expected, strict=True)
        return 1.0 - float(np.mean([0.5 * np.abs(ours - theirs).sum() for ours, theirs in pairs]))

    # Ranges of a few examples are enough to compare trials.
    return search_weights(graph, examples[:2], score, margin=margin)[0]


def _answers(graph: bytes, examples: Sequence[Inputs]) -> list[Array]:
    """Probabilities, or dimensions, of each example."""
    import onnx

    model = onnx.load_model_from_string(graph).graph
    session = OnnxSession(
        graph,
        inputs=shapes_of(model.input),
        outputs=shapes_of(model.output),
        extra="import",
        dtype="float32",
    )
    first = [session.run(**example)[0] for example in examples]
    return [softmax(one) for one in first] if model.output[0].name == LOGITS else first


def matrices(graph: bytes) -> dict[str, Array]:
    """The weights of products and convolutions by name, `[n_outputs, n_inputs]`."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(graph)
    weights = {one.name: one for one in model.graph.initializer if one.data_type == 1}
    found: dict[str, Array] = {}
    for node in model.graph.node:
        if node.op_type not in ("MatMul", "Conv", "Gemm") or node.input[1] not in weights:
            continue
        name = node.input[1]
        values = numpy_helper.to_array(weights[name])
        if name.startswith(FRONT_END) or values.size < LEAST or values.ndim < 2:
            continue
        if node.op_type == "Conv" and values.shape[1] == 1:
            continue
        rows = values.T if node.op_type == "MatMul" else values
        found[name] = np.ascontiguousarray(rows.reshape(len(rows), -1))
    return found
