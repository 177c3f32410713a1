"""Convolutions and chains of products of an ONNX graph in 8 bits, with ranges measured on examples.

Activations are unsigned and have one scale per tensor; weights are signed and have one per output
(Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference*, 2018). Between two products nothing is computed in floating point: the quick GELU
`x * sigmoid(1.702 x)` is a table of 256 values and a product of codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.compression.onnx_weights import FRONT_END, LEAST, IntegerWeights, replace_nodes
from serkit.errors import ModelError
from serkit.networks import QUICK_GELU
from serkit.runtime import PackedWeight
from serkit.runtime.onnx_session import OnnxSession

Inputs = Mapping[str, NDArray[np.float32]]
Range = tuple[float, float]

_MOVES = ("Slice", "Reshape", "Concat", "Transpose")
"""Operators that only move values, which may be codes."""


def with_integer_chains(
    model: Any,
    examples: Sequence[Inputs],
    *,
    extra: str,
    packed: Mapping[str, PackedWeight] | None = None,
) -> None:
    """Quantise, in place, convolutions and the products between quick GELUs.

    Args:
        model: An `onnx.ModelProto` with float32 weights; it must keep its names.
        examples: Typical inputs, to measure the ranges of activations.
        extra: The extra of serkit that installs ONNX Runtime, for messages.
        packed: Weights in less than 8 bits by name, `[n_outputs, n_inputs]`; 8 for the others.

    Raises:
        ModelError: The graph cannot be run, or a value is not finite.
        MissingExtraError: ONNX Runtime is not installed.
    """
    chains = _Chains(model, packed or {})
    chains.rewrite(measured_ranges(model, chains.measured, examples, extra=extra))


def measured_ranges(
    model: Any, tensors: Sequence[str], examples: Sequence[Inputs], *, extra: str
) -> dict[str, Range]:
    """Smallest and largest value of tensors over examples, 0 included.

    Args:
        model: An `onnx.ModelProto`.
        tensors: Names of float32 tensors.
        examples: Inputs of the graph.
        extra: As for `with_integer_chains`.

    Raises:
        ModelError: The graph cannot be run, or a value is not finite.
    """
    import onnx
    from onnx import TensorProto, helper

    if not tensors:
        return {}
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    names = []
    for i, tensor in enumerate(tensors):
        for operator in ("ReduceMin", "ReduceMax"):
            name = f"{operator}.{i}"
            probe.graph.node.append(helper.make_node(operator, [tensor], [name], keepdims=0))
            probe.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
            names.append(name)
    session = OnnxSession(
        probe.SerializeToString(),
        inputs=shapes_of(probe.graph.input),
        outputs=dict.fromkeys(names, ()),
        extra=extra,
        dtype="float32",
    )
    runs = np.array([session.run(**example) for example in examples])
    if not np.isfinite(runs).all():
        raise ModelError("the graph computes values that are not finite; it cannot be quantised")
    lowest = np.minimum(runs[:, ::2].min(axis=0), 0.0).tolist()
    highest = np.maximum(runs[:, 1::2].max(axis=0), 0.0).tolist()
    return dict(zip(tensors, zip(lowest, highest, strict=True), strict=True))


def shapes_of(values: Sequence[Any]) -> dict[str, list[int | None]]:
    """Shape of each input or output of a graph by name; None for a variable size."""
    return {
        one.name: [dim.dim_value or None for dim in one.type.tensor_type.shape.dim]
        for one in values
    }


class _Chains:
    """The parts of a graph that are computed in codes.

    Attributes:
        measured: Tensors whose ranges are needed.
    """

    def __init__(self, model: Any, packed: Mapping[str, PackedWeight]) -> None:
        from onnx import numpy_helper

        self._packed = packed
        self._graph = model.graph
        self._constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            elif node.op_type == "Identity" and node.input[0] in self._constants:
                self._constants[node.output[0]] = self._constants[node.input[0]]
        producers = {name: node for node in model.graph.node for name in node.output}
        # Output of each quick GELU -> its input.
        self._gelus: dict[str, str] = {}
        self._inside: set[str] = set()
        for node in model.graph.node:
            if node.op_type != "Mul":
                continue
            for x, gate in (tuple(node.input), tuple(node.input)[::-1]):
                sigmoid = producers.get(gate)
                if sigmoid is None or sigmoid.op_type != "Sigmoid":
                    continue
                scaled = producers.get(sigmoid.input[0])
                if (
                    scaled is not None
                    and scaled.op_type == "Mul"
                    and x in scaled.input
                    and any(self._is_factor(name) for name in scaled.input)
                ):
                    self._gelus[node.output[0]] = x
                    self._inside |= {gate, sigmoid.input[0]}
        coded = set(self._gelus)
        self._integer: set[str] = set()
        self.measured = [name for pair in self._gelus.items() for name in pair]
        for node in model.graph.node:
            if node.op_type in _MOVES and node.input[0] in coded:
                coded.add(node.output[0])
            elif (node.op_type == "MatMul" and node.input[0] in coded and self._weighs(node)) or (
                node.op_type == "Conv" and self._weighs(node)
            ):
                self._integer.add(node.output[0])
                self.measured.append(node.output[0])
                if node.op_type == "Conv":
                    self.measured.append(node.input[0])
        self.measured = list(dict.fromkeys(self.measured))

    def rewrite(self, ranges: Mapping[str, Range]) -> None:
        """Rewrite the graph with the ranges of the tensors in `measured`."""
        from onnx import helper

        nodes: list[Any] = []
        weights = IntegerWeights()
        added = weights.constants
        added |= {"gate.scale": np.array(1 / 255, np.float32), "gate.zero": np.array(0, np.uint8)}
        # Tensor of codes, and the tensor whose scale it has, of each tensor that is coded.
        codes: dict[str, tuple[str, str]] = {}
        plain: set[str] = set()

        def add(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
            nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
            return output

        def scale_of(tensor: str) -> tuple[str, str]:
            low, high = ranges[tensor]
            scale = max(high - low, 1e-12) / 255.0
            added[f"{tensor}.scale"] = np.array(scale, np.float32)
            added[f"{tensor}.zero"] = np.array(round(-low / scale), np.uint8)
            return f"{tensor}.scale", f"{tensor}.zero"

        def code(tensor: str) -> None:
            if tensor not in codes:
                add("QuantizeLinear", [tensor, *scale_of(tensor)], f"{tensor}.codes")
                codes[tensor] = f"{tensor}.codes", tensor

        def value(tensor: str) -> str:
            """The tensor in floating point, from its codes if it has some."""
            if tensor not in codes:
                return tensor
            name, scaled_as = codes[tensor]
            if tensor not in plain:
                plain.add(tensor)
                add("DequantizeLinear", [name, *scale_of(scaled_as)], f"{tensor}.value")
            return f"{tensor}.value"

        def weight(tensor: str, axis: int) -> str:
            """A weight in integers, with a scale per output."""
            values, packed = self._constants[tensor], self._packed.get(tensor)
            weights.add(tensor, values, axis=axis, packed=packed)
            added[f"{tensor}.zero"] = np.zeros(len(added[f"{tensor}.scale"]), np.int8)
            parts = [f"{tensor}.{part}" for part in ("codes", "scale", "zero")]
            return add("DequantizeLinear", parts, f"{tensor}.value", axis=axis)

        def bias(tensor: str, x: str, kernel: str) -> str:
            """A bias in the steps of the sums that it is added to."""
            step = added[scale_of(codes[x][1])[0]] * added[f"{kernel}.scale"]
            steps = np.rint(self._constants[tensor] / step.astype(np.float64))
            most = np.iinfo(np.int32)
            added[f"{tensor}.codes"] = np.clip(steps, most.min, most.max).astype(np.int32)
            added[f"{tensor}.scale"] = step.astype(np.float32)
            parts = [f"{tensor}.codes", f"{tensor}.scale"]
            return add("DequantizeLinear", parts, f"{tensor}.value", axis=0)

        def quick_gelu(x: str, out: str) -> None:
            code(x)
            name, scaled_as = codes[x]
            scale, zero = scale_of(scaled_as)
            added[f"{x}.steeper"] = np.array(added[scale] * QUICK_GELU, np.float32)
            add("DequantizeLinear", [name, f"{x}.steeper", zero], f"{x}.steep")
            add("Sigmoid", [f"{x}.steep"], f"{x}.gate")
            gate = ["gate.scale", "gate.zero"]
            add("QuantizeLinear", [f"{x}.gate", *gate], f"{x}.gate.codes")
            add("DequantizeLinear", [f"{x}.gate.codes", *gate], f"{x}.gate.value")
            add("Mul", [value(x), f"{x}.gate.value"], out)
            code(out)

        for node in self._graph.node:
            out = node.output[0]
            if out in self._inside:
                continue
            if out in self._gelus:
                quick_gelu(self._gelus[out], out)
            elif node.op_type in _MOVES and node.input[0] in codes:
                self._move(node, codes, nodes)
            else:
                at_once = node.op_type == "Shape" and node.input[0] in codes
                inputs = (
                    [codes[node.input[0]][0]] if at_once else [value(name) for name in node.input]
                )
                integer = out in self._integer
                if integer and node.op_type == "Conv":
                    code(node.input[0])
                    inputs[0] = value(node.input[0])
                if integer:
                    inputs[1] = weight(node.input[1], 1 if node.op_type == "MatMul" else 0)
                if integer and len(inputs) == 3:
                    inputs[2] = bias(node.input[2], node.input[0], node.input[1])
                changed = type(node)()
                changed.CopyFrom(node)
                del changed.input[:]
                changed.input.extend(inputs)
                nodes.append(changed)
                if integer:
                    code(out)
        for output in self._graph.output:
            if output.name in codes:  # a graph ends in floating point
                raise ModelError(f"the output {output.name} of the graph would be quantised")
        replace_nodes(self._graph, [*weights.nodes, *nodes], weights)

    def _move(self, node: Any, codes: dict[str, tuple[str, str]], nodes: list[Any]) -> None:
        """Move codes instead of values."""
        of_data = node.input if node.op_type == "Concat" else node.input[:1]
        sources = {codes[name][1] if name in codes else "" for name in of_data}
        if len(sources) != 1:
            raise ModelError(f"{node.name or node.op_type} joins tensors of different scales")
        moved = type(node)()
        moved.CopyFrom(node)
        del moved.input[:], moved.output[:]
        moved.input.extend(codes[name][0] if name in of_data else name for name in node.input)
        moved.output.append(f"{node.output[0]}.codes")
        nodes.append(moved)
        codes[node.output[0]] = f"{node.output[0]}.codes", sources.pop()

    def _is_factor(self, name: str) -> bool:
        found = self._constants.get(name)
        return found is not None and found.size == 1 and abs(float(found) - QUICK_GELU) < 1e-4

    def _weighs(self, node: Any) -> bool:
        """Whether the second input is a matrix or kernel of enough constants."""
        name = node.input[1]
        values = self._constants.get(name)
        if values is None or values.ndim < 2 or values.size < LEAST:
            return False
        # Of a convolution of samples, the weak channels would not survive the rounding.
        return not name.startswith(FRONT_END) and (values.ndim == 2 or values.shape[1] > 1)
