"""ONNX graphs with weights and activations of 8 bits, whose ranges are known beforehand.

The form is QDQ: every quantised tensor goes through QuantizeLinear and DequantizeLinear, and ONNX
Runtime replaces the operators between them by integer ones. Products and convolutions with constant
weights are quantised: weights signed with a scale per output, activations unsigned with a scale and
an offset per tensor (Jacob et al., *Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference*, 2018). The products of attention, normalisation and
preprocessing stay in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import MissingExtraError
from serkit.runtime.onnx_session import OnnxSession

Array = NDArray[np.float32]

_KEPT = "front_end."
"""Prefix of the weights of the preprocessing, whose logarithm needs more than 8 bits."""

_SMALLEST = 1024
"""Weights of fewer values stay as they are."""

_RANGES = "ranges"
_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class _Quantised:
    """An operator to quantise.

    Attributes:
        node: The node.
        axis: Axis of its weights that counts the outputs.
    """

    node: Any
    axis: int

    @property
    def tensors(self) -> tuple[str, ...]:
        """Activations with a range: the input, and the output of a convolution."""
        x, out = self.node.input[0], self.node.output[0]
        return (x, out) if self.node.op_type == "Conv" else (x,)


def static_int8(graph: bytes, samples: Sequence[Mapping[str, NDArray[Any]]]) -> bytes:
    """An ONNX graph in 8 bits.

    Args:
        graph: An ONNX graph with float32 weights and inputs.
        samples: Inputs of the graph, which show the ranges of its activations.

    Raises:
        ModelError: The graph cannot be run.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "import", "quantising a model") from error
    model = onnx.load_model_from_string(graph)
    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    chosen = [one for one in map(_quantised, model.graph.node) if one and _is_large(one, weights)]
    if not chosen:
        return graph
    names = list(dict.fromkeys(name for one in chosen for name in one.tensors))
    rewriter = _Rewriter(model, weights, _ranges(model, names, samples))
    by_output = {one.node.output[0]: one for one in chosen}
    for node in list(model.graph.node):
        if node.output[0] in by_output:
            rewriter.quantise(by_output[node.output[0]])
        else:
            rewriter.keep(node)
    return rewriter.finished()


def _quantised(node: Any) -> _Quantised | None:
    if node.op_type == "Conv":
        return _Quantised(node, 0)
    if node.op_type == "MatMul":
        return _Quantised(node, 1)
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Gemm" and not flags.get("transA"):
        return _Quantised(node, 0 if flags.get("transB") else 1)
    return None


def _is_large(one: _Quantised, weights: Mapping[str, Array]) -> bool:
    name = one.node.input[1]
    if name not in weights or name.startswith(_KEPT) or one.node.input[0] in weights:
        return False
    values = weights[name]
    if one.node.op_type != "Conv":
        return values.size >= _SMALLEST and values.ndim == 2
    # A convolution of the waveform is cheap, and its weak channels, which are normalised
    # afterwards, do not survive the rounding of the loud ones.
    return values.size >= _SMALLEST and values.shape[1] > 1


def _ranges(
    model: Any, names: Sequence[str], samples: Sequence[Mapping[str, NDArray[Any]]]
) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of tensors over all samples, with 0 in between."""
    import onnx
    from onnx import TensorProto, helper

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    parts = []
    for i, name in enumerate(names):
        for operator in ("ReduceMin", "ReduceMax"):
            scalar, part = f"{_RANGES}.{operator}.{i}", f"{_RANGES}.{operator}.{i}.1"
            graph.node.append(helper.make_node(operator, [name], [scalar], keepdims=0))
            graph.node.append(helper.make_node("Reshape", [scalar, f"{_RANGES}.one"], [part]))
            parts.append(part)
    graph.initializer.append(helper.make_tensor(f"{_RANGES}.one", TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Concat", parts, [_RANGES], axis=0))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_RANGES, TensorProto.FLOAT, [len(parts)]))
    shapes = {one.name: len(one.type.tensor_type.shape.dim) * (None,) for one in graph.input}
    session = OnnxSession(
        watched.SerializeToString(),
        inputs=shapes,
        outputs={_RANGES: (len(parts),)},
        extra="import",
        dtype="float32",
        threads=0,
    )
    found = np.stack([session.run(**dict(sample))[0].reshape(-1, 2) for sample in samples])
    low = np.minimum(found[:, :, 0].min(axis=0), 0.0)
    high = np.maximum(found[:, :, 1].max(axis=0), 0.0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


class _Rewriter:
    """Writes the nodes of a graph again, some of them quantised.

    Args:
        model: The model, whose nodes and weights are replaced at the end.
        weights: Its float32 weights by name.
        ranges: Ranges of the activations to quantise.
    """

    def __init__(
        self,
        model: Any,
        weights: Mapping[str, Array],
        ranges: Mapping[str, tuple[float, float]],
    ) -> None:
        self._model = model
        self._weights = weights
        self._ranges = ranges
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._done: dict[str, str] = {}

    def keep(self, node: Any) -> None:
        """Write a node as it is."""
        self._nodes.append(node)

    def quantise(self, one: _Quantised) -> None:
        """Write a node with quantised inputs, and a convolution with a quantised output."""
        from onnx import helper

        node = one.node
        x, x_scale = self._activation(node.input[0])
        weight, steps = self._weight(node.input[1], one.axis)
        inputs = [x, weight, *node.input[2:]]
        out = node.output[0]
        if node.op_type == "Conv" and len(node.input) > 2:
            inputs[2] = self._bias(node.input[2], x_scale * steps)
        name = f"{out}.float" if node.op_type == "Conv" else out
        self._nodes.append(helper.make_node(node.op_type, inputs, [name]))
        self._nodes[-1].attribute.extend(node.attribute)
        if name != out:
            scale, zero = self._scale(out)
            self._nodes += [
                helper.make_node("QuantizeLinear", [name, scale, zero], [f"{out}.codes"]),
                helper.make_node("DequantizeLinear", [f"{out}.codes", scale, zero], [out]),
            ]

    def finished(self) -> bytes:
        """The new graph."""
        from onnx import numpy_helper

        graph = self._model.graph
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(kept)
        graph.initializer.extend(
            numpy_helper.from_array(values, name) for name, values in self._constants.items()
        )
        return bytes(self._model.SerializeToString())

    def _activation(self, name: str) -> tuple[str, float]:
        """A tensor after quantisation, and its scale."""
        from onnx import helper

        scale, zero = self._scale(name)
        if name not in self._done:
            self._done[name] = f"{name}.dequantised"
            self._nodes += [
                helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}.quantised"]),
                helper.make_node(
                    "DequantizeLinear", [f"{name}.quantised", scale, zero], [self._done[name]]
                ),
            ]
        return self._done[name], float(self._constants[scale])

    def _scale(self, name: str) -> tuple[str, str]:
        """Names of the scale and of the offset of an activation."""
        low, high = self._ranges[name]
        step = max((high - low) / 255.0, _TINY)
        zero = np.clip(np.rint(-low / step), 0, 255)
        self._constants[f"{name}.step"] = np.array(step, np.float32)
        self._constants[f"{name}.zero"] = np.array(zero, np.uint8)
        return f"{name}.step", f"{name}.zero"

    def _weight(self, name: str, axis: int) -> tuple[str, Array]:
        """Weights after quantisation, and the step of each output."""
        from onnx import helper

        values = self._weights[name]
        others = tuple(i for i in range(values.ndim) if i != axis)
        steps = np.maximum(np.abs(values).max(axis=others) / 127.0, _TINY).astype(np.float32)
        if name not in self._done:
            shape = [-1 if i == axis else 1 for i in range(values.ndim)]
            codes = np.clip(np.rint(values / steps.reshape(shape)), -127, 127).astype(np.int8)
            self._constants |= {
                f"{name}.codes": codes,
                f"{name}.steps": steps,
                f"{name}.zeros": np.zeros(len(steps), np.int8),
            }
            parts = [f"{name}.codes", f"{name}.steps", f"{name}.zeros"]
            self._done[name] = f"{name}.dequantised"
            self._nodes.append(
                helper.make_node("DequantizeLinear", parts, [self._done[name]], axis=axis)
            )
        return self._done[name], steps

    def _bias(self, name: str, steps: Array) -> str:
        """A bias in steps of the products, as integer convolutions add it."""
        from onnx import helper

        if name not in self._weights or name in self._done:
            return self._done.get(name, name)
        codes = np.clip(np.rint(self._weights[name] / steps), -(2**31) + 1, 2**31 - 1)
        self._constants |= {
            f"{name}.codes": codes.astype(np.int32),
            f"{name}.steps": steps.astype(np.float32),
            f"{name}.zeros": np.zeros(len(steps), np.int32),
        }
        parts = [f"{name}.codes", f"{name}.steps", f"{name}.zeros"]
        self._done[name] = f"{name}.dequantised"
        self._nodes.append(helper.make_node("DequantizeLinear", parts, [self._done[name]], axis=0))
        return self._done[name]
