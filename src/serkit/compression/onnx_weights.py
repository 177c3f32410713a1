"""Weights of an ONNX graph as integers of 1 to 8 bits.

Below 8 bits they are stored as bit planes, and operators of the graph itself unpack them to 8 bits;
ONNX Runtime does so once, when it loads the graph.
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
        self._unpack(name, np.moveaxis(packed.codes.reshape(rows.shape), 0, axis), packed.bits)

    def _unpack(self, name: str, codes: NDArray[np.uint8], bits: int) -> None:
        """Operators from bit planes to `NAME.codes`, of twice the level of each code.

        ONNX Runtime keeps the results of all operators on constants until a graph is loaded. Hence
        no result here has more than a byte per bit: a convolution over the planes adds the bits.
        """
        from onnx import TensorProto, helper

        def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
            self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
            return output

        planes = [np.packbits(codes.ravel() >> i & 1, bitorder="little") for i in range(bits)]
        values = np.arange(256, dtype=np.uint8)[:, None]
        self.constants |= {
            f"{name}.packed": np.stack(planes)[None],  # [1, bits, n_bytes]
            "bits.table": np.unpackbits(values, axis=1, bitorder="little").astype(np.int8),
            "bits.one": np.array(1.0, np.float32),
            "bits.two": np.array(2.0, np.float32),
            "bits.zero": np.array(0, np.int8),
            f"bits.{bits}": (1 << np.arange(bits)).astype(np.int8).reshape(1, bits, 1, 1),
            f"bits.{bits}.least": np.array(1 - (1 << bits), np.int8),
            f"{name}.shape": np.array(codes.shape, np.int64),
        }
        index = node("Cast", [f"{name}.packed"], f"{name}.index", to=TensorProto.INT32)
        looked_up = node("Gather", ["bits.table", index], f"{name}.bits", axis=0)
        scaled = [looked_up, "bits.one", "bits.zero", f"bits.{bits}", "bits.two", "bits.zero"]
        found = node(
            "QLinearConv", [*scaled, "bits.one", f"bits.{bits}.least"], f"{name}.rows"
        )  # [1, 1, n_bytes, 8]
        if codes.size % 8:
            flat = {"bits.flat": [-1], "bits.start": [0], f"{name}.size": [codes.size]}
            self.constants |= {key: np.array(value, np.int64) for key, value in flat.items()}
            found = node("Reshape", [found, "bits.flat"], f"{name}.flat")
            found = node("Slice", [found, "bits.start", f"{name}.size"], f"{name}.used")
        node("Reshape", [found, f"{name}.shape"], f"{name}.codes")


def replace_nodes(graph: Any, nodes: list[Any], weights: IntegerWeights) -> None:
    """Give a graph other nodes, the given constants, and of its own only those still used."""
    from onnx import numpy_helper

    used = {name for node in nodes for name in node.input}
    new = {
        name: numpy_helper.from_array(np.asarray(values), name)
        for name, values in weights.constants.items()
        if name in used
    }
    # Constants that an earlier call has added too are replaced by the same values.
    kept = [one for one in graph.initializer if one.name in used and one.name not in new]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *new.values()])
