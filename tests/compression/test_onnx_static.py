"""Integer graphs against the same arithmetic in NumPy."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from serkit.compression.onnx_static import static_int8

rng = np.random.default_rng(0)


def graph_of(nodes, weights, rank, out_rank):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [f"x{i}" for i in range(rank)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"y{i}" for i in range(out_rank)])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def run(graph, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options).run(["y"], {"x": x})[0]


def rounded(x, low, high):
    """Unsigned, with 0 exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = np.float32((high - low) / 255.0)
    zero = np.rint(-low / step)
    return (np.clip(np.rint(x / step) + zero, 0, 255) - zero) * step, step


def rounded_weight(weight, axis):
    others = tuple(i for i in range(weight.ndim) if i != axis)
    step = np.abs(weight).max(axis=others, keepdims=True) / 127.0
    return np.rint(weight / step) * step, step


@pytest.mark.parametrize("operator", ["MatMul", "Gemm", "Gemm-transposed"])
def test_products(operator):
    x = rng.standard_normal((5, 40)).astype("f4")
    weight = (rng.standard_normal((40, 32)) * 10.0 ** rng.integers(-2, 2, (1, 32))).astype("f4")
    bias = rng.standard_normal(32).astype("f4")
    exact, _ = rounded_weight(weight, 1)
    values, _ = rounded(x, x.min(), x.max())
    expected = values @ exact
    if operator == "MatMul":
        nodes, weights = [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}
    else:
        flip = operator == "Gemm-transposed"
        nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=int(flip))]
        weights = {"w": np.ascontiguousarray(weight.T) if flip else weight, "b": bias}
        expected = expected + bias
    graph = graph_of(nodes, weights, 2, 2)
    small = static_int8(graph, [{"x": x}])
    stored = {one.name: one for one in onnx.load_model_from_string(small).graph.initializer}
    assert stored["w.codes"].data_type == TensorProto.INT8
    assert "w" not in stored
    found = run(small, x)
    scale = np.abs(expected).max(axis=0)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)
    assert 1e-4 < np.abs(found - run(graph, x)).max() / scale.max() < 0.05


def test_a_convolution_with_groups_and_bias():
    x = rng.standard_normal((2, 16, 50)).astype("f4")
    weight = rng.standard_normal((32, 8, 5)).astype("f4")
    bias = rng.standard_normal(32).astype("f4")
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], group=2, strides=[2])]
    graph = graph_of(nodes, {"w": weight, "b": bias}, 3, 3)
    small = static_int8(graph, [{"x": x}])
    exact, weight_step = rounded_weight(weight, 0)
    values, step = rounded(x, x.min(), x.max())
    steps = step * weight_step.reshape(-1)
    float_graph = graph_of(
        nodes,
        {"w": exact.astype("f4"), "b": (np.rint(bias / steps) * steps).astype("f4")},
        3,
        3,
    )
    plain = run(graph, x)
    expected, out_step = rounded(run(float_graph, values.astype("f4")), plain.min(), plain.max())
    found = run(small, x)
    # A value halfway between two steps may be rounded either way.
    assert np.abs(found - expected).max() < 1.01 * out_step
    assert (np.abs(found - expected) > 0.5 * out_step).mean() < 0.01


def test_ranges_are_those_of_all_samples():
    weight = np.eye(32, dtype="f4")
    graph = graph_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}, 2, 2)
    samples = [np.full((1, 32), value, "f4") for value in (0.5, -1.0, 3.0)]
    small = static_int8(graph, [{"x": x} for x in samples])
    step = 4.0 / 255.0
    found = run(small, np.linspace(-2.0, 4.0, 32, dtype="f4")[None])[0]
    assert found.min() == pytest.approx(-1.0, abs=step)
    assert found.max() == pytest.approx(3.0, abs=step)


def test_what_stays_in_float():
    """Preprocessing, small weights, and products of two activations."""
    weights = {
        "front_end.w": rng.standard_normal((40, 40)).astype("f4"),
        "small": rng.standard_normal((40, 20)).astype("f4"),
        "large": rng.standard_normal((20, 60)).astype("f4"),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "front_end.w"], ["a"]),
        helper.make_node("MatMul", ["a", "small"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[1, 0]),
        helper.make_node("MatMul", ["c", "b"], ["d"]),
        helper.make_node("MatMul", ["d", "large"], ["y"]),
    ]
    x = rng.standard_normal((3, 40)).astype("f4")
    small = static_int8(graph_of(nodes, weights, 2, 2), [{"x": x}])
    stored = {one.name: one for one in onnx.load_model_from_string(small).graph.initializer}
    for name in ("front_end.w", "small"):
        np.testing.assert_array_equal(numpy_helper.to_array(stored[name]), weights[name])
    integers = {name for name, one in stored.items() if one.data_type == TensorProto.INT8}
    assert integers == {"large.codes", "large.zeros"}


def test_a_graph_without_large_weights_stays_as_it_is():
    weights = {"w": np.eye(4, dtype="f4")}
    graph = graph_of([helper.make_node("MatMul", ["x", "w"], ["y"])], weights, 2, 2)
    x = rng.standard_normal((2, 4)).astype("f4")
    np.testing.assert_array_equal(run(static_int8(graph, [{"x": x}]), x), x)
