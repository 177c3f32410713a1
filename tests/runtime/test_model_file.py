import json
import os
import struct
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from serkit.adaptation import SpeakerModel
from serkit.errors import ModelError
from serkit.features import Descriptor, FeatureRecipe, stacked
from serkit.runtime import (
    GRU,
    LSTM,
    AttentionPooling,
    Convolution,
    Dense,
    Model,
    ModelCard,
    NumpyBackend,
    PackedWeight,
    Sketch,
    Typical,
    load_model,
    save_model,
)
from serkit.runtime.card_text import card_as_text
from serkit.runtime.packing import pack
from serkit.runtime.speakers import describe_speakers
from serkit.runtime.typical import as_text

LABELS = ("angry", "happy", "neutral", "sad")


def write(tmp_path, tensors, description):
    path = tmp_path / "m.safetensors"
    text = description if isinstance(description, str) else json.dumps(description)
    path.write_bytes(save(tensors, metadata={"serkit": text}))
    return path


@pytest.fixture
def parts(model, tmp_path):
    """Tensors and description of a valid file, for tests to damage."""
    path = tmp_path / "good.safetensors"
    save_model(model, path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return load(content), json.loads(header["__metadata__"]["serkit"])


def test_round_trip(model, tmp_path):
    path = tmp_path / "a" / "m.safetensors"
    size = save_model(model, path)
    found = load_model(path)
    assert size == path.stat().st_size == found.file_bytes
    assert found.card == model.card
    np.testing.assert_array_equal(found.mean, model.mean)
    np.testing.assert_array_equal(found.scale, model.scale)
    for ours, theirs in zip(found.layers, model.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
        assert ours.activation == theirs.activation


def test_round_trip_of_a_sketch(model, tmp_path):
    sketch = Sketch.of({"toys": ["0123456789abcdef" * 2, "89abcdef01234567" * 2]})
    save_model(model.with_card(seen=sketch), tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").card.seen == sketch
    save_model(model, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").card.seen == Sketch()


def test_float16_is_used_if_exact(model, tmp_path):
    first, second = model.layers
    halves = replace(first, weight=first.weight.astype(np.float16).astype(np.float32))
    large = replace(second, bias=np.full(4, 1e6, np.float32))
    save_model(replace(model, layers=(halves, large)), tmp_path / "m.safetensors")
    stored = load((tmp_path / "m.safetensors").read_bytes())
    assert stored["layers.0.weight"].dtype == np.float16
    assert stored["layers.1.weight"].dtype == stored["layers.1.bias"].dtype == np.float32
    found = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(found.layers[0].weight, halves.weight)
    np.testing.assert_array_equal(found.layers[1].bias, large.bias)


@pytest.fixture
def packed(model):
    """The model with a layer of 3 bits and a step per row, and one of 5 bits and one step."""
    rng = np.random.default_rng(0)

    def weight(shape, bits, n_scales):
        codes = rng.integers(0, 2**bits, shape[0] * shape[1], np.uint8)
        scale = rng.uniform(0.1, 1.0, n_scales).astype(np.float32)
        return PackedWeight(pack(codes, bits), bits, shape, scale)

    first, second = model.layers
    layers = (
        replace(first, weight=weight((8, 20), 3, 8)),
        replace(second, weight=weight((4, 8), 5, 1)),
    )
    return replace(model, layers=layers)


def test_round_trip_of_packed_weights(packed, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(packed, path)
    stored = load(path.read_bytes())
    assert stored["layers.0.codes"].shape == (60,)
    assert stored["layers.1.codes"].shape == (20,)
    found = load_model(path)
    rows = np.random.default_rng(1).standard_normal((9, 20)).astype(np.float32)
    np.testing.assert_array_equal(found.logits(rows), packed.logits(rows))
    floats = tuple(replace(layer, weight=layer.matrix) for layer in packed.layers)
    np.testing.assert_allclose(
        found.logits(rows), replace(packed, layers=floats).logits(rows), atol=1e-5
    )


@pytest.mark.parametrize(("step", "accepted"), [(0.0, True), (-0.1, False)])
def test_steps_of_packed_weights_are_not_negative(packed, tmp_path, step, accepted):
    """Quantised rows of zeros have a step of 0."""
    first, second = packed.layers
    scale = first.weight.scale.copy()
    scale[3] = step
    first = replace(first, weight=replace(first.weight, scale=scale))
    path = tmp_path / "m.safetensors"
    save_model(replace(packed, layers=(first, second)), path)
    if accepted:
        np.testing.assert_array_equal(load_model(path).layers[0].weight.scale, scale)
        return
    with pytest.raises(ModelError, match=r"layers\.0\.scale holds negative values"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 0}, "layer 0 has 0 bits; expected 1 to 8"),
        ({"bits": 9}, "layer 0 has 9 bits"),
        ({"bits": True}, "layer 0 has True bits"),
        ({"bits": None}, "layer 0 has None bits"),
        ({"scales": 7}, "layer 0 has 7 scales; expected 1 or 8"),
        ({"bits": 4}, r"layers.0.codes has shape \[60\]; expected \[80\]"),
        ({"scales": 1}, r"layers.0.scale has shape \[8\]; expected \[1\]"),
    ],
)
def test_inconsistent_packing(packed, tmp_path, changes, message):
    path = tmp_path / "m.safetensors"
    save_model(packed, path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["serkit"])
    description["network"][0] |= changes
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, load(content), description))


def test_arithmetic_agrees_with_torch(model):
    import torch

    rows = np.random.default_rng(0).standard_normal((7, 20)).astype(np.float32) * 30
    x = torch.from_numpy((rows - model.mean) / model.scale).clamp(-3, 3)
    first, second = model.layers
    hidden = torch.nn.functional.linear(x, torch.tensor(first.weight), torch.tensor(first.bias))
    out = torch.nn.functional.linear(
        hidden.relu(), torch.tensor(second.weight), torch.tensor(second.bias)
    )
    np.testing.assert_allclose(model.logits(rows), (out / 1.5).numpy(), rtol=1e-4, atol=1e-4)


def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    before = path.read_bytes()

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(replace(model, mean=model.mean + 1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_other_formats(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "missing.safetensors")
    with pytest.raises(ModelError, match="directory"):
        load_model(tmp_path)
    path = tmp_path / "m.safetensors"
    for content in (b"", b"hello", b"\xff" * 100, struct.pack("<Q", 1 << 60) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not a model file, or truncated"):
            load_model(path)
    path.write_bytes(save({"a": np.zeros(3, np.float32)}))
    with pytest.raises(ModelError, match="without the entry 'serkit'"):
        load_model(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(model, tmp_path, keep):
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ModelError, match="truncated or damaged"):
        load_model(path)


def test_too_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.truncate(10 << 30)  # sparse: no disk is used
    with pytest.raises(ModelError, match="at most"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "format version 2; this serkit reads version 1"),
        ("version", None, "format version None"),
        ("format", "other", "not that of a serkit-model"),
        ("labels", ["angry"], "labels"),
        ("labels", ["angry", "angry", "sad", "happy"], "different names"),
        ("labels", [1, 2, 3, 4], "labels"),
        ("labels", ["a", "b", "c"], "4 outputs; expected 3, one per label"),
        ("sample_rate", 8000, "sample_rate is 8000; expected 16000"),
        ("temperature", 0, "temperature"),
        ("temperature", -1.0, "temperature"),
        ("temperature", "hot", "temperature"),
        ("clip", -2, "clip"),
        ("features", {"name": "x"}, "incomplete|descriptors"),
        ("features", None, "a FeatureRecipe is None; expected an object"),
        ("network", [], "network"),
        ("network", 3, "network"),
        ("corpora", [{"name": "x"}], "training corpus"),
        ("corpora", None, "corpora"),
        ("seen", None, "seen is not a valid sketch"),
        ("seen", {"toys": 3}, "seen is not a valid sketch"),
        ("seen", {"toys": "0" * 1000}, "at most 1000"),
        ("seen", {"toys": "0000000000"}, "ascend"),
        ("figures", [], "figures"),
        ("name", 3, "name"),
        ("created_with", None, "created_with"),
    ],
)
def test_invalid_descriptions(parts, tmp_path, key, value, message):
    tensors, description = parts
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description | {key: value}))


@pytest.mark.parametrize(
    ("layer", "key", "value", "message"),
    [
        (0, "inputs", 21, "has 21 inputs; expected 20"),
        (0, "outputs", 1 << 40, "outputs; expected 1 to"),
        (0, "outputs", -8, "outputs; expected 1 to"),
        (0, "outputs", True, "outputs; expected 1 to"),
        (1, "inputs", 9, "has 9 inputs; expected 8"),
        (0, "activation", "exec", "activation"),
        (0, "type", "lambda", "one of type dense, convolution"),
    ],
)
def test_layers_that_do_not_match(parts, tmp_path, layer, key, value, message):
    tensors, description = parts
    description["network"][layer][key] = value
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("norm.mean", np.zeros(19, np.float32), r"norm.mean has shape \[19\]; expected \[20\]"),
        ("layers.0.weight", np.zeros((20, 8), np.float32), r"has shape \[20, 8\]"),
        ("layers.0.weight", np.zeros((8, 20), np.int64), "has type I64; expected F16 or F32"),
        ("layers.1.bias", np.zeros(4, np.float64), "has type F64; expected F16 or F32"),
        ("layers.1.bias", np.full(4, np.nan, np.float32), "not finite"),
        ("layers.0.weight", np.full((8, 20), np.inf, np.float32), "not finite"),
        ("norm.scale", np.zeros(20, np.float32), "not positive"),
        ("extra", np.zeros(1, np.float32), "unexpected extra"),
        ("layers.1.bias", None, "missing layers.1.bias"),
    ],
)
def test_tensors_that_do_not_match_the_description(parts, tmp_path, name, tensor, message):
    tensors, description = parts
    tensors = {k: v for k, v in {**tensors, name: tensor}.items() if v is not None}
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_description_is_not_json(parts, tmp_path, text):
    with pytest.raises(ModelError, match="description is not"):
        load_model(write(tmp_path, parts[0], text))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None
)
@given(st.data())
def test_flipped_bytes_load_or_raise_a_model_error(model, tmp_path, data):
    path = tmp_path / "m.safetensors"
    if not path.exists():
        save_model(model, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    spoilt = tmp_path / "spoilt.safetensors"
    spoilt.write_bytes(bytes(content))
    try:
        found = load_model(spoilt)
    except ModelError:
        return
    assert np.isfinite(found.mean).all()


@pytest.fixture
def frame_parts(tmp_path):
    """As `parts`, for a network on frames with a layer of every type; the second is packed."""
    rng = np.random.default_rng(3)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    packed = PackedWeight(
        pack(rng.integers(0, 8, 160, np.uint8), 3), 3, (16, 10), np.abs(normal(16))
    )
    layers = (
        Convolution(normal(6, 60), normal(6), 3, 2),
        LSTM(packed, normal(16)),
        GRU(normal(15, 9), normal(20)),
        AttentionPooling(normal(1, 5)),
        Dense(normal(4, 5), normal(4)),
    )
    card = ModelCard(
        "frames", LABELS, FeatureRecipe("mfcc20 frames", (Descriptor("mfcc", 20, 0, ()),))
    )
    path = tmp_path / "good.safetensors"
    save_model(Model(card, normal(20), np.abs(normal(20)) + 1, layers), path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return load(content), json.loads(header["__metadata__"]["serkit"])


def test_round_trip_of_every_layer_type(frame_parts, tmp_path):
    tensors, description = frame_parts
    model = load_model(write(tmp_path, tensors, description))
    kinds = (Convolution, LSTM, GRU, AttentionPooling, Dense)
    assert tuple(map(type, model.layers)) == kinds
    assert (model.layers[0].kernel, model.layers[0].stride) == (3, 2)
    assert model.layers[1].weight.bits == 3
    save_model(model, tmp_path / "again.safetensors")
    again = load((tmp_path / "again.safetensors").read_bytes())
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(again[name], tensor)
    card = card_as_text(NumpyBackend(model))
    assert "20-convolution 6-lstm 4-gru 5-attention-4, weights of 32, 3, 32, 32, 32 bits" in card
    assert "20 numbers per frame" in card


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [
        (0, {"kernel": 4}, "kernel of layer 0 is 4; expected 1 to 255, odd"),
        (0, {"kernel": 0}, "kernel of layer 0 is 0; expected 1 to 255"),
        (0, {"stride": 1 << 40}, "stride of layer 0 is 1099511627776; expected 1 to 255"),
        (0, {"kernel": 5}, "layers.0.weight has shape"),
        (1, {"outputs": 5}, "20 scales|16 scales|expected 1 or 20"),
        (1, {"inputs": 7}, "has 7 inputs; expected 6"),
        (1, {"bits": 9}, "9 bits"),
        (1, {"type": "gru"}, "16 scales; expected 1 or 12"),
        (1, {"kernel": {}, "outputs": 3}, "12 scales|16 scales"),
        (1, {"outputs": 5000}, "5000 outputs; expected 1 to 4096"),
        (1, {"inputs": 6.0}, r"has 6\.0 inputs; expected 6"),
        (3, {"outputs": 4}, None),
        (2, {"outputs": 0}, "0 outputs"),
        (3, {"type": "mean"}, "unexpected layers.3.weight"),
        (
            3,
            {"type": "dense", "outputs": 5, "activation": "none"},
            "output of the network is frames",
        ),
    ],
)
def test_inconsistent_layers_on_frames(frame_parts, tmp_path, layer, changes, message):
    tensors, description = frame_parts
    description["network"][layer] |= changes
    if message is None:  # what a type has no use for means nothing
        model = load_model(write(tmp_path, tensors, description))
        assert model.logits(stacked([np.zeros((20, 9), np.float32)])).shape == (1, 4)
        return
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description))


@pytest.mark.parametrize("key", ["temperature", "clip"])
@pytest.mark.parametrize("value", [10**400, 1e300, 1e-60, -1, 0, True])
def test_numbers_out_of_range(parts, tmp_path, key, value):
    tensors, description = parts
    description[key] = value
    with pytest.raises(ModelError, match=key):
        load_model(write(tmp_path, tensors, description))


@pytest.mark.parametrize("kind", ["convolution", "lstm", "gru", "attention", "mean"])
def test_layers_on_frames_need_frames(parts, tmp_path, kind):
    tensors, description = parts
    description["network"][0]["type"] = kind
    with pytest.raises(ModelError, match=f"layer 0 is of type {kind}, which needs frames"):
        load_model(write(tmp_path, tensors, description))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", True),
        ("sample_rate", 16000.0),
        ("name", "\ud800"),
        ("labels", ["\ud800", "b", "c", "d"]),
    ],
)
def test_values_of_the_wrong_type(parts, tmp_path, key, value):
    tensors, description = parts
    description[key] = value
    with pytest.raises(ModelError, match=key):
        load_model(write(tmp_path, tensors, description))


def test_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="is a pipe or a device"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"ua": float("nan")}, r"figures\.ua: the number nan"),
        ({"ua": [float("inf")]}, r"figures\.ua\.0: the number inf"),
        ({"\ud800": 1}, "not valid Unicode"),
        ({"ua": "\udfff"}, r"figures\.ua: the text '\\udfff' is not valid Unicode"),
        ({"ua": 10**900}, r"figures\.ua: a number of 2990 bits"),
        ({"ua": 10**4000}, "a number of 4001 digits"),
    ],
)
def test_a_card_is_plain_json(parts, tmp_path, value, problem):
    tensors, description = parts
    description["figures"] = value
    with pytest.raises(ModelError, match=problem) as refused:
        load_model(write(tmp_path, tensors, description))
    assert "\n" not in str(refused.value)


TYPICAL = Typical(0.99, 1.5, as_text(np.eye(24)))


def test_round_trip_of_typical(model, tmp_path):
    bare = save_model(model, tmp_path / "bare.safetensors")
    size = save_model(model.with_card(typical=TYPICAL), tmp_path / "m.safetensors")
    assert size - bare < 1000
    assert load_model(tmp_path / "m.safetensors").card.typical == TYPICAL
    assert load_model(tmp_path / "bare.safetensors").card.typical is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        {},
        asdict(TYPICAL) | {"more": 1},
        asdict(TYPICAL) | {"share": 1.0},
        asdict(TYPICAL) | {"share": "0.99"},
        asdict(TYPICAL) | {"limit": -1.0},
        asdict(TYPICAL) | {"limit": True},
        asdict(TYPICAL) | {"whitening": 7},
        asdict(TYPICAL) | {"whitening": "AAAA"},
        asdict(TYPICAL) | {"whitening": "\N{SNOWMAN}"},
        asdict(TYPICAL) | {"whitening": as_text(np.eye(100))},
    ],
)
def test_a_damaged_typical_is_refused(parts, tmp_path, values):
    tensors, description = parts
    path = write(tmp_path, tensors, description | {"typical": values})
    with pytest.raises(ModelError, match="typical") as caught:
        load_model(path)
    assert len(str(caught.value)) < 600


def packed_layer(kind, inputs, outputs):
    return {"type": kind, "inputs": inputs, "outputs": outputs, "bits": 1, "scales": 1}


@pytest.mark.parametrize(
    ("network", "hop", "message"),
    [
        # A bit a weight: files of a megabyte.
        ([packed_layer("lstm", 20, 1300)], 512, "takes 6874404 parameters; expected at most 50"),
        ([packed_layer("lstm", 20, 1000)], 64, "operations per second of sound; expected"),
        ([packed_layer("dense", 20, 4096) | {"activation": "relu"}], 16, "bytes between two"),
        ([packed_layer("gru", 20, 500)] * 2, 512, "has 500 inputs|has 20 inputs"),
    ],
)
def test_a_network_has_a_budget(frame_parts, tmp_path, network, hop, message):
    """Checked before any tensor: the file has no tensors of these layers."""
    tensors, description = frame_parts
    width = network[-1]["outputs"]
    last = {"type": "dense", "inputs": width, "outputs": 4, "activation": "none"}
    description["network"] = [*network, {"type": "mean"}, last]
    description["features"]["hop"] = hop
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description))


def test_features_beyond_the_budget_are_a_model_error(parts, tmp_path):
    """A file of 876 bytes whose features take five gigabytes for ten seconds of sound."""
    tensors, description = parts
    description["features"] |= {"n_fft": 65536, "hop": 16}
    message = "million operations per second of sound; expected at most 500 million"
    with pytest.raises(ModelError, match=message):
        load_model(write(tmp_path, tensors, description))


def speakers_of(n_labels):
    width = n_labels - 1
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((3, width, width))
    covariances = factors @ factors.transpose(0, 2, 1) + np.eye(width)
    return SpeakerModel(rng.standard_normal((n_labels, width)), *covariances)


def test_round_trip_of_speakers(model, tmp_path):
    known = speakers_of(len(LABELS))
    save_model(model.with_card(speakers=known), tmp_path / "m.safetensors")
    read = load_model(tmp_path / "m.safetensors").card.speakers
    for name in ("means", "between", "interaction", "within"):
        np.testing.assert_allclose(getattr(read, name), getattr(known, name), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("means", "?"),
        ("means", ""),
        ("means", None),
        ("between", "AAA"),
        ("between", as_text(np.eye(2))),
        ("within", as_text(-np.eye(3))),
        ("within", as_text(np.zeros((3, 3)))),
        ("interaction", as_text(np.full((3, 3), np.nan))),
        ("other", ""),
    ],
)
def test_damaged_speakers_are_refused(parts, tmp_path, key, value):
    tensors, description = parts
    speakers = describe_speakers(speakers_of(len(LABELS))) | {key: value}
    path = write(tmp_path, tensors, description | {"speakers": speakers})
    with pytest.raises(ModelError, match="speakers"):
        load_model(path)


@pytest.mark.parametrize("value", [[], 1, "x", {}])
def test_speakers_of_another_type_are_refused(parts, tmp_path, value):
    tensors, description = parts
    with pytest.raises(ModelError, match="speakers"):
        load_model(write(tmp_path, tensors, description | {"speakers": value}))
