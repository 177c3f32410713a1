"""Integer weights and ranges in ONNX graphs, against whole numbers and ONNX's reference."""

import io
import warnings

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from transformers import HubertConfig, HubertModel

from serkit.compression.onnx_integers import in_bits, in_integers, search_weights
from serkit.compression.onnx_ranges import measured_ranges, with_integer_chains
from serkit.compression.onnx_weights import IntegerWeights, replace_nodes
from serkit.compression.quantizer import quantize_matrix
from serkit.errors import ModelError
from serkit.networks import FeatureEncoder


def a_model(nodes, inputs, outputs, weights=(), opset=17):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(v, n) for n, v in dict(weights).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


@given(
    bits=st.integers(1, 7),
    shape=st.sampled_from([(3, 5), (8, 8), (1, 1), (7, 9, 3), (16, 33)]),
    axis=st.integers(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_graph_unpacks_the_weights_that_were_packed(bits, shape, axis, seed):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    rows = np.moveaxis(values, axis, 0)
    packed = quantize_matrix(rows.reshape(len(rows), -1), bits)
    weights = IntegerWeights()
    weights.add("w", values, axis=axis, packed=packed)
    last = helper.make_node("Cast", ["w.codes"], ["out"], to=TensorProto.FLOAT)
    model = a_model([], {}, {"out": None})
    replace_nodes(model.graph, [*weights.nodes, last], weights)
    expected = np.moveaxis(packed.dequantised().reshape(rows.shape), 0, axis)
    by_output = [1] * len(shape)
    by_output[axis] = -1
    scale = weights.constants["w.scale"].reshape(by_output)
    for found in (
        onnx.reference.ReferenceEvaluator(model).run(None, {})[0],
        session(model).run(None, {})[0],
    ):
        np.testing.assert_allclose(found * scale, expected, rtol=1e-5, atol=1e-7)


def test_packed_weights_take_their_bits():
    values = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    for bits in range(1, 8):
        weights = IntegerWeights()
        weights.add("w", values, axis=0, packed=quantize_matrix(values, bits))
        assert weights.constants["w.packed"].nbytes == 64 * 64 * bits // 8


@pytest.mark.parametrize("bits", [1, 3, 5, 7])
def test_unpacking_takes_little_memory(bits):
    # ONNX Runtime keeps the results of all operators on constants while it loads a graph.
    values = np.random.default_rng(0).standard_normal((64, 128)).astype(np.float32)
    weights = IntegerWeights()
    weights.add("w", values, axis=1, packed=quantize_matrix(values.T, bits))
    model = a_model([], {}, {})
    last = helper.make_node("Identity", ["w.codes"], ["out"])
    replace_nodes(model.graph, [*weights.nodes, last], weights)
    names = [name for node in weights.nodes for name in node.output]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    results = onnx.reference.ReferenceEvaluator(model).run(None, {})
    assert sum(one.nbytes for one in results) <= (1.5 * bits + 2) * values.size


def test_bits_out_of_range_are_refused(hubert):
    with pytest.raises(ModelError, match="bits is 8; expected 1 to 7"):
        in_bits(hubert[1].SerializeToString(), 8)


def test_ranges_are_those_of_the_examples():
    model = a_model([helper.make_node("Mul", ["x", "x"], ["y"])], {"x": ["n", 3]}, {"y": ["n", 3]})
    examples = [{"x": np.array([[1, 2, 3]], "f4")}, {"x": np.array([[-4, 1, 1]], "f4")}]
    found = measured_ranges(model, ["y", "x"], examples, extra="onnx")
    assert found == {"y": (0.0, 16.0), "x": (-4.0, 3.0)}
    with pytest.raises(ModelError, match="not finite"):
        measured_ranges(model, ["y"], [{"x": np.array([[np.nan, 1, 1]], "f4")}], extra="onnx")


def traced(module, samples):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (samples,),
            buffer,
            input_names=["samples"],
            output_names=["out"],
            dynamic_axes={"samples": {0: "n", 1: "t"}, "out": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    return onnx.load_model_from_string(buffer.getvalue())


class PooledHubert(torch.nn.Module):
    """A small HuBERT with its features as products, pooled."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        config = HubertConfig(
            hidden_size=48,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=96,
            conv_dim=(32,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
            attn_implementation="eager",
        )
        self.hubert = HubertModel(config).eval()
        encoder = self.hubert.feature_extractor
        self.hubert.feature_extractor = FeatureEncoder(encoder.conv_layers, quick=True)

    def forward(self, samples):
        return self.hubert(samples).last_hidden_state.mean(1)


@pytest.fixture(scope="module")
def hubert():
    module = PooledHubert().eval()
    noise = np.random.default_rng(0).standard_normal((6, 1, 8000)).astype(np.float32)
    return module, traced(module, torch.from_numpy(noise[0])), [{"samples": x} for x in noise]


@pytest.mark.parametrize("bits", [8, 6])
def test_an_encoder_in_integers_is_close_to_torch(hubert, bits):
    module, exported, examples = hubert
    graph = exported.SerializeToString()
    packed = in_bits(graph, bits) if bits < 8 else None
    model = onnx.load_model_from_string(in_integers(graph, examples[:3], packed=packed))
    onnx.checker.check_model(model, full_check=True)
    floats = sum(np.prod(t.dims) for t in model.graph.initializer if t.data_type == 1)
    before = sum(np.prod(t.dims) for t in exported.graph.initializer if t.data_type == 1)
    assert floats < 0.2 * before
    runs = session(model)
    # Other sound, of another length than that it was exported with.
    sound = np.random.default_rng(9).standard_normal((2, 9001)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(sound)).numpy()
    found = runs.run(None, {"samples": sound})[0]
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > (0.99 if bits == 8 else 0.97)


def test_between_products_there_are_only_codes(hubert):
    """So ONNX Runtime computes the six inner convolutions of the encoder in integers."""
    _, exported, examples = hubert
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    with_integer_chains(model, examples[:1], extra="onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Sigmoid") == 7
    producers = {name: node for node in model.graph.node for name in node.output}
    inner = [
        node
        for node in model.graph.node
        if node.op_type == "MatMul"
        and all(producers.get(name) is not None for name in node.input)
        and {producers[name].op_type for name in node.input} == {"DequantizeLinear"}
    ]
    assert len(inner) == 6
    moves = [node for node in model.graph.node if node.op_type in ("Slice", "Concat", "Reshape")]
    coded = [node for node in moves if node.output[0].endswith(".codes")]
    assert len(coded) >= 3 * 4 + 2 * 2  # blocks and rest of kernels of 3, blocks of kernels of 2


def test_scales_of_activations_span_their_ranges():
    """By hand: one product between two quick GELUs, in whole numbers."""
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((40, 40)).astype(np.float32)

    def gelu(x, out):
        return [
            helper.make_node("Mul", [x, "factor"], [f"{x}.m"]),
            helper.make_node("Sigmoid", [f"{x}.m"], [f"{x}.g"]),
            helper.make_node("Mul", [x, f"{x}.g"], [out]),
        ]

    nodes = [
        *gelu("x", "h"),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
        *gelu("y", "z"),
        helper.make_node("Neg", ["z"], ["out"]),
    ]
    constants = {"w": weight, "factor": np.array(1.702, np.float32)}
    # The reference has no DequantizeLinear before 19.
    model = a_model(nodes, {"x": ["n", 40]}, {"out": ["n", 40]}, constants, opset=19)
    exact = onnx.reference.ReferenceEvaluator(model)
    x = rng.standard_normal((50, 40)).astype(np.float32)
    expected = exact.run(None, {"x": x})[0]
    with_integer_chains(model, [{"x": x}], extra="onnx")
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert values["x.scale"] == pytest.approx((x.max() - x.min()) / 255.0)
    assert values["x.zero"] == round(-float(x.min()) / float(values["x.scale"]))
    for found in (
        onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0],
        session(model).run(None, {"x": x})[0],
    ):
        assert np.abs(found - expected).max() < 3.0 * float(values["y.scale"])


def rounded(x, low, high):
    """Unsigned, with 0 exact."""
    step = np.float32((high - low) / 255.0)
    zero = np.rint(-low / step)
    return (np.clip(np.rint(x / step) + zero, 0, 255) - zero) * step, step


def test_a_convolution_with_groups_and_bias():
    """Against the same arithmetic in NumPy."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 16, 50)).astype("f4")
    weight = rng.standard_normal((32, 8, 5)).astype("f4")
    bias = rng.standard_normal(32).astype("f4")
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], group=2, strides=[2])]
    nodes.append(helper.make_node("Neg", ["y"], ["out"]))
    shapes = {"x": ["n", 16, "t"]}, {"out": ["n", 32, "u"]}
    model = a_model(nodes, *shapes, {"w": weight, "b": bias})
    plain = -session(model).run(None, {"x": x})[0]
    with_integer_chains(model, [{"x": x}], extra="onnx")
    weight_step = np.abs(weight).max(axis=(1, 2), keepdims=True) / np.float32(127.0)
    values, step = rounded(x, x.min(), x.max())
    steps = step * weight_step.reshape(-1)
    exact = {
        "w": (np.rint(weight / weight_step) * weight_step).astype("f4"),
        "b": (np.rint(bias / steps) * steps).astype("f4"),
    }
    sums = -session(a_model(nodes, *shapes, exact)).run(None, {"x": values.astype("f4")})[0]
    expected, out_step = rounded(sums, plain.min(), plain.max())
    found = -session(model).run(None, {"x": x})[0]
    # A value halfway between two steps may be rounded either way.
    assert np.abs(found - expected).max() < 1.01 * out_step
    assert (np.abs(found - expected) > 0.5 * out_step).mean() < 0.01


def test_a_linear_layer_has_a_step_per_row():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((5, 40)) * 10.0 ** rng.integers(-3, 3, (5, 1))).astype("f4")
    weight = rng.standard_normal((32, 40)).astype("f4")
    bias = rng.standard_normal(32).astype("f4")
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    model = a_model(nodes, {"x": ["n", 40]}, {"y": ["n", 32]}, {"w": weight, "b": bias})
    small = onnx.load_model_from_string(in_integers(model.SerializeToString(), [{"x": x}]))
    step = np.abs(x).max(axis=1, keepdims=True) / np.float32(127.0)
    of_output = np.abs(weight).max(axis=1) / np.float32(127.0)
    whole = np.rint(x / step) @ np.rint(weight / of_output[:, None]).T
    found = session(small).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, whole * of_output * step + bias, rtol=1e-4, atol=1e-4)


def test_what_stays_in_float():
    """Preprocessing, small weights, and products of two activations."""
    rng = np.random.default_rng(0)
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
    model = a_model(nodes, {"x": ["n", 40]}, {"y": ["m", 60]}, weights)
    x = rng.standard_normal((3, 40)).astype("f4")
    small = onnx.load_model_from_string(in_integers(model.SerializeToString(), [{"x": x}]))
    stored = {one.name: one for one in small.graph.initializer}
    for name in ("front_end.w", "small"):
        np.testing.assert_array_equal(numpy_helper.to_array(stored[name]), weights[name])
    integers = {name for name, one in stored.items() if one.data_type == TensorProto.INT8}
    assert integers == {"large.codes"}


def test_search_gives_each_weight_the_fewest_bits_that_keep_the_score(hubert):
    """Against the search over layers: a score that allows three bits gives three everywhere."""
    _, exported, examples = hubert
    graph = exported.SerializeToString()
    names = sorted(in_bits(graph, 4))

    def score(small):
        stored = {t.name: t for t in onnx.load_model_from_string(small).graph.initializer}
        widths = [stored[f"{n}.packed"].dims[1] if f"{n}.packed" in stored else 8 for n in names]
        return float(min(widths) >= 3)

    packed, trials = search_weights(graph, examples[:1], score, margin=0.0)
    assert {name: one.bits for name, one in packed.items()} == dict.fromkeys(names, 3)
    assert len(trials) == 3 * len(names)
    assert trials[-1].bytes == len(in_integers(graph, examples[:1], packed=packed))
    refused, _ = search_weights(graph, examples[:1], lambda s: -float(b"packed" in s), margin=0.0)
    assert refused == {}
