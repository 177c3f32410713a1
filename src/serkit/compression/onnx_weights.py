"""Weights of an ONNX graph as integers of 1 to 8 bits.

Below 8 bits they are packed as in `docs/model-format.md`, and operators of the graph itself unpack
them to 8 bits; ONNX Runtime does so once, when it loads the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.runtime import PackedWeight

FRONT_END = "front_end."
"""Prefix of the weights of the preprocessing, whose logarithm needs more than 8 bits."""

LEAST = 1024
"""Weights of fewer values stay as they are."""

_PER_GROUP = 8
"""Codes of b bits that fill b bytes."""


@dataclass(slots=True, eq=False)
class IntegerWeights:
    """Constants and operators to add to a graph.

    Attributes:
        constants: Values by name.
        nodes: Operators that unpack them.
    """

    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)

    def add(
        self,
        name: str,
        values: NDArray[np.float32],
        *,
        axis: int,
        packed: PackedWeight | None = None,
    ) -> None:
        """Quantise a weight, symmetric about zero; once, if it is used twice.

        The codes are the int8 tensor `NAME.codes`; their step per output is `NAME.scale`.

        Args:
            name: Name of the weight.
            values: The weight.
            axis: Its axis of outputs.
            packed: The weight in less than 8 bits, `[n_outputs, n_inputs]`, with a step per output;
                None for 8 bits.
        """
        if f"{name}.scale" in self.constants:
            return
        rows = np.moveaxis(values, axis, 0)
        if packed is None:
            matrix = rows.reshape(len(rows), -1)
            step = np.abs(matrix).max(axis=1) / np.float32(127.0)
            step = np.where(step > 0.0, step, np.float32(1.0)).astype(np.float32)
            codes = np.rint(matrix / step[:, None]).astype(np.int8)
            self.constants[f"{name}.codes"] = np.ascontiguousarray(
                np.moveaxis(codes.reshape(rows.shape), 0, axis)
            )
            self.constants[f"{name}.scale"] = step
            return
        step = np.where(packed.scale > 0.0, packed.scale, np.float32(1.0)).astype(np.float32)
        # Levels are odd halves of a step, so twice the level is an integer, of 8 bits at most.
        self.constants[f"{name}.scale"] = step / np.float32(2.0)
        self._unpack(name, packed, rows.shape, axis)

    def _unpack(self, name: str, weight: PackedWeight, shape: tuple[int, ...], axis: int) -> None:
        """Operators from packed codes to `NAME.codes`."""
        from onnx import TensorProto, helper

        bits = weight.bits
        n_codes = int(np.prod(shape))
        n_groups = -(-n_codes // _PER_GROUP)
        padded = np.zeros(n_groups * bits, np.uint8)
        padded[: len(weight.packed)] = weight.packed
        self.constants[f"{name}.packed"] = padded.reshape(n_groups, bits)
        most = (1 << bits) - 1

        def number(value: int) -> str:
            self.constants[f"int32.{value}"] = np.array(value, np.int32)
            return f"int32.{value}"

        def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
            self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
            return output

        wide = node("Cast", [f"{name}.packed"], f"{name}.wide", to=TensorProto.INT32)
        columns = [f"{name}.byte{i}" for i in range(bits)]
        self.constants[f"ones.{bits}"] = np.ones(bits, np.int64)
        self.nodes.append(helper.make_node("Split", [wide, f"ones.{bits}"], columns, axis=1))
        codes = []
        for i in range(_PER_GROUP):
            byte, shift = divmod(i * bits, 8)
            value = columns[byte]
            if shift + bits > 8:
                above = node("Mul", [columns[byte + 1], number(256)], f"{name}.above{i}")
                value = node("Add", [value, above], f"{name}.both{i}")
            if shift:
                value = node("Div", [value, number(1 << shift)], f"{name}.down{i}")
            codes.append(node("Mod", [value, number(1 << bits)], f"{name}.code{i}"))
        joined = node("Concat", codes, f"{name}.groups", axis=1)
        self.constants["shape.flat"] = np.array([-1], np.int64)
        flat = node("Reshape", [joined, "shape.flat"], f"{name}.flat")
        if n_groups * _PER_GROUP != n_codes:
            self.constants["start.0"] = np.array([0], np.int64)
            self.constants[f"end.{n_codes}"] = np.array([n_codes], np.int64)
            flat = node("Slice", [flat, "start.0", f"end.{n_codes}"], f"{name}.used")
        twice = node("Mul", [flat, number(2)], f"{name}.twice")
        centred = node("Sub", [twice, number(most)], f"{name}.centred")
        small = node("Cast", [centred], f"{name}.small", to=TensorProto.INT8)
        self.constants[f"{name}.shape"] = np.array(shape, np.int64)
        if axis == 0:
            node("Reshape", [small, f"{name}.shape"], f"{name}.codes")
            return
        rows = node("Reshape", [small, f"{name}.shape"], f"{name}.rows")
        order = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
        node("Transpose", [rows], f"{name}.codes", perm=order)


def replace_nodes(graph: Any, nodes: list[Any], weights: IntegerWeights) -> None:
    """Give a graph other nodes, the given constants, and of its own only those still used."""
    from onnx import numpy_helper

    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    new = [
        numpy_helper.from_array(np.asarray(values), name)
        for name, values in weights.constants.items()
        if name in used
    ]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *new])
