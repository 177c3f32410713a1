"""Layers as JSON values and back, with checks of all values and budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from serkit.container import TensorSpec
from serkit.errors import ModelError
from serkit.runtime.layers import LAYERS, Layer, WeightedLayer
from serkit.runtime.packing import packed_length
from serkit.runtime.weights import PackedWeight
from serkit.text import shown

MAX_LAYERS = 64
MAX_WIDTH = 1 << 16
MAX_FRAME_WIDTH = 1 << 12
"""Outputs of a layer on frames, at most; a recording has thousands of frames."""

MAX_BITS = 8

MAX_PARAMETERS = 5_000_000
"""Weights and biases of a network, at most: 20 MB unpacked, 220 MB in training."""

MAX_OPERATIONS = 1_000_000_000
"""Multiplications and additions of a network per second of sound, at most."""

MAX_FRAME_BYTES = 16_000_000
"""Memory for the frames between two layers per second of sound, at most."""


@dataclass(frozen=True, slots=True)
class LayerDescription:
    """A checked description of a layer.

    Attributes:
        kind: Class of the layer.
        n_inputs: Width of the input.
        n_outputs: Width of the output.
        values: Values of the options.
        bits: Bits per weight; None if the weights are not packed.
        n_scales: Number of step sizes of packed weights.
    """

    kind: type[Layer]
    n_inputs: int
    n_outputs: int
    values: Mapping[str, Any]
    bits: int | None = None
    n_scales: int = 0

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Rows and columns of the weight matrix; `(0, 0)` without one."""
        if not issubclass(self.kind, WeightedLayer):
            return 0, 0
        return self.kind.weight_shape(self.n_inputs, self.n_outputs, self.values)

    @property
    def n_biases(self) -> int:
        """Length of the bias."""
        return self.kind.n_biases(self.n_outputs) if issubclass(self.kind, WeightedLayer) else 0

    def specs(self, prefix: str) -> dict[str, TensorSpec]:
        """The tensors of the layer in a file, by name."""
        if not issubclass(self.kind, WeightedLayer):
            return {}
        n_rows, n_columns = self.weight_shape
        if self.bits is None:
            specs = {f"{prefix}.weight": TensorSpec((n_rows, n_columns))}
        else:
            n_bytes = packed_length(n_rows * n_columns, self.bits)
            specs = {
                f"{prefix}.codes": TensorSpec((n_bytes,), ("U8",)),
                f"{prefix}.scale": TensorSpec((self.n_scales,)),
            }
        if self.n_biases:
            specs[f"{prefix}.bias"] = TensorSpec((self.n_biases,))
        return specs

    def layer(self, tensors: Mapping[str, NDArray[Any]], prefix: str) -> Layer:
        """The layer, given the tensors of a file."""
        if not issubclass(self.kind, WeightedLayer):
            return self.kind()
        weight = (
            tensors[f"{prefix}.weight"]
            if self.bits is None
            else PackedWeight(
                tensors[f"{prefix}.codes"], self.bits, self.weight_shape, tensors[f"{prefix}.scale"]
            )
        )
        biases = [tensors[f"{prefix}.bias"]] if self.n_biases else []
        return self.kind(weight, *biases, **self.values)


def describe(layer: Layer) -> dict[str, Any]:
    """A layer as JSON values."""
    described: dict[str, Any] = {"type": layer.kind}
    if isinstance(layer, WeightedLayer):
        described["inputs"] = layer.n_inputs
        if not layer.pools:
            described["outputs"] = layer.n_outputs
        described |= layer.values
        if isinstance(layer.weight, PackedWeight):
            described |= {"bits": layer.weight.bits, "scales": len(layer.weight.scale)}
    return described


def tensors_of(layer: Layer, prefix: str) -> dict[str, NDArray[Any]]:
    """The tensors of a layer, by their names in a file."""
    if not isinstance(layer, WeightedLayer):
        return {}
    weight = layer.weight
    tensors: dict[str, NDArray[Any]] = (
        {f"{prefix}.codes": weight.packed, f"{prefix}.scale": weight.scale}
        if isinstance(weight, PackedWeight)
        else {f"{prefix}.weight": weight}
    )
    return tensors | ({f"{prefix}.bias": layer.bias} if layer.bias.size else {})


def check_network(
    described: object, *, n_inputs: int, frames_per_second: float | None, n_labels: int
) -> list[LayerDescription]:
    """Check the description of a network.

    Args:
        described: JSON values as written by `describe`, one per layer, input first.
        n_inputs: Width of the network's input.
        frames_per_second: Frames per second of sound; None if the input is a vector.
        n_labels: Width of the network's output.

    Returns:
        The checked layers, input first.

    Raises:
        ModelError: A value is invalid, layers do not match, or a budget is exceeded.
    """
    if not isinstance(described, list) or not 1 <= len(described) <= MAX_LAYERS:
        raise ModelError(
            f"network is {shown(described)}; expected a list of 1 to {MAX_LAYERS} layers"
        )
    width, framed = n_inputs, frames_per_second is not None
    layers = []
    for i, values in enumerate(described):
        layer = _check_layer(i, values, width, framed)
        layers.append(layer)
        width = layer.n_outputs
        framed = framed and not layer.kind.pools
    if framed:
        raise ModelError("the output of the network is frames; expected a mean or attention layer")
    if width != n_labels:
        raise ModelError(f"the network has {width} outputs; expected {n_labels}, one per label")
    _check_cost(layers, frames_per_second)
    return layers


def _check_layer(i: int, described: object, width: int, framed: bool) -> LayerDescription:
    name = described.get("type") if isinstance(described, dict) else None
    if not isinstance(described, dict) or not isinstance(name, str) or name not in LAYERS:
        raise ModelError(
            f"layer {i} is {shown(described)}; expected one of type {', '.join(LAYERS)}"
        )
    kind = LAYERS[name]
    if kind.needs_frames and not framed:
        raise ModelError(f"layer {i} is of type {name}, which needs frames; its input is a vector")
    if not issubclass(kind, WeightedLayer):
        return LayerDescription(kind, width, width, {})
    inputs = described.get("inputs")
    if type(inputs) is not int or inputs != width:
        raise ModelError(f"layer {i} has {shown(inputs, 40)} inputs; expected {width}")
    n_outputs = width if kind.pools else described.get("outputs")
    most = MAX_FRAME_WIDTH if framed else MAX_WIDTH
    if type(n_outputs) is not int or not 1 <= n_outputs <= most:
        raise ModelError(f"layer {i} has {shown(n_outputs, 40)} outputs; expected 1 to {most}")
    values = {}
    for key, option in kind.options.items():
        values[key] = described.get(key)
        if not option.accepts(values[key]):
            raise ModelError(f"{key} of layer {i} is {shown(values[key], 40)}; expected {option}")
    layer = LayerDescription(kind, width, n_outputs, values)
    if "bits" not in described and "scales" not in described:
        return layer
    bits, n_scales = described.get("bits"), described.get("scales")
    if type(bits) is not int or not 1 <= bits <= MAX_BITS:
        raise ModelError(f"layer {i} has {shown(bits, 40)} bits; expected 1 to {MAX_BITS}")
    n_rows, _ = layer.weight_shape
    if type(n_scales) is not int or n_scales not in (1, n_rows):
        raise ModelError(
            f"layer {i} has {shown(n_scales, 40)} scales; expected 1 or {n_rows}, one per row of "
            "the weights"
        )
    return LayerDescription(kind, width, n_outputs, values, bits, n_scales)


def _check_cost(layers: Sequence[LayerDescription], frames_per_second: float | None) -> None:
    n_parameters, operations, max_bytes = 0, 0.0, 0.0
    # A vector is classified at most once per second, unless recordings are very short.
    rate = frames_per_second or 1.0
    for layer in layers:
        n_rows, n_columns = layer.weight_shape
        n_parameters += n_rows * n_columns + layer.n_biases
        rate /= layer.values.get("stride", 1)
        operations += 2.0 * rate * n_rows * n_columns
        max_bytes = max(max_bytes, 4.0 * rate * n_rows)
        if layer.kind.pools:
            rate = 1.0
    for noun, value, most, unit in (
        ("parameters", n_parameters, MAX_PARAMETERS, ""),
        ("operations", operations, MAX_OPERATIONS, " per second of sound"),
        ("bytes between two layers", max_bytes, MAX_FRAME_BYTES, " per second of sound"),
    ):
        if value > most:
            raise ModelError(
                f"the network takes {value:.0f} {noun}{unit}; expected at most {most}: "
                "use narrower layers or a longer hop"
            )
