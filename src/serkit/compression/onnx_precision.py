"""ONNX graphs of lower precision: float16 or int8 weights.

In int8, each row of an embedding table, each output of a product and each token has a scale of its
own, since they differ by orders of magnitude.
"""

from __future__ import annotations

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
            expanded when the graph is loaded; `int8` for embedding tables and matrix products in 8
            bits, with one scale per row of a table, per output and per token.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    if precision == "fp32":
        return graph
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "encoders", "exporting an encoder") from error
    model = onnx.load_model_from_string(graph)
    if precision == "fp16":
        _halve(model)
    else:
        _quantise_tables(model)
        _quantise_products(model)
    return bytes(model.SerializeToString())


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
    _replace_nodes(model, nodes)


def _quantise_products(model: Any) -> None:
    """Replace `MatMul(x, weight)` by a product of integers times two scales.

    Each row of x, a token, has its own scale, since the rows of one product differ by orders of
    magnitude and a scale for all rounds the small ones away.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = {tensor.name: tensor for tensor in _weights(model) if len(tensor.dims) == 2}
    constants: dict[str, Any] = {
        "int8.most": np.float32(127.0),
        "int8.offset": np.float32(128.0),
        "int8.zero": np.uint8(128),
        "int8.least": np.float32(1e-12),  # a row of zeros has no scale
    }
    nodes: list[Any] = []
    quantised: set[str] = set()

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        x, name, out = node.input[0], node.input[1], node.output[0]
        codes, scale = f"{x}.codes", f"{x}.scale"
        if x not in quantised:  # query, key and value have the same input
            quantised.add(x)
            largest = add("ReduceMax", [add("Abs", [x], f"{x}.abs")], f"{x}.max", axes=[-1])
            largest = add("Max", [largest, "int8.least"], f"{x}.largest")
            add("Div", [largest, "int8.most"], scale)
            steps = add("Round", [add("Div", [x, scale], f"{x}.steps")], f"{x}.round")
            add(
                "Cast", [add("Add", [steps, "int8.offset"], f"{x}.up")], codes, to=TensorProto.UINT8
            )
        matrix = numpy_helper.to_array(weights[name])
        step = np.abs(matrix).max(axis=0) / np.float32(127.0)
        step = np.where(step > 0.0, step, np.float32(1.0)).astype(np.float32)
        constants |= {
            f"{name}.codes": np.rint(matrix / step).astype(np.int8),
            f"{name}.step": step,
        }
        product = add("MatMulInteger", [codes, f"{name}.codes", "int8.zero"], f"{out}.sum")
        product = add("Cast", [product], f"{out}.float", to=TensorProto.FLOAT)
        add("Mul", [add("Mul", [product, f"{name}.step"], f"{out}.steps"), scale], out)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()
    )
    _replace_nodes(model, nodes)


def _replace_nodes(model: Any, nodes: list[Any]) -> None:
    """Other nodes, and only the constants that they use."""
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
