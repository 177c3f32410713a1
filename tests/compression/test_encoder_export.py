"""Encoder folders against the transformer in torch, by transformers' own forward pass."""

import json

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from transformers import (
    AutoModel,
    AutoTokenizer,
    MobileBertConfig,
    MobileBertModel,
    RobertaConfig,
    RobertaModel,
)

from serkit.compression.encoder_export import export_encoder
from serkit.compression.onnx_precision import in_precision
from serkit.errors import ModelError
from serkit.runtime import TextEncoder
from serkit.training.pretrained import Pretrained, load_pretrained

from transformers_toys import make_bert

TEXTS = [
    "I can't believe it!",
    "no",
    "",
    "oh my god, this is awful. " * 9,
    "😀 日本語",
    "A\x00\x07b",
]


def by_torch(folder, texts, *, layers=(-1,), pooling="mean", length=32):
    model = AutoModel.from_pretrained(folder).eval()  # with its default attention
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = tokenizer(
        texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    )
    ids, mask = rows["input_ids"], rows["attention_mask"]
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    parts = []
    for layer in layers:
        if pooling == "cls":
            parts.append(states[layer][:, 0])
        else:
            parts.append(
                torch.stack([s[m.bool()].mean(0) for s, m in zip(states[layer], mask, strict=True)])
            )
    return torch.cat(parts, dim=1).numpy()


@pytest.mark.parametrize(
    ("layers", "pooling"), [((-1,), "mean"), ((-1, -2, 0), "mean"), ((1,), "cls")]
)
def test_an_encoder_gives_the_vectors_of_torch(bert, tmp_path, layers, pooling):
    exported = export_encoder(str(bert), tmp_path / "e", layers=layers, pooling=pooling)
    found = TextEncoder.load(tmp_path / "e").encode(TEXTS)
    assert found.shape == (len(TEXTS), 32 * len(layers))
    assert found.dtype == np.float32
    expected = by_torch(bert, TEXTS, layers=layers, pooling=pooling)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert exported.difference < 2e-5
    assert exported.cosine > 0.9999
    assert exported.encoder.description.licence == "mit"
    assert exported.encoder.name == "toy-bert"


@pytest.mark.parametrize("kind", ["roberta", "mobilebert"])
def test_the_other_architectures_of_the_paper(bert, tmp_path, kind):
    torch.manual_seed(0)
    size = json.loads((bert / "config.json").read_text())["vocab_size"]
    if kind == "roberta":
        model = RobertaModel(
            RobertaConfig(
                vocab_size=size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=32, pad_token_id=0, max_position_embeddings=40,
            )
        )  # fmt: skip
    else:
        model = MobileBertModel(
            MobileBertConfig(
                vocab_size=size, hidden_size=64, embedding_size=16, num_hidden_layers=2,
                intermediate_size=32, intra_bottleneck_size=32, num_attention_heads=2,
                true_hidden_size=32, initializer_range=0.3, num_feedforward_networks=2,
            )
        )  # fmt: skip
    folder = tmp_path / kind
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((bert / name).read_bytes())
    export_encoder(str(folder), tmp_path / "e")
    found = TextEncoder.load(tmp_path / "e").encode(TEXTS)
    expected = by_torch(folder, TEXTS)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=2e-5 * max(1.0, np.abs(expected).max()))


def test_half_precision_rounds_the_weights_and_nothing_else(bert, tmp_path):
    model = AutoModel.from_pretrained(bert).eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.numel() >= 1024:
                weights.copy_(weights.half().float())
    model.save_pretrained(tmp_path / "rounded")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "rounded" / name).write_bytes((bert / name).read_bytes())
    export_encoder(str(bert), tmp_path / "e", precision="fp16")
    found = TextEncoder.load(tmp_path / "e").encode(TEXTS)
    np.testing.assert_allclose(found, by_torch(tmp_path / "rounded", TEXTS), atol=2e-5)


def test_integers_stay_close_and_are_a_quarter_of_the_size(tmp_path):
    bert = make_bert(tmp_path / "wide", hidden=128, layers=2)
    export_encoder(str(bert), tmp_path / "e")
    export_encoder(str(bert), tmp_path / "e8", precision="int8")
    found = TextEncoder.load(tmp_path / "e8").encode(TEXTS)
    expected = by_torch(bert, TEXTS)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(axis=1) / lengths).min() > 0.99
    sizes = [(tmp_path / name / "encoder.onnx").stat().st_size for name in ("e", "e8")]
    assert sizes[1] < 0.35 * sizes[0]


def test_an_embedding_does_not_depend_on_the_other_texts(bert, tmp_path):
    export_encoder(str(bert), tmp_path / "e8", precision="int8")
    encoder = TextEncoder.load(tmp_path / "e8")
    together = encoder.encode(TEXTS + TEXTS[::-1])
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, np.concatenate((alone, alone[::-1])))
    assert encoder.encode([]).shape == (0, 32)


def test_each_row_of_a_table_is_rounded_by_a_step_of_its_own():
    """Against the definition: a row is its largest magnitude times a 127th, in whole steps."""
    rng = np.random.default_rng(0)
    table = (rng.standard_normal((64, 32)) * 10.0 ** rng.integers(-3, 3, (64, 1))).astype("f4")
    table[5] = 0.0
    square = rng.standard_normal((32, 32)).astype("f4")
    nodes = [
        onnx.helper.make_node("Gather", ["table", "ids"], ["rows"]),
        onnx.helper.make_node("Identity", ["rows"], ["out"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["n"])],
        [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, ["n", 32])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(square, "unused")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    small = onnx.load_model_from_string(in_precision(model.SerializeToString(), "int8"))
    values = onnx.reference.ReferenceEvaluator(small).run(None, {"ids": np.arange(64)})[0]
    steps = np.abs(table).max(axis=1, keepdims=True) / 127.0
    assert (np.abs(values - table) <= 0.5001 * steps).all()
    assert (values[5] == 0.0).all()


def test_products_are_sums_of_integers_with_a_step_per_token_and_output():
    """Against the definition, in whole numbers: both runtimes, two products of one input."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 5, 48)) * 10.0 ** rng.integers(-3, 3, (2, 5, 1))).astype("f4")
    x[1, 2] = 0.0
    weights = [rng.standard_normal((48, n)).astype("f4") * 0.1 for n in (32, 40)]
    shapes = {"x": [2, 5, 48], "a": [2, 5, 32], "b": [2, 5, 40]}
    x_info, *outputs = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", f"w{i}"], [out]) for i, out in enumerate("ab")],
        "g",
        [x_info],
        outputs,
        [numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10
    )
    small = in_precision(model.SerializeToString(), "int8")
    step = np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-12)) / np.float32(127)
    codes = np.rint(x / step).astype(np.int64)
    reference = onnx.reference.ReferenceEvaluator(onnx.load_model_from_string(small))
    session = onnxruntime.InferenceSession(small)
    for found in (reference.run(None, {"x": x}), session.run(None, {"x": x})):
        for weight, values in zip(weights, found, strict=True):
            of_output = np.abs(weight).max(axis=0) / np.float32(127)
            whole = codes @ np.rint(weight / of_output).astype(np.int64)
            np.testing.assert_allclose(values, whole * of_output * step, rtol=1e-5, atol=0)
            exact = x.astype(np.float64) @ weight
            assert np.abs(values - exact).max() <= 0.03 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "int4"}, "precision is 'int4'; expected one of fp32"),
        ({"pooling": "max"}, "pooling is 'max'; expected one of mean, cls"),
        ({"layers": (3,)}, r"layers are \[3\]; toy-bert has the layers 0 to 2"),
        ({"layers": ()}, "layers are"),
        ({"max_tokens": 65}, "max_tokens is 65; expected 2 to 64"),
    ],
)
def test_impossible_settings(bert, tmp_path, settings, message):
    with pytest.raises(ModelError, match=message):
        export_encoder(str(bert), tmp_path / "e", **settings)
    assert not (tmp_path / "e").exists()


def test_pickled_weights_are_never_read(bert, tmp_path):
    (tmp_path / "config.json").write_bytes((bert / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/no'\ntR.")
    with pytest.raises(ModelError, match="the weights are pickled"):
        load_pretrained(str(tmp_path))


def test_code_of_a_repository_is_never_run(bert, tmp_path):
    folder = tmp_path / "evil"
    folder.mkdir()
    for file in bert.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}}
    config["model_type"] = "unheard-of"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("open('ran', 'w')")
    with pytest.raises(ModelError, match="cannot be loaded as a transformer"):
        load_pretrained(str(folder))
    assert not (folder / "ran").exists()


def test_a_transformer_made_by_hand_can_be_exported(bert, tmp_path):
    pretrained = load_pretrained(str(bert))
    same = Pretrained("mine", pretrained.transformer, pretrained.tokenizer, "[PAD]", "")
    assert export_encoder(same, tmp_path / "e").encoder.name == "mine"
