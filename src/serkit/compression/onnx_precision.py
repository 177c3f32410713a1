"""ONNX graphs of lower precision: float16 or int8 weights.

In int8, each row of an embedding table, each output of a product and each token has a scale of its
own, since they differ by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serkit.compression.onnx_weights import FRONT_END, LEAST, IntegerWeights, replace_nodes
from serkit.errors import MissingExtraError
from serkit.runtime import PackedWeight


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
        with_integer_products(model)
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

    rows = IntegerWeights()
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
        rows.add(name, table, axis=0)
        rows.constants[f"{name}.scale"] = rows.constants[f"{name}.scale"].reshape(-1, 1)
        nodes += [
            helper.make_node("Gather", [f"{name}.codes", ids], [f"{out}.codes"], axis=0),
            helper.make_node("Cast", [f"{out}.codes"], [f"{out}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"], axis=0),
            helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
        ]
    replace_nodes(model.graph, nodes, rows)


def with_integer_products(model: Any, packed: Mapping[str, PackedWeight] | None = None) -> None:
    """Replace, in place, `MatMul(x, weight)` by a product of integers times two scales.

    So is `Gemm(x, weight, bias)` as linear layers are exported, with the weight transposed. Each
    row of x, a token or frame, has its own scale, since the rows of one product differ by orders of
    magnitude and a scale for all rounds the small ones away.

    Args:
        model: An `onnx.ModelProto`.
        packed: Weights in less than 8 bits by name, `[n_outputs, n_inputs]`; 8 for the others.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = {tensor.name: tensor for tensor in _weights(model) if len(tensor.dims) == 2}
    integers = IntegerWeights(
        {
            "int8.most": np.array(127.0, np.float32),
            "int8.offset": np.array(128.0, np.float32),
            "int8.zero": np.array(128, np.uint8),
            "int8.least": np.array(1e-12, np.float32),  # a row of zeros has no scale
        }
    )
    nodes: list[Any] = []
    quantised: set[str] = set()

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    for node in model.graph.node:
        linear = _is_linear(node)
        if not (linear or node.op_type == "MatMul") or node.input[1] not in weights:
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
        matrix = matrix.T if linear else matrix
        integers.add(name, matrix, axis=1, packed=(packed or {}).get(name))
        product = add("MatMulInteger", [codes, f"{name}.codes", "int8.zero"], f"{out}.sum")
        product = add("Cast", [product], f"{out}.float", to=TensorProto.FLOAT)
        product = add("Mul", [product, f"{name}.scale"], f"{out}.steps")
        if linear:
            product = add("Mul", [product, scale], f"{out}.product")
            add("Add", [product, node.input[2]], out)
        else:
            add("Mul", [product, scale], out)
    replace_nodes(model.graph, [*integers.nodes, *nodes], integers)


def _is_linear(node: Any) -> bool:
    """Whether it is `x @ weight.T + bias`."""
    if node.op_type != "Gemm" or len(node.input) != 3:
        return False
    values = {one.name: one.f if one.name in ("alpha", "beta") else one.i for one in node.attribute}
    plain = values.get("alpha", 1.0) == values.get("beta", 1.0) == 1.0
    return bool(plain and values.get("transB") and not values.get("transA"))


def _weights(model: Any) -> list[Any]:
    """The float32 initializers with many values."""
    from onnx import TensorProto

    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
        and np.prod(tensor.dims) >= LEAST
        and not tensor.name.startswith(FRONT_END)
    ]


def _prepend(model: Any, nodes: list[Any]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
