"""Encoder folders of strangers."""

import hashlib
import json
import shutil
import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from serkit.errors import MissingExtraError, ModelError
from serkit.runtime import TextEncoder
from serkit.runtime.onnx_file import check_onnx
from serkit.runtime.text_encoder import MAX_CHARACTERS, EncoderDescription


@pytest.fixture
def folder(encoder_folder, tmp_path):
    shutil.copytree(encoder_folder, tmp_path / "e")
    return tmp_path / "e"


def describe(folder, **changes):
    """Change the description, and make its hashes those of the files."""
    values = json.loads((folder / "encoder.json").read_text())
    for name, key in (("encoder.onnx", "graph_sha256"), ("tokenizer.json", "tokenizer_sha256")):
        values[key] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "encoder.json").write_text(json.dumps(values | changes))


def refused(folder, message):
    with pytest.raises(ModelError, match=message) as caught:
        TextEncoder.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 33}, r"outputs of the graph are .*32\]; expected embedding .*33\]"),
        ({"width": 0}, "width is 0; expected 1 to"),
        ({"width": 10**9}, "width is 1000000000"),
        ({"width": True}, "width is True"),
        ({"max_tokens": 16}, "padding is .*expected 16 tokens"),
        ({"max_tokens": 10**6}, "max_tokens is 1000000"),
        ({"pooling": ["mean"]}, "pooling is"),
        ({"layers": []}, "layers is"),
        ({"layers": [1.5]}, "layers is"),
        ({"name": ""}, "name is"),
        ({"licence": None}, "licence is None"),
        ({"graph_sha256": "0" * 64}, "its SHA-256 is .*get a fresh copy"),
        ({"tokenizer_sha256": "x"}, "tokenizer_sha256 is 'x'"),
        ({"version": 2}, "format version 2; this serkit reads version 1"),
        ({"format": "other"}, "expected the description of an encoder"),
        ({"path": "/etc/passwd"}, "it has the keys"),
    ],
)
def test_descriptions_that_are_wrong(folder, changes, message):
    describe(folder, **changes)
    refused(folder, message)


@pytest.mark.parametrize("name", ["encoder.json", "encoder.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 50, b"[1, 2", b"{}", b"[" * 100_000])
def test_files_that_are_missing_or_foreign(folder, name, content):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    refused(folder, name)
    if content is not None and name != "encoder.json":
        describe(folder)
        refused(folder, name)


def test_files_that_are_truncated(folder):
    for name in ("encoder.onnx", "tokenizer.json"):
        content = (folder / name).read_bytes()
        for length in (1, 100, len(content) // 2, len(content) - 1):
            (folder / name).write_bytes(content[:length])
            describe(folder)
            refused(folder, name)
        (folder / name).write_bytes(content)


def test_a_tokenizer_of_a_gigabyte_is_not_read(folder):
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(1 << 30)
    refused(folder, "is larger than 33,554,432 bytes")


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_packages_that_are_not_installed(encoder_folder, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'serkit\[text\]'"):
        TextEncoder.load(encoder_folder)


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (folder / "tokenizer.json").rename(tmp_path / "elsewhere.json")
    (folder / "tokenizer.json").symlink_to(tmp_path / "elsewhere.json")
    refused(folder, "is a link out of the folder")


def test_no_folder(tmp_path):
    refused(tmp_path / "none", "expected the folder of an encoder")


def test_a_tokenizer_without_bound_is_refused(folder):
    """The pattern takes exponential time on a row of the same letter."""
    values = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    values["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{**split, "invert": False}]}
    (folder / "tokenizer.json").write_text(json.dumps(values).replace("Regex", "\\u0052egex"))
    describe(folder)
    refused(folder, "regular expression")


def graph_of(nodes, initializers=(), **model):
    shape = ["n", 32]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, shape),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, shape)],
        list(initializers),
    )  # fmt: skip
    imports = model.pop("opset_imports", [helper.make_opsetid("", 17)])
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **model)


def cast(**options):
    return helper.make_node("Cast", ["input_ids"], ["embedding"], to=TensorProto.FLOAT, **options)


def external():
    tensor = numpy_helper.from_array(np.ones((32, 32), np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def with_function():
    function = helper.make_function(
        "", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    return graph_of([cast()], functions=[function])


def endless():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    loop = helper.make_node("Loop", ["", "true"], [], body=body)
    return graph_of([loop, cast()], [numpy_helper.from_array(np.array(True), "true")])


def hidden():
    """External data of a tensor inside an attribute."""
    node = helper.make_node("Constant", [], ["c"], value=external())
    return graph_of([node, cast()])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (graph_of([cast()], [external()]), "weights in other files"),
        (hidden(), "weights in other files"),
        (graph_of([cast(domain="com.evil")]), "operators of 'com.evil'"),
        (
            graph_of([cast()], opset_imports=[helper.make_opsetid("com.microsoft", 1)]),
            "operators of 'com.microsoft'",
        ),
        (with_function(), "functions"),
        (endless(), "control flow"),
        (onnx.ModelProto(), "not ONNX"),
    ],
)
def test_graphs_that_reach_beyond_themselves(folder, model, message):
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    describe(folder)
    refused(folder, message)


def test_graphs_that_cannot_be_used(folder):
    for model, message in (
        (graph_of([helper.make_node("Nonsense", ["input_ids"], ["embedding"])]), "refuses"),
        (graph_of([]), "refuses"),
    ):
        (folder / "encoder.onnx").write_bytes(model.SerializeToString())
        describe(folder)
        refused(folder, message)
    (folder / "encoder.onnx").write_bytes(b"\x10\x00\x00\x00ORTM" + bytes(100))
    describe(folder)
    refused(folder, "ONNX Runtime's own format")


def test_a_graph_of_terabytes_fails(folder):
    """A few bytes that ask for 4 TB, which an operating system may promise."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "many"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "most"], ["embedding"]),
    ]
    model = graph_of(nodes, [numpy_helper.from_array(np.int64([10**12]), "many")])
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    describe(folder)
    encoder = TextEncoder.load(folder)
    with pytest.raises(ModelError, match="the graph cannot be run"):
        encoder.encode(["Hi"])
    model = graph_of(nodes, [numpy_helper.from_array(np.int64([3 * 10**9]), "many")])  # 12 GB
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    describe(folder)
    encoder = TextEncoder.load(folder)
    with pytest.raises(ModelError, match="the graph cannot be run"):
        encoder.encode(["Hi"])


def test_numbers_that_are_not_finite(folder):
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Log", ["minus"], ["nan"]),
        helper.make_node("Add", ["x", "nan"], ["embedding"]),
    ]
    model = graph_of(nodes, [numpy_helper.from_array(np.float32([-1.0]), "minus")])
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    describe(folder)
    with pytest.raises(ModelError, match=r"embedding of 'Hi' is not finite"):
        TextEncoder.load(folder).encode(["Hi"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_walked(content):
    try:
        check_onnx(content)
    except ModelError:
        return
    onnx.load_model_from_string(content)  # what passes is at least a message of protobuf


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_has_an_embedding(encoder_folder, text):
    encoder = _loaded(encoder_folder)
    assert np.isfinite(encoder.encode([text])).all()
    assert encoder.tokens(text).ids.shape == (1, 32)


_KEPT = {}


def _loaded(folder):
    if folder not in _KEPT:
        _KEPT[folder] = TextEncoder.load(folder)
    return _KEPT[folder]


def test_lone_surrogates_are_one_unknown_character(encoder_folder):
    encoder = _loaded(encoder_folder)
    one = encoder.encode(["a \ud800 b", "a \ufffd b"])
    np.testing.assert_array_equal(one[0], one[1])


def test_the_end_of_a_long_text_is_never_seen(encoder_folder):
    encoder = _loaded(encoder_folder)
    start = "I am so happy. " * 300
    long = start[:MAX_CHARACTERS] + "x" * 10**6
    np.testing.assert_array_equal(encoder.encode([long]), encoder.encode([start]))
    seen = []
    encoder._tokenizer, kept = _Spy(encoder._tokenizer, seen), encoder._tokenizer
    try:
        assert encoder.tokens("a" * 10**6).is_cut
        assert encoder.tokens(" " * 10**6).is_cut
    finally:
        encoder._tokenizer = kept
    assert max(map(len, seen)) == MAX_CHARACTERS
    assert not encoder.tokens("Hi!").is_cut


class _Spy:
    def __init__(self, tokenizer, seen):
        self._tokenizer, self._seen = tokenizer, seen

    @property
    def model(self):
        return self._tokenizer.model

    def encode(self, text):
        self._seen.append(text)
        return self._tokenizer.encode(text)


def test_unknown_words_are_counted(encoder_folder):
    encoder = _loaded(encoder_folder)
    assert encoder.tokens("happy 😀").unknown_share == 0.5
    assert encoder.tokens("").unknown_share == 0.0


def test_the_digest_names_the_content(encoder_folder, folder):
    one = TextEncoder.load(encoder_folder)
    assert TextEncoder.load(folder).digest == one.digest
    describe(folder, licence="other")
    assert TextEncoder.load(folder).digest != one.digest
    assert EncoderDescription.from_dict(one.description.to_dict()) == one.description
