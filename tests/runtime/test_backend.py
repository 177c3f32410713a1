"""Everything above a backend works with any of them; what a NumPy backend computes, by hand."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import serkit
from serkit.errors import ModelError
from serkit.features import Descriptor, FeatureRecipe, LogMelRecipe, extract, extract_of_log_mel
from serkit.runtime import (
    Dense,
    Embedding,
    MeanPooling,
    Model,
    ModelCard,
    NumpyBackend,
    Outputs,
    Recognizer,
    Typical,
    Waveform,
    load_network,
    save_model,
)
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.card_text import card_as_json, card_as_text
from serkit.runtime.report import write_report
from serkit.runtime.typical import as_text

RATE = 16_000


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * samples).astype(np.float32)


class Loudness:
    """A backend without features or weights: the logit of `loud` is the level in units of 0.1."""

    file_bytes = 7
    embedding_width = 1
    digest = "0" * 32

    def __init__(self, **card):
        self.card = ModelCard("loudness", ("quiet", "loud"), Waveform(), **card)
        self.facts = {"operator": "root mean square"}
        self.lengths = []

    def outputs(self, windows):
        self.lengths += [len(window) for window in windows]
        level = np.array([10.0 * np.sqrt(np.mean(np.square(window))) for window in windows])
        logits = np.stack((np.zeros_like(level), level), axis=1).astype(np.float32)
        return Outputs(logits, logits[:, 1:], level.astype(np.float32))


def loud(level):
    """Probability of `loud` at a level."""
    return 1.0 / (1.0 + np.exp(-10.0 * level))


def at(level, seconds):
    """Noise of exactly this RMS level."""
    samples = noise(seconds).astype(np.float64)
    return (level / np.sqrt(np.mean(np.square(samples))) * samples).astype(np.float32)


def test_a_recognizer_needs_no_more_than_the_protocol():
    backend = Loudness()
    recognizer = Recognizer(backend)
    answer = recognizer((at(0.2, 3), RATE))
    assert answer.label == "loud"
    assert answer.scores == pytest.approx({"quiet": 1 - loud(0.2), "loud": loud(0.2)}, rel=1e-5)
    assert recognizer((at(0.2, 3), RATE), labels=["quiet"]).scores == {"quiet": 1.0}
    assert repr(recognizer) == "Recognizer('loudness', labels=['quiet', 'loud'])"
    (window,) = recognizer.windows((at(0.2, 3), RATE))
    assert window.scores == pytest.approx(answer.scores, rel=1e-6)
    many = list(recognizer.predict_many([(at(0.1, 2), RATE), b"nothing"]))
    assert [type(one).__name__ for one in many] == ["Prediction", "AudioError"]


def test_the_windows_are_those_of_the_card():
    backend = Loudness(window_s=2.0)
    sound = np.concatenate((at(0.05, 2), at(0.3, 2), at(0.1, 1)))
    answer = Recognizer(backend)((sound, RATE))
    assert backend.lengths == [2 * RATE, 2 * RATE, RATE]
    expected = (2 * loud(0.05) + 2 * loud(0.3) + loud(0.1)) / 5
    assert answer.scores["loud"] == pytest.approx(expected, rel=1e-5)


def test_distances_of_any_backend_are_held_against_the_card():
    typical = Typical(0.95, 2.5, as_text(np.eye(1)))
    recognizer = Recognizer(Loudness(typical=typical))
    assert not recognizer((at(0.2, 3), RATE)).warnings
    (caution,) = recognizer((at(0.3, 3), RATE)).warnings
    assert (caution.code, "distance 3.00" in caution.message) == ("far-from-training", True)
    known = Recognizer(Loudness())
    assert not known((at(0.3, 3), RATE)).warnings


def test_the_card_and_the_report_show_any_backend(tmp_path):
    backend = Loudness()
    text, values = card_as_text(backend), card_as_json(backend)
    for shown in ("loudness: quiet, loud", "7 bytes", "root mean square"):
        assert shown in text
    assert '"operator": "root mean square"' in values
    answer = Recognizer(backend)((at(0.2, 1), RATE))
    sound = tmp_path / "a.wav"
    soundfile.write(sound, at(0.2, 1), RATE)
    write_report(tmp_path / "report.html", [(str(sound), answer)], backend=backend)
    assert "loudness" in (tmp_path / "report.html").read_text()


def test_the_backend_is_chosen_by_the_content(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    expected = serkit.load(path)((noise(2), RATE))
    for name in ("model.onnx", "model", "model.wav"):
        shutil.copy(path, tmp_path / name)
        loaded = serkit.load(tmp_path / name)
        assert isinstance(loaded.backend, NumpyBackend)
        assert loaded((noise(2), RATE)) == expected
    (tmp_path / "other.safetensors").write_bytes(b"neither safetensors nor anything else")
    with pytest.raises(ModelError, match="not a model file, or truncated or damaged"):
        serkit.load(tmp_path / "other.safetensors")
    assert not NumpyBackend.reads(tmp_path / "other.safetensors")
    assert not NumpyBackend.reads(tmp_path / "none")
    assert not NumpyBackend.reads(tmp_path)


def test_facts_and_size_are_those_of_the_file(model, tmp_path):
    save_model(model, tmp_path / "m.safetensors")
    backend = serkit.load(tmp_path / "m.safetensors").backend
    assert backend.file_bytes == (tmp_path / "m.safetensors").stat().st_size
    assert backend.facts == {"n_parameters": 20 * 8 + 8 + 8 * 4 + 4, "network": "20-8-4"}


def test_embeddings_are_the_input_of_the_last_layer(model):
    samples = [noise(1, 1), noise(2, 2), 0.01 * noise(1, 3)]
    outputs = NumpyBackend(model).outputs(samples)
    features = np.stack([extract(model.card.input, one) for one in samples]).astype(np.float64)
    first, last = model.layers
    standardised = np.clip((features - model.mean) / model.scale, -3.0, 3.0)
    hidden = np.maximum(standardised @ first.weight.T + first.bias, 0.0)
    logits = (hidden @ last.weight.T + last.bias) / 1.5
    np.testing.assert_allclose(outputs.embeddings, hidden, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-4)
    assert outputs.distances is None


def test_the_embedding_of_a_network_of_one_layer_is_its_standardised_input(model):
    layer = Dense(np.ones((4, 20), np.float32), np.zeros(4, np.float32))
    backend = NumpyBackend(replace(model, layers=(layer,)))
    features = extract(model.card.input, noise(1))
    expected = np.clip((features - model.mean) / model.scale, -3.0, 3.0)
    np.testing.assert_allclose(backend.outputs([noise(1)]).embeddings, [expected], rtol=1e-5)


def test_a_batch_changes_nothing_on_vectors_or_frames(model):
    recipe = FeatureRecipe("frames", (Descriptor("mfcc", 20, functionals=()),))
    first, last = model.layers
    on_frames = replace(model.with_card(input=recipe), layers=(first, MeanPooling(), last))
    samples = [noise(seconds, i) for i, seconds in enumerate((1.0, 0.3, 2.2))]
    for backend in (NumpyBackend(model), NumpyBackend(on_frames)):
        together = backend.outputs(samples)
        for i, one in enumerate(samples):
            alone = backend.outputs([one])
            np.testing.assert_allclose(together.logits[i], alone.logits[0], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(
                together.embeddings[i], alone.embeddings[0], rtol=1e-5, atol=1e-6
            )
    frames = extract(recipe, samples[0])
    rows = np.clip((frames.T - model.mean) / model.scale, -3.0, 3.0)
    hidden = np.maximum(rows @ first.weight.T + first.bias, 0.0).mean(axis=0)
    found = NumpyBackend(on_frames).outputs(samples[:1]).embeddings[0]
    np.testing.assert_allclose(found, hidden, rtol=1e-4, atol=1e-4)


INPUTS = {
    "features": FeatureRecipe("mel", (Descriptor("log-mel"),), n_mels=20),
    "log_mel": LogMelRecipe("whisper", (Descriptor("mfcc", 13), Descriptor("level")), gate_db=30.0),
    "waveform": Waveform(),
    "embedding": Embedding("distilhubert", 768),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_goes_through_the_card(model, kind):
    card = replace(model.card, input=INPUTS[kind], window_s=3.0)
    values = describe_card(card)
    assert [key for key in INPUTS if key in values] == [kind]
    assert check_card(values) == card


def test_a_card_has_one_input(model):
    values = describe_card(model.card)
    features = values.pop("features")
    with pytest.raises(ModelError, match="the card has the inputs none; expected one of feat"):
        check_card(values)
    with pytest.raises(ModelError, match="the card has the inputs features and waveform"):
        check_card(values | {"features": features, "waveform": {}})


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("waveform", {"rate": 8000}, "waveform is {'rate': 8000}"),
        ("waveform", None, "waveform is None"),
        ("embedding", {"model": "x"}, "expected the name of a model and a width of 1 to 65536"),
        ("embedding", {"model": 3, "width": 2}, "expected the name of a model and a width"),
        ("embedding", {"model": "x", "width": True}, "expected the name of a model and a width"),
        ("embedding", {"model": "x", "width": 0}, "expected the name of a model and a width"),
        ("embedding", {"model": "x", "width": 65537}, "expected the name of a model and a width"),
        ("log_mel", {"name": "x", "descriptors": [{"name": "pitch"}]}, "pitch cannot be computed"),
        ("log_mel", {"name": "x", "descriptors": [{"name": "level"}], "hop": 1}, "no 'hop'"),
        ("features", {"name": "x", "descriptors": []}, "has 0 descriptors; expected 1 to 64"),
    ],
)
def test_an_impossible_input_is_refused(model, kind, value, message):
    values = describe_card(model.card)
    del values["features"]
    with pytest.raises(ModelError, match=message):
        check_card(values | {kind: value})


def test_a_model_on_an_embedding_is_a_network_but_no_recognizer(model, tmp_path):
    path = tmp_path / "head.safetensors"
    save_model(model.with_card(input=Embedding("distilhubert", 20)), path)
    assert load_network(path).n_features == 20
    with pytest.raises(ModelError, match="input of toy is embedding; expected features or log-mel"):
        serkit.load(path)


def test_no_network_of_layers_takes_a_waveform(model, tmp_path):
    path = tmp_path / "wave.safetensors"
    save_model(model.with_card(input=Waveform()), path)
    with pytest.raises(ModelError, match="input of toy is waveform"):
        serkit.load(path)


def test_log_mel_in_features_out():
    recipe = INPUTS["log_mel"]
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((2, 14)).astype(np.float32)
    layers = (Dense(weight, np.zeros(2, np.float32)),)
    zeros, ones = np.zeros(14, np.float32), np.ones(14, np.float32)
    backend = NumpyBackend(Model(ModelCard("m", ("a", "b"), recipe), zeros, ones, layers))
    frames = rng.uniform(-1.0, 1.0, (80, 50)).astype(np.float32)
    expected = weight @ extract_of_log_mel(recipe, frames)
    np.testing.assert_allclose(backend.outputs([frames]).logits[0], expected, rtol=1e-4, atol=1e-3)
