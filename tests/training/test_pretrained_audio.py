"""Folders and ids of classifiers: what is loaded, and what is refused before it is read."""

import json
import pickle
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from audio_toys import EMOTIONS, configuration, make_classifier, make_dimensional, preprocessor
from serkit.errors import ModelError
from serkit.hub import CardHead, head_of, opened
from serkit.training.audio_configuration import FAMILIES, WAVEFORM_FAMILIES
from serkit.training.pretrained_audio import load_audio


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    return make_classifier(tmp_path_factory.mktemp("hub") / "toy", "wav2vec2")


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "toy")


def weights(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def same(first, second):
    return all(
        torch.equal(one, other)
        for one, other in zip(
            first.network.state_dict().values(), second.network.state_dict().values(), strict=True
        )
    )


def test_a_folder_is_loaded_with_its_card(folder):
    from transformers import AutoModelForAudioClassification

    found = load_audio(str(folder))
    assert (found.name, found.labels) == ("toy", EMOTIONS)
    assert (found.architecture, found.last) == ("Wav2Vec2ForSequenceClassification", "classifier")
    assert found.head == CardHead("apache-2.0", "toys/base", ("narad/ravdess",))
    theirs = AutoModelForAudioClassification.from_pretrained(folder)
    assert found.n_parameters == theirs.num_parameters()
    expected = theirs.state_dict()
    assert found.network.state_dict().keys() == expected.keys()
    assert all(torch.equal(v, expected[k]) for k, v in found.network.state_dict().items())


def test_shards_and_names_of_earlier_versions(folder):
    expected = load_audio(str(folder))
    state = load_file(folder / "model.safetensors")
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in state.items()
    }
    assert old.keys() != state.keys()
    names = sorted(old)
    parts = {"model-00001-of-00002.safetensors": names[:9]}
    parts["model-00002-of-00002.safetensors"] = names[9:]
    for part, keys in parts.items():
        save_file({key: old[key] for key in keys}, folder / part)
    table = {key: part for part, keys in parts.items() for key in keys}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (folder / "model.safetensors").unlink()
    assert same(load_audio(str(folder)), expected)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model-00002-of-00002.safetensors is missing; get the"):
        load_audio(str(folder))
    table[names[0]] = "../../model-00001-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    with pytest.raises(ModelError, match=r"index.json names .*; expected 1 to 64 files such"):
        load_audio(str(folder))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("make", [make_classifier, make_dimensional])
def test_half_precision_is_widened(tmp_path, make, dtype):
    folder = make(tmp_path / "half")
    weights(folder, lambda state: state.update({k: v.to(dtype) for k, v in state.items()}))
    configuration(folder, dtype=str(dtype).removeprefix("torch."))
    found = load_audio(str(folder)).network.state_dict()
    assert {value.dtype for value in found.values()} == {torch.float32}


def test_pickled_weights_only_if_asked_for(folder):
    expected = load_audio(str(folder))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    assert same(load_audio(str(folder)), expected)  # safetensors are preferred
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights are pickled .pytorch_model.bin.; .*--allow-pic"):
        load_audio(str(folder))
    assert same(load_audio(str(folder), allow_pickle=True), expected)


class _Evil:
    def __reduce__(self):
        return print, ("evil",)


def test_a_pickle_runs_no_code_even_if_asked_for(folder, capsys):
    (folder / "model.safetensors").unlink()
    for content in (pickle.dumps(_Evil()), pickle.dumps({"a": 1}), b"nothing"):
        (folder / "pytorch_model.bin").write_bytes(content)
        with pytest.raises(ModelError):
            load_audio(str(folder), allow_pickle=True)
    assert "evil" not in capsys.readouterr().out


def without(*names):
    def change(state):
        for name in names:
            del state[name]

    return change


BAD_WEIGHTS = {
    "a head is missing": (
        without("classifier.weight", "classifier.bias"),
        "the weights are not those of Wav2Vec2ForSequenceClassification: missing "
        "classifier.bias, classifier.weight; unexpected none",
    ),
    "something is left": (
        lambda state: state.update({"quantizer.codevectors": torch.zeros(3)}),
        "missing none; unexpected quantizer.codevectors. Expected a fine-tuned classifier",
    ),
    "another shape": (
        lambda state: state.update({"classifier.weight": torch.zeros(7, 20)}),
        r"classifier.weight has shape \[7, 20\]; expected \[4, 20\], as in its config",
    ),
    "not a number": (
        lambda state: state["projector.bias"].fill_(torch.nan),
        "'projector.bias' has values that are not finite",
    ),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_of_another_network_are_named(folder, name):
    change, message = BAD_WEIGHTS[name]
    weights(folder, change)
    with pytest.raises(ModelError, match=message):
        load_audio(str(folder))


def test_weights_of_another_architecture(folder, tmp_path):
    make_classifier(tmp_path / "other", "hubert")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(ModelError, match=r"missing wav2vec2\..* and \d+ more; unexpected hubert"):
        load_audio(str(folder))


def test_a_model_too_large_for_the_memory_is_not_read(folder, monkeypatch):
    monkeypatch.setattr("serkit.training.pretrained_audio.available_bytes", lambda: 1_000_000)
    with pytest.raises(ModelError, match=r"MB of weights need about .* GB of memory, and 0\.0 GB"):
        load_audio(str(folder))


def test_what_is_not_used_may_be_missing(folder):
    weights(folder, without("wav2vec2.masked_spec_embed"))
    assert load_audio(str(folder)).labels == EMOTIONS


BAD_CONFIGURATION = {
    "code": ({"auto_map": {"AutoModel": "evil.Model"}}, "config.json asks for code of the reposit"),
    "text": ({"model_type": "bert"}, "model_type is 'bert'; expected a model of sound of one"),
    "no type": ({"model_type": None}, "model_type is None; expected a model of sound"),
    "quantised": ({"quantization_config": {"load_in_8bit": True}}, "the weights are quantised"),
    "layers": ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; expected 1 to 256"),
    "large": ({"intermediate_size": 2**24}, "its weights take 8.72 GB; expected at most 2 GB"),
    "adapter": ({"add_adapter": True}, "cannot be loaded: .*adapters"),
    "labels": (
        {"id2label": {"0": "a", "1": "a", "2": "b", "3": "c"}},
        "id2label is .*; expected 4",
    ),
    "long name": (
        {"id2label": {"0": "a" * 1000, "1": "b", "2": "c", "3": "d"}},
        "an output is named 'aaa.*; expected at most 100 characters",
    ),
    "gap": ({"id2label": {"0": "a", "2": "b", "3": "c", "9": "d"}}, "id2label is .*; expected 4 d"),
    "layers of convolutions": ({"conv_dim": [1] * 1000}, "conv_dim is .*; expected 1 to 256 numbe"),
    "stride": ({"conv_stride": [0] * 7}, "conv_stride is .*; expected 1 to 256 numbers from 1"),
    "nonsense": ({"hidden_size": "x"}, "cannot be loaded: "),
}


@pytest.mark.parametrize("name", BAD_CONFIGURATION)
def test_a_bad_configuration_is_refused(folder, name):
    changes, message = BAD_CONFIGURATION[name]
    configuration(folder, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load_audio(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auto_map": {"AutoFeatureExtractor": "evil.E"}}, "preprocessor_config.json asks for cod"),
        ({"sampling_rate": 8000}, "its sampling rate is 8000 Hz; expected 16000"),
        ({"feature_size": 2}, "feature_size of its feature extractor is 2; expected 1"),
    ],
)
def test_a_bad_feature_extractor_is_refused(folder, changes, message):
    preprocessor(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load_audio(str(folder))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("whisper", {"feature_size": 128}, "feature_size .* is 128; expected 80"),
        ("whisper", {"dither": 0.1}, r"dither .* is 0\.1; expected 0\.0"),
        ("whisper", {"chunk_length": 15}, "chunk_length .* is 15; expected 10"),
    ],
)
def test_other_preprocessing_than_ours_is_refused(tmp_path, kind, changes, message):
    folder = make_classifier(tmp_path / kind, kind)
    preprocessor(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load_audio(str(folder))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "toy has no config.json; expected the folder or id of a model"),
        ("preprocessor_config.json", None, "toy has no preprocessor_config.json; expected"),
        ("config.json", "[]", r"config.json: is \[\]; expected a JSON object"),
        ("config.json", "{", r"config.json: not JSON"),
        ("config.json", "[" * 9999, "config.json: lists and objects are nested too deeply"),
        ("config.json", '{"a": "' + "x" * (1 << 20) + '"}', "is larger than 1,048,576 bytes"),
        ("model.safetensors", None, "toy: it has no model.safetensors; expected model.safetensor"),
        ("model.safetensors", "nothing", "toy cannot be loaded: .*header"),
    ],
)
def test_missing_and_damaged_files(folder, name, content, message):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        load_audio(str(folder))


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    for name in ("config.json", "model.safetensors", "README.md"):
        shutil.move(folder / name, tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(ModelError, match="is a link out of the folder; expected a file"):
            load_audio(str(folder))
        (folder / name).unlink()
        shutil.move(tmp_path / name, folder / name)
    assert load_audio(str(folder)).labels == EMOTIONS


def test_the_head_of_two_layers_has_conditions(tmp_path):
    folder = make_dimensional(tmp_path / "dims")
    assert load_audio(str(folder)).labels == ("arousal", "dominance", "valence")
    assert load_audio(str(folder)).architecture == "Wav2Vec2ForSpeechClassification"
    configuration(folder, pooling_mode="max")
    with pytest.raises(ModelError, match="with 'max' pooling; expected a waveform model with mean"):
        load_audio(str(folder))
    configuration(folder, pooling_mode="mean")
    weights(folder, without("classifier.out_proj.bias"))
    with pytest.raises(ModelError, match=r"DenseHead: missing classifier.out_proj.bias"):
        load_audio(str(folder))


def test_a_processor_names_the_extractor_too(folder):
    values = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": values}))
    assert load_audio(str(folder)).labels == EMOTIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", CardHead()),
        ("# Title\nlicense: mit\n", CardHead()),
        ("---\nlicense: mit\n---\n# T", CardHead("mit")),
        ("---\r\nlicense: mit\r\n---\r\n", CardHead("mit")),
        ("---\nlicense: other\nlicense_name: my-own\n---\n", CardHead("my-own")),
        ("---\nlicense: [mit, apache-2.0]\n---\n", CardHead("mit, apache-2.0")),
        (
            "---\nbase_model:\n- a/b\ndatasets: [c, d/e, 7]\n---\n",
            CardHead("", "a/b", ("c", "d/e")),
        ),
        ("---\nlicense: {a: b}\ndatasets: 3\n---\n", CardHead()),
        ("---\nlicense: !!python/object/apply:os.system [ls]\n---\n", CardHead()),
        ("---\nlicense: 'a\x1b[31m'\n---\n", CardHead()),
        (f"---\nlicense: {'y' * 500}\n---\n", CardHead("y" * 97 + "...")),
        ("---\n- a\n---\n", CardHead()),
    ],
)
def test_the_head_of_a_model_card(text, expected):
    assert head_of(text) == expected


def cached(root, folder, *, revision="0123456789abcdef0123456789abcdef01234567"):
    """A folder as the hub's cache lays it out: a snapshot of links to blobs."""
    place = root / "models--toys--one"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(revision)
    snapshot = place / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (place / "blobs").mkdir()
    for i, path in enumerate(sorted(folder.iterdir())):
        shutil.copy(path, place / "blobs" / f"{i:040x}")
        (snapshot / path.name).symlink_to(f"../../blobs/{i:040x}")
    return snapshot


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty cache, and a hub that cannot be reached."""
    from huggingface_hub import constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = tmp_path / "cache"
    for name, value in {
        "HF_HUB_CACHE": str(root),
        "ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HUB_OFFLINE": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    return root


def test_an_id_is_taken_from_the_cache_offline(folder, hub):
    snapshot = cached(hub, folder)
    found = load_audio("toys/one")
    assert found.name == "toys/one@0123456789ab"
    assert same(found, load_audio(str(folder)))
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"toys/one@0123456789ab: it has no model.safetensors"):
        load_audio("toys/one")
    (snapshot / "config.json").unlink()
    with pytest.raises(ModelError, match="the download is not complete, so import it online"):
        load_audio("toys/one")


@pytest.mark.parametrize("offline", [True, False])
def test_an_id_without_a_network_is_a_clear_error(hub, monkeypatch, offline):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    with pytest.raises(ModelError, match="toys/none is not in the cache, and the Hugging Face hub"):
        opened("toys/none", "*.json")
    for name in ("no such thing", "../x", "a/b/c", "http://x/y", ""):
        with pytest.raises(ModelError, match="is neither a folder nor an id on the Hugging Face"):
            opened(name, "*.json")


def test_every_family_is_one_of_transformers():
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES

    assert set(FAMILIES) < set(MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES)
    assert len(WAVEFORM_FAMILIES) == len(FAMILIES) - 2
