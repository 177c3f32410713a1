"""ONNX graphs of lower precision: float16 or int8 weights.

Embedding tables, which are most of a small encoder, get one scale per row, since their rows differ
in size by orders of magnitude.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serkit.errors import MissingExtraError

_SMALLEST = 1024
"""Constants of fewer values stay as they are."""


def in_precision(graph: bytes, precision: str) -> bytes:
    """An ONNX graph with smaller weights.

    Args:
        graph: An ONNX graph with float32 weights.
        precision: `fp32` for the same graph; `fp16` for weights that are stored in float16 and
            expanded when the graph is loaded; `int8` for matrix products in 8 bits, with a scale
            per output and activations quantised as they come, and embedding tables in 8 bits.

    Raises:
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    if precision == "fp32":
        return graph
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "encoders", "exporting an encoder") from error
    model = onnx.load_model_from_string(graph)
    if precision == "fp16":
        _halve(model)
        return bytes(model.SerializeToString())
    _quantise_tables(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        with _quiet():
            quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
        model = onnx.load(path)
    # It declares its own operators, but uses none of them.
    standard = [one for one in model.opset_import if one.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    return bytes(model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard warnings of the log: the quantiser advises a step that changes nothing here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _halve(model: Any) -> None:
    """Store float32 weights as float16, with a cast, which ONNX Runtime folds when it loads."""
    from onnx import TensorProto, helper, numpy_helper

    limit = float(np.finfo(np.float16).max)
    casts = []
    for tensor in _weights(model):
        values = np.clip(numpy_helper.to_array(tensor), -limit, limit).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    _prepend(model, casts)


def _quantise_tables(model: Any) -> None:
    """Replace `Gather(table, ids)` by int8 rows times their scales."""
    from onnx import TensorProto, helper, numpy_helper

    tables = {tensor.name: tensor for tensor in _weights(model)}
    nodes: list[Any] = []
    for node in model.graph.node:
        uses = [name for name in node.input if name in tables]
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if node.op_type != "Gather" or not uses or uses[0] != node.input[0] or axis != 0:
            nodes.append(node)
            continue
        name, ids, out = node.input[0], node.input[1], node.output[0]
        table = numpy_helper.to_array(tables[name])
        if table.ndim != 2:
            nodes.append(node)
            continue
        scale = np.abs(table).max(axis=1, keepdims=True) / np.float32(127.0)
        scale = np.where(scale > 0.0, scale, np.float32(1.0)).astype(np.float32)
        codes = np.rint(table / scale).astype(np.int8)
        for suffix, values in (("codes", codes), ("scale", scale)):
            if f"{name}.{suffix}" not in {one.name for one in model.graph.initializer}:
                model.graph.initializer.append(numpy_helper.from_array(values, f"{name}.{suffix}"))
        nodes += [
            helper.make_node("Gather", [f"{name}.codes", ids], [f"{out}.codes"], axis=0),
            helper.make_node("Cast", [f"{out}.codes"], [f"{out}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"], axis=0),
            helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
        ]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)


def _weights(model: Any) -> list[Any]:
    """The float32 initializers with many values."""
    from onnx import TensorProto

    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= _SMALLEST
    ]


def _prepend(model: Any, nodes: list[Any]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
