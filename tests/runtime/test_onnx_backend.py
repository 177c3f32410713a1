"""ONNX models, their answers by hand; files of strangers."""

import json
import pickle

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

import serkit
from onnx_toys import DIMENSIONS, LABELS, SLOPES, card, content
from serkit import memory
from serkit.container import METADATA_KEY
from serkit.errors import MissingExtraError, ModelError
from serkit.runtime import (
    NumpyBackend,
    OnnxBackend,
    Origin,
    Recognizer,
    TrainingCorpus,
    load_network,
    onnx_backend,
    onnx_model,
)
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.card_text import card_as_text
from serkit.runtime.onnx_file import digest_of_graph, looks_like_onnx, metadata_of
from serkit.runtime.onnx_model import GraphDescription, description_of
from serkit.runtime.profile import Profile

RATE = 16_000


def at(level, seconds, seed=0):
    """Noise of exactly this mean magnitude."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level / np.mean(np.abs(samples)) * samples).astype(np.float32)


def probabilities(level, temperature=1.0):
    logits = SLOPES[0] * level / temperature
    return np.exp(logits) / np.exp(logits).sum()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "level.onnx"
    path.write_bytes(content())
    return path


def test_the_answers_are_those_of_the_graph(file):
    model = serkit.load(file)
    assert isinstance(model.backend, OnnxBackend)
    answer = model((at(0.1, 3.0), RATE))
    assert list(answer.scores) == list(LABELS)
    assert list(answer.scores.values()) == pytest.approx(probabilities(0.1), rel=1e-5)
    assert model((at(0.1, 3.0), RATE), labels=["third"]).scores == {"third": 1.0}
    assert model((at(0.01, 3.0), RATE), min_confidence=0.9).label is None
    np.testing.assert_allclose(model.embed((at(0.1, 3.0), RATE)), [[0.1, 0.1]], rtol=1e-5)
    assert model.backend.file_bytes == file.stat().st_size
    assert model.backend.facts == {"n_parameters": 6, "precision": "fp32"}


def test_the_temperature_divides_the_logits(tmp_path):
    (tmp_path / "m.onnx").write_bytes(content(card(temperature=2.5)))
    answer = serkit.load(tmp_path / "m.onnx")((at(0.2, 1.0), RATE))
    assert list(answer.scores.values()) == pytest.approx(probabilities(0.2, 2.5), rel=1e-5)


def test_windows_of_different_lengths_are_not_padded(file):
    sound = np.concatenate((at(0.05, 8.0), at(0.2, 2.5)))
    first, second = serkit.load(file).windows((sound, RATE))
    assert (first.end_s, second.end_s) == (8.0, 10.5)
    for window, level in ((first, 0.05), (second, 0.2)):
        assert list(window.scores.values()) == pytest.approx(probabilities(level), rel=1e-4)


def test_many_windows_at_once_are_those_alone(file):
    backend = OnnxBackend.load(file)
    windows = [at(0.1, 1.0), at(0.3, 0.4), at(0.2, 2.0)]
    together = backend.outputs(windows)
    assert together.distances is None
    for i, window in enumerate(windows):
        np.testing.assert_array_equal(together.logits[i], backend.outputs([window]).logits[0])


def test_dimensions_beside_and_without_categories(tmp_path):
    for labels in (LABELS, ()):
        path = tmp_path / f"{len(labels)}.onnx"
        path.write_bytes(content(card(labels=labels, dimensions=("valence", "arousal"))))
        answer = serkit.load(path)((at(0.1, 2.0), RATE))
        valence, arousal = DIMENSIONS[0] * 0.1
        assert answer.affect.source == "learned"
        assert (answer.valence, answer.arousal) == pytest.approx((valence, arousal), rel=1e-5)
        assert len(answer.scores) == len(labels)
    assert answer.label is None


def test_a_profile_learns_from_its_embeddings(file):
    model = serkit.load(file)
    profile = Profile.create(model)
    profile.learn((at(0.1, 2.0), RATE), "quiet")
    before = model((at(0.1, 2.0), RATE)).scores["quiet"]
    assert model.with_profile(profile)((at(0.1, 2.0), RATE)).scores["quiet"] > before


def test_a_copy_in_another_process_reads_the_file_again(file):
    model = serkit.load(file)
    copy = pickle.loads(pickle.dumps(model))
    sound = (at(0.1, 1.0), RATE)
    assert copy(sound) == model(sound)
    text = pickle.dumps(model)
    assert len(text) < 1000
    onnx_backend._reopened.cache_clear()
    file.write_bytes(content(slopes=2 * SLOPES))
    with pytest.raises(ModelError, match="it has changed since it was loaded"):
        pickle.loads(text)


def test_the_digest_is_that_of_what_is_computed(file):
    def digest(*arguments, **options):
        return OnnxBackend(file, content(*arguments, **options)).digest

    def renamed(model):
        model.producer_name = "another"
        model.doc_string = "text"

    assert len(digest()) == 32
    assert digest() == digest(card(name="other", figures={"protocols": []})) == digest(edit=renamed)
    others = {
        digest(card(temperature=2.0)),
        digest(card(labels=("a", "b", "c"))),
        digest(slopes=2 * SLOPES),
        digest(opset=16),
    }
    assert len(others | {digest()}) == 5


def test_a_card_goes_through_the_metadata(tmp_path):
    known = card(
        labels=("angry", "sad", "x"), window_s=3.0, temperature=1.3,
        figures={"protocols": []}, recipe={"a": 1}, created_with="0.1.0",
        corpora=(TrainingCorpus("ravdess", "RAVDESS", "CC", False, 0, 0),),
        origin=Origin("toys/one@0123", "HubertForSequenceClassification", "mit", "toys/base"),
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    path.write_bytes(content(known))
    backend = OnnxBackend.load(path)
    assert backend.card == known
    text = card_as_text(backend)
    for line in (
        "imported from  toys/one@0123 (HubertForSequenceClassification)",
        "base model     toys/base",
        "  RAVDESS, CC",
        "Commercial use: by the licence of the weights, mit, and those of their training data",
    ):
        assert line in text
    # Another library reads the same.
    model = onnx.load_model_from_string(path.read_bytes())
    (entry,) = model.metadata_props
    assert entry.key == METADATA_KEY
    assert check_card(json.loads(entry.value)) == known


@pytest.mark.parametrize("origin", [7, {}, {"source": "x"}, {"source": 1}, "x"])
def test_an_invalid_origin_is_refused(origin):
    with pytest.raises(ModelError, match=r"origin is .*; expected architecture, base_model, lic"):
        check_card(describe_card(card()) | {"origin": origin})


def test_the_format_is_known_by_its_content(file, tmp_path, model):
    from serkit.runtime import is_model, save_model

    other = tmp_path / "sound.wav"
    other.write_bytes(file.read_bytes())
    assert isinstance(serkit.load(other).backend, OnnxBackend)
    assert is_model(str(other))
    assert is_model("missing.onnx")
    soundfile.write(tmp_path / "a.wav", at(0.1, 1.0), RATE)
    save_model(model, tmp_path / "m.onnx")
    assert isinstance(serkit.load(tmp_path / "m.onnx").backend, NumpyBackend)
    for name in ("a.wav", "missing", ""):
        assert not OnnxBackend.reads(tmp_path / name)
    assert not looks_like_onnx(b"\x08")
    with pytest.raises(ModelError, match=r"level.onnx: is an ONNX model; expected a network of"):
        load_network(file)
    with pytest.raises(ModelError, match="no such file"):
        serkit.load("missing.onnx")


def test_threads_and_providers_are_options(file, monkeypatch):
    asked = {}
    import onnxruntime

    real = onnxruntime.InferenceSession

    def watched(graph, options, providers, **others):
        asked.update(threads=options.intra_op_num_threads, providers=providers)
        return real(graph, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    serkit.load(file, threads=3, providers=["cpu"])
    assert asked == {"threads": 3, "providers": ["CPUExecutionProvider"]}
    with pytest.raises(ModelError, match="unknown provider 'gpu'; expected one of cpu, cuda, ten"):
        serkit.load(file, providers=["gpu"])
    with pytest.raises(ModelError, match="the provider nnapi is not in the installed ONNX Runt"):
        serkit.load(file, providers=["nnapi"])
    # A provider that is installed, but cannot be started, is left out by ONNX Runtime.
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    with pytest.raises(ModelError, match="cannot start CUDAExecutionProvider"):
        serkit.load(file, providers=["cuda"])
    assert asked["providers"] == names
    for options in ({"threads": 2}, {"providers": ["cuda"]}):
        with pytest.raises(ModelError, match=r"tiny.* runs in NumPy on the CPU"):
            serkit.load("tiny", **options)


def test_without_onnx_runtime_the_extra_is_named(file, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'serkit\[onnx\]'"):
        serkit.load(file)


def test_outputs_that_are_not_finite_are_an_error(file):
    file.write_bytes(content(slopes=np.array([[np.nan, 1.0, 2.0]], "f4")))
    with pytest.raises(ModelError, match="the outputs of level are not finite"):
        serkit.load(file)((at(0.1, 1.0), RATE))


def with_opset(domain):
    return lambda model: model.opset_import.append(helper.make_opsetid(domain, 1))


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def of_width(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((1, 5), "f4"), "w.logits"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5


def fixed_input(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 16_000


def with_output(model):
    model.graph.output.append(helper.make_tensor_value_info("level", TensorProto.FLOAT, ["n", 1]))


def custom(model):
    model.graph.node[0].domain = "evil"


def twice(model):
    model.metadata_props.add(key=METADATA_KEY, value="{}")


def described(**changes):
    return json.dumps(json.loads(description_of(card(), GraphDescription(2, 6))) | changes)


BAD = {
    "no card": ({"text": False}, "an ONNX file without the metadata property 'serkit'; expected"),
    "two cards": ({"edit": twice}, "the graph has two metadata properties 'serkit'"),
    "no JSON": ({"text": "{"}, "its description is not plain JSON"),
    "another format": ({"text": "{}"}, "its description is not that of a serkit-model"),
    "a later version": ({"text": described(version=2)}, "format version 2; this serkit reads"),
    "a huge card": ({"text": "x" * (1 << 20 | 1)}, "has 1048577 characters; expected at most"),
    "no graph": ({"text": described(graph=None)}, "graph is None; expected embedding_width"),
    "a wide graph": (
        {"description": GraphDescription(1 << 17, 6)},
        "expected embedding_width .1 to 65536",
    ),
    "a precision": (
        {"description": GraphDescription(2, 6, "fp8")},
        "precision .fp32, fp16 or int8",
    ),
    "another input": (
        {"text": described(waveform=None, embedding={"model": "x", "width": 3})},
        "the card has the inputs waveform and embedding",
    ),
    "an embedding": (
        {
            "text": json.dumps(
                {
                    **{k: v for k, v in json.loads(described()).items() if k != "waveform"},
                    "embedding": {"model": "x", "width": 3},
                }
            )
        },
        "the input of level is embedding; expected a waveform",
    ),
    "other labels": ({"a_card": card(labels=("a", "b"))}, r"logits tensor\(float\)\['n', 3\]"),
    "other widths": ({"edit": of_width}, "the outputs of the graph are"),
    "an embedding of another width": (
        {"description": GraphDescription(3, 6)},
        r"expected logits tensor\(float\)\['n', 3\], embeddings tensor\(float\)\['n', 3\]",
    ),
    "a fixed length": ({"edit": fixed_input}, "the inputs of the graph are samples"),
    "a further output": ({"edit": with_output}, "the outputs of the graph are"),
    "custom operators": ({"edit": custom}, "the graph has operators of 'evil'; expected ONNX's"),
    "another domain": ({"edit": with_opset("com.microsoft")}, "has operators of 'com.microsoft'"),
    "external data": ({"edit": external}, "the graph has weights in other files"),
    "an unknown operator": (
        {"nodes": [helper.make_node("Nothing", ["level"], ["z"])]},
        "ONNX Runtime refuses the graph: .*Nothing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path, name):
    options, message = BAD[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content(**options))
    with pytest.raises(ModelError, match=message) as caught:
        serkit.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.count(str(path)) == 1
    assert "\n" not in text


def test_a_damaged_file_is_refused(file):
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for i in range(300):
        part = bytearray(whole)
        if i % 3 == 0:
            part = part[: rng.integers(len(part))]
        else:
            for _ in range(rng.integers(1, 6)):
                part[rng.integers(len(part))] = rng.integers(256)
        try:
            backend = OnnxBackend(file, bytes(part))
            Recognizer(backend)((at(0.1, 0.5), RATE))
        except ModelError as error:
            assert "\n" not in str(error)


def test_a_file_too_large_for_the_memory_is_not_read(file, monkeypatch):
    size = file.stat().st_size
    monkeypatch.setattr(onnx_model, "_LARGE", size)
    monkeypatch.setattr(onnx_model, "available_bytes", lambda: 3 * size - 1)
    monkeypatch.setattr(onnx_model, "read_bounded", None)
    with pytest.raises(ModelError, match=r"of memory to load, and .* MB are available; end other"):
        OnnxBackend.load(file)
    monkeypatch.setattr(onnx_model, "available_bytes", lambda: None)
    monkeypatch.setattr(onnx_model, "MAX_FILE_BYTES", size - 1)
    with pytest.raises(ModelError, match=r"level.onnx: is larger than .* bytes"):
        OnnxBackend.load(file)


def test_a_graph_of_another_number_of_rows_is_refused(tmp_path):
    def split(model):
        """The rows are those of the embeddings of two."""
        model.graph.node.append(
            helper.make_node("Concat", ["logits.1", "logits.1"], ["logits"], axis=0)
        )
        next(n for n in model.graph.node if n.output[0] == "logits").output[0] = "logits.1"

    backend = OnnxBackend(tmp_path / "m.onnx", content(edit=split))
    with pytest.raises(ModelError, match=r"logits has shape \[2, 3\] for one window; expected"):
        backend.outputs([at(0.1, 1.0)])


def test_metadata_by_the_library(file):
    model = onnx.load_model_from_string(file.read_bytes())
    model.metadata_props.add(key="ä", value="ö" * 300)
    expected = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata_of(model.SerializeToString()) == expected
    del model.metadata_props[:]
    assert digest_of_graph(model.SerializeToString()) == digest_of_graph(file.read_bytes())


MEMINFO = "MemTotal:  100 kB\nMemFree: 10 kB\nMemAvailable:     50 kB\n"


def test_available_memory(tmp_path, monkeypatch):
    group = tmp_path / "group"
    group.mkdir()
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", group)
    assert memory.available_bytes() is None
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert memory.available_bytes() == 50 * 1024
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("9000\n")
    assert memory.available_bytes() == 50 * 1024
    (group / "memory.max").write_text("10000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 500\n")
    assert memory.available_bytes() == 1500
    (group / "memory.max").write_text("100\n")
    assert memory.available_bytes() == 0
