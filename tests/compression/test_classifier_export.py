"""Imported classifiers against transformers' own pipeline, with random weights of all families."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch

from audio_toys import (
    EMOTIONS,
    KINDS,
    SPEECH,
    configuration,
    make_classifier,
    make_dimensional,
    scores_by_transformers,
)
from serkit.audio import read
from serkit.compression.classifier_export import export_classifier, save_classifier, with_card
from serkit.compression.imported_card import card_of, named
from serkit.compression.onnx_integers import in_bits
from serkit.errors import ModelError
from serkit.hub import CardHead
from serkit.runtime import OnnxBackend, Recognizer
from serkit.training.pretrained_audio import load_audio

RATE = 16_000

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")


@pytest.fixture(scope="module")
def speech():
    """Speech of 0.1 s, 3 s and 9 s, the latter in one window."""
    plain, fast = (read(SPEECH / f"{name}.flac") for name in ("plain", "fast-high-loud"))
    return [plain[8000:9600], 0.3 * fast, np.resize(plain, 9 * RATE)]


def imported(folder, *, int8=False, **options):
    pretrained = load_audio(str(folder))
    naming = named(pretrained.labels, {})
    card = card_of(pretrained, naming, name="toy")
    exported = export_classifier(pretrained, card, int8=int8, **options)
    return exported, card, naming


def recognizer(folder, **options):
    exported, card, _ = imported(folder, **options)
    return Recognizer(OnnxBackend(Path("toy.onnx"), with_card(exported, card), threads=1))


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_answers_as_the_pipeline_of_transformers(tmp_path, speech, kind):
    folder = make_classifier(tmp_path / kind, kind)
    model = recognizer(folder)
    assert model.labels == ("angry", "happy", "neutral", "sad")
    everything = []
    for sound in speech:
        found = model((sound, RATE)).scores
        expected = scores_by_transformers(folder, sound)
        theirs = [expected[name] for name in EMOTIONS]
        # The extractor of AST computes its spectrum in float64, and we in float32.
        atol = 2e-4 if kind == "audio-spectrogram-transformer" else 2e-5
        assert list(found.values()) == pytest.approx(theirs, abs=atol)
        everything.append(theirs)
    assert np.ptp(everything, axis=0).max() > 0.01  # the answers depend on the sound


def test_sound_is_normalised_only_where_the_extractor_does(tmp_path, speech):
    folder = make_classifier(tmp_path / "plain", "wav2vec2", normalise=False)
    model = recognizer(folder)
    quiet, loud = (model((gain * speech[1], RATE)).scores for gain in (0.1, 1.0))
    for gain, found in ((0.1, quiet), (1.0, loud)):
        expected = scores_by_transformers(folder, np.float32(gain) * speech[1])
        assert list(found.values()) == pytest.approx([expected[n] for n in EMOTIONS], abs=2e-5)
    assert quiet != pytest.approx(loud, abs=1e-4)


def test_the_embedding_is_the_pooled_input_of_the_classifier(tmp_path, speech):
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    folder = make_classifier(tmp_path / "m", "hubert")
    network = AutoModelForAudioClassification.from_pretrained(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    values = extractor(speech[1], sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        states = network.hubert(values.input_values).last_hidden_state
        pooled = network.projector(states).mean(dim=1)[0].numpy()
    model = recognizer(folder)
    np.testing.assert_allclose(model.embed((speech[1], RATE))[0], pooled, rtol=1e-4, atol=1e-5)
    assert model.backend.embedding_width == 20


def by_hand(folder, samples):
    """audEERING's model by its parts: transformer, mean, dense, tanh, linear."""
    from safetensors.torch import load_file
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    base = Wav2Vec2Model(Wav2Vec2Config.from_pretrained(folder)).eval()
    state = load_file(folder / "model.safetensors")
    head = {n.removeprefix("classifier."): v for n, v in state.items() if "classifier" in n}
    renamed = {
        name.removeprefix("wav2vec2.")
        .replace("weight_g", "parametrizations.weight.original0")
        .replace("weight_v", "parametrizations.weight.original1"): value
        for name, value in state.items()
        if name.startswith("wav2vec2.")
    }
    base.load_state_dict(renamed)
    values = Wav2Vec2FeatureExtractor.from_pretrained(folder)(
        samples, sampling_rate=RATE, return_tensors="pt"
    ).input_values
    with torch.no_grad():
        pooled = base(values).last_hidden_state.mean(dim=1)
        hidden = torch.tanh(pooled @ head["dense.weight"].T + head["dense.bias"])
        return (hidden @ head["out_proj.weight"].T + head["out_proj.bias"])[0].numpy()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 5.0)])
def test_a_dimensional_model_gives_its_values_on_our_scale(tmp_path, speech, low, high):
    folder = make_dimensional(tmp_path / "dims")
    exported, card, _ = imported(folder, value_range=(low, high))
    assert (card.labels, card.dimensions) == ((), ("arousal", "dominance", "valence"))
    model = Recognizer(OnnxBackend(Path("d.onnx"), with_card(exported, card), threads=1))
    for sound in speech[1:]:
        expected = np.clip(2.0 * (by_hand(folder, sound) - low) / (high - low) - 1.0, -1.0, 1.0)
        answer = model((sound, RATE))
        assert (answer.label, answer.scores, answer.affect.source) == (None, {}, "learned")
        found = [answer.arousal, answer.dominance, answer.valence]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_head_of_two_layers_with_categories(tmp_path, speech):
    folder = make_dimensional(tmp_path / "head", labels=EMOTIONS)
    logits = by_hand(folder, speech[1])
    expected = np.exp(logits) / np.exp(logits).sum()
    found = recognizer(folder)((speech[1], RATE)).scores
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=2e-5)


def test_integers_are_small_and_close(tmp_path, speech):
    """Whisper's spectrogram stays in float: eight decades do not survive 8 bits."""
    folder = make_classifier(
        tmp_path / "wide", "whisper", d_model=128, encoder_ffn_dim=512, encoder_layers=4
    )
    full, card, _ = imported(folder)
    small, _, _ = imported(folder, int8=True, sounds=speech)
    assert len(small.graph) < 0.55 * len(full.graph)  # of it, 643 KB are the spectrum
    contents = with_card(full, card), with_card(small, card)
    backends = [OnnxBackend(Path("m.onnx"), content, threads=1) for content in contents]
    assert [one.facts["precision"] for one in backends] == ["fp32", "int8"]
    theirs, ours = (one.outputs(speech).embeddings for one in backends)
    error = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert 1e-4 < error.max() < 0.3
    assert full.probability_difference < 1e-5 < small.probability_difference < 0.1


def test_the_convolutions_of_a_waveform_model_are_integers(tmp_path, speech):
    """Random ones say nothing of the error of trained ones."""
    changes = {"hidden_size": 128, "conv_dim": (64,) * 7, "num_conv_pos_embedding_groups": 16}
    folder = make_classifier(tmp_path / "wide", "hubert", intermediate_size=512, **changes)
    full, card, _ = imported(folder)
    small, _, _ = imported(folder, int8=True, sounds=speech)
    assert len(small.graph) < 0.4 * len(full.graph)
    graph = onnx.load_model_from_string(small.graph).graph
    producer = {name: node.op_type for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    # Those of the samples are products; that of the positions remains.
    assert [producer.get(node.input[1]) for node in convolutions] == ["DequantizeLinear"]
    assert [node.op_type for node in graph.node].count("Sigmoid") == 7
    outputs = OnnxBackend(Path("m.onnx"), with_card(small, card), threads=1).outputs(speech)
    assert np.isfinite(outputs.logits).all()


def test_weights_of_fewer_bits_make_a_smaller_file(tmp_path, speech):
    changes = {"hidden_size": 128, "conv_dim": (64,) * 7, "num_conv_pos_embedding_groups": 16}
    folder = make_classifier(tmp_path / "wide", "hubert", intermediate_size=512, **changes)
    full, card, _ = imported(folder)
    sizes, errors = [], []
    theirs = OnnxBackend(Path("m.onnx"), with_card(full, card), threads=1).outputs(speech)
    for packed in (None, lambda graph, _: in_bits(graph, 5), lambda graph, _: in_bits(graph, 2)):
        small, _, _ = imported(folder, int8=True, packed=packed, sounds=speech)
        ours = OnnxBackend(Path("m.onnx"), with_card(small, card), threads=1).outputs(speech)
        sizes.append(len(small.graph))
        errors.append(float(np.abs(ours.embeddings - theirs.embeddings).mean()))
    assert sizes[1] < 0.9 * sizes[0]  # of a toy, the operators that unpack are a part
    assert sizes[2] < 0.7 * sizes[0]
    assert errors[0] < errors[2]


def test_a_graph_that_differs_from_torch_is_refused(tmp_path, monkeypatch):
    from serkit.compression import classifier_export

    folder = make_classifier(tmp_path / "m", "hubert")
    right = classifier_export._by_torch

    def wrong(network, sound):
        outputs, embeddings = right(network, sound)
        return outputs + 0.1, embeddings

    monkeypatch.setattr(classifier_export, "_by_torch", wrong)
    with pytest.raises(ModelError, match=r"differs from torch by .*; expected at most 0\.001"):
        imported(folder)


def test_a_saved_model_is_the_one_that_was_exported(tmp_path, speech):
    folder = make_classifier(tmp_path / "m", "wavlm")
    exported, card, _ = imported(folder)
    path = tmp_path / "m.onnx"
    size = save_classifier(exported, replace(card, temperature=2.0), path)
    backend = OnnxBackend.load(path, threads=1)
    assert size == path.stat().st_size == backend.file_bytes
    plain = OnnxBackend(path, with_card(exported, card), threads=1)
    halved = plain.outputs([speech[1]]).logits / 2.0
    np.testing.assert_allclose(backend.outputs([speech[1]]).logits, halved, rtol=1e-6)


def test_windows_fit_the_longest_sound(tmp_path):
    pretrained = load_audio(
        str(make_classifier(tmp_path / "ast", "audio-spectrogram-transformer", max_length=600))
    )
    naming = named(pretrained.labels, {})
    assert card_of(pretrained, naming, name="m").window_s == 4.8  # 6 s by 1.25
    with pytest.raises(ModelError, match=r"at most 6 s.*; expected windows of 0.5 to 4.8 s"):
        card_of(pretrained, naming, name="m", window_s=5.0)


def test_a_network_for_longer_sounds_is_refused(tmp_path):
    folder = make_classifier(tmp_path / "m")
    configuration(folder, conv_stride=[60_000, *[2] * 6])
    with pytest.raises(ModelError, match=r"cannot be run on 0\.1 s of sound: "):
        imported(folder)


def test_more_labels_than_a_model_may_have_are_refused():
    with pytest.raises(ModelError, match=r"labels is .*; expected 2 to 1024 different names"):
        card_of(
            SimpleNamespace(name="m", longest_s=None, architecture="A", head=CardHead()),
            named([f"label {i}" for i in range(2000)], {}),
            name="m",
        )


def test_names_are_translated_kept_and_changed():
    theirs = ("anger", "Joy", "NEU", "pleasant_surprise", "LABEL_4", "Contempt")
    naming = named(theirs, {"LABEL_4": "sad"})
    assert naming.theirs == theirs
    assert naming.labels == ("angry", "happy", "neutral", "surprised", "sad", "Contempt")
    assert naming.dimensions == ()
    assert named(("valence", "arousal"), {}).dimensions == ("valence", "arousal")
    assert named(("Arousal",), {}).dimensions == ("arousal",)


@pytest.mark.parametrize(
    ("theirs", "changes", "message"),
    [
        (("joy", "happiness"), {}, "joy and happiness are both named happy; give one another name"),
        (("a", "b"), {"b": "a"}, "a and b are both named a"),
        (("a", "b"), {"c": "a"}, "no output 'c' to rename; the outputs are a, b"),
        (("a",), {}, "the only output is a; expected at least two categories"),
    ],
)
def test_names_that_cannot_be(theirs, changes, message):
    with pytest.raises(ModelError, match=message):
        named(theirs, changes)
