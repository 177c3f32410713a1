"""Recipes that keep frames: training, quantisation and model files."""

import numpy as np
import pytest
import soundfile

from serkit import Recognizer
from serkit.compression import export_c
from serkit.compression.quantize import learn, quantize
from serkit.corpora import Utterance
from serkit.errors import ModelError
from serkit.features import Descriptor, FeatureRecipe, Sequences, extract
from serkit.runtime import NumpyBackend, load_model, save_model, weighted
from serkit.training import (
    Augmentation,
    FeatureCache,
    Network,
    Optimiser,
    Quantisation,
    fit,
    make_dataset,
)

from toys import LABELS, make_recipe

FRAMES = FeatureRecipe("mfcc13 frames", (Descriptor("mfcc", 13, 0, ()),), n_fft=512, hop=256,
                       window_length=512, n_mels=40)  # fmt: skip
QUICK = Optimiser(max_epochs=40, learning_rate=0.01, patience=None)
FAMILIES = {
    "cnn": Network(family="cnn", hidden=(8,)),
    "lstm": Network(family="lstm", hidden=(8,)),
    "attention-gru": Network(family="attention-gru", hidden=(8,)),
}


def recipe_of(family, **changes):
    values = {"features": FRAMES, "network": FAMILIES[family], "optimiser": QUICK}
    return make_recipe(**(values | changes))


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """Emotions that differ in the movement of pitch only, not in any mean over time."""
    root = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    found = []
    for i in range(36):
        label = LABELS[i % 3]
        n = int(rng.integers(8000, 14_000))
        rise = np.linspace(0, 1, n)
        shape = {"angry": rise, "sad": 1 - rise, "happy": np.full(n, 0.5)}[label]
        hertz = 300 * (1 + shape) * rng.uniform(0.95, 1.05)
        tone = 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / 16_000)
        path = root / f"{i}.wav"
        soundfile.write(path, tone + 0.003 * rng.standard_normal(n), 16_000)
        found.append(Utterance(path, label, str(i // 6), "toys"))
    return found


@pytest.fixture(scope="module")
def data(utterances):
    return make_dataset(recipe_of("lstm"), utterances)


def parts_of(data):
    speaker = np.array([int(u.speaker) for u in data.utterances])
    return [data.rows(np.flatnonzero(mask)) for mask in (speaker < 5, speaker == 5)]


def test_each_recording_keeps_its_length(data, utterances):
    assert data.features.values.shape[:2] == (36, 13)
    for i, utterance in enumerate(utterances):
        samples, _ = soundfile.read(utterance.audio, dtype="float32")
        frames = extract(FRAMES, samples)
        assert data.features.lengths[i] == frames.shape[1]
        np.testing.assert_array_equal(data.features.values[i, :, : frames.shape[1]], frames)
        assert not data.features.values[i, :, frames.shape[1] :].any()


def test_nan_does_not_end_a_recording(data):
    """A NaN, as in a feature of a damaged recording, does not change its length."""
    model = fit(recipe_of("cnn", optimiser=Optimiser(max_epochs=1)), *parts_of(data))
    one = data.features[:1]
    values = one.values.copy()
    values[0, :, 5] = np.nan
    assert np.isnan(model.logits(Sequences(values, one.lengths))).any()


def test_altered_copies_of_other_lengths_and_the_cache(utterances, tmp_path):
    recipe = recipe_of("cnn", augmentation=Augmentation(copies=2, speed=1.3))
    plain = make_dataset(recipe, utterances)
    assert plain.copies.values.shape[:2] == (2, 36)
    assert len(np.unique(plain.copies.lengths - plain.features.lengths)) > 5
    for _ in range(2):
        kept = make_dataset(recipe, utterances, cache=FeatureCache(tmp_path))
        for one, other in ((kept.features, plain.features), (kept.copies, plain.copies)):
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.lengths, other.lengths)


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_learn_pitch_movement(data, family, tmp_path):
    training, validation = parts_of(data)
    recipe = recipe_of(family)
    model = fit(recipe, training, validation)
    right = model.logits(data.features).argmax(axis=1) == data.targets
    assert right.mean() > 0.9
    same = fit(recipe, training, validation)
    np.testing.assert_array_equal(same.logits(data.features), model.logits(data.features))
    save_model(model, tmp_path / "m.safetensors")
    found = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(found.logits(data.features), model.logits(data.features))
    answer = Recognizer(NumpyBackend(found))(data.utterances[0].audio)
    probabilities = np.array([answer.scores[label] for label in LABELS])
    logits = model.logits(data.features[:1])[0].astype(np.float64)
    np.testing.assert_allclose(
        probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plan", [{"bits": 4}, {}, {"bits": 2, "fine_tuning": 10}])
def test_round_trip_of_quantised_networks(data, family, plan, tmp_path):
    training, validation = parts_of(data)
    recipe = recipe_of(family)
    full = fit(recipe, training, validation)
    small = quantize(full, Quantisation(**plan), validation, training=training, recipe=recipe)
    n_weighted = {"cnn": 2, "lstm": 2, "attention-gru": 3}[family]
    assert len(small.bits) == n_weighted
    size = save_model(small.model, tmp_path / "small.safetensors")
    assert size < save_model(full, tmp_path / "full.safetensors")
    found = load_model(tmp_path / "small.safetensors")
    np.testing.assert_array_equal(found.logits(data.features), small.model.logits(data.features))
    if plan:
        answers = found.logits(data.features).argmax(axis=1)
        assert (answers == data.targets).mean() > 0.7
    else:
        assert {trial.layer for trial in small.trials} == set(range(n_weighted))


def test_a_recipe_quantises_what_it_trains(data):
    recipe = recipe_of("lstm", quantisation=Quantisation(bits=8))
    model = learn(recipe, *parts_of(data))
    assert [layer.weight.bits for layer in weighted(model.layers)] == [8, 8]


def test_the_normalisation_weighs_recordings_and_not_frames(data):
    training, validation = parts_of(data)
    model = fit(recipe_of("cnn", optimiser=Optimiser(max_epochs=1)), training, validation)
    frames = training.features
    each = np.array(
        [
            values[:, :length].astype(np.float64).mean(axis=1)
            for values, length in zip(frames.values, frames.lengths, strict=True)
        ]
    )
    np.testing.assert_allclose(model.mean, each.mean(axis=0), rtol=1e-5)


def test_mixup_and_noise_on_frames(data):
    wild = Optimiser(max_epochs=3, patience=None, mixup=0.4, noise=0.1)
    model = fit(recipe_of("attention-gru", optimiser=wild), *parts_of(data))
    assert np.isfinite(model.logits(data.features)).all()


def test_c_export_refuses_frames(data):
    model = fit(recipe_of("lstm", optimiser=Optimiser(max_epochs=1)), *parts_of(data))
    with pytest.raises(ModelError, match="layer 0 is of type lstm, which cannot be exported"):
        export_c(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": Network(hidden=(8,))}, "an mlp needs functionals"),
        ({"features": make_recipe().features}, "the other families frames"),
        ({"speaker_shrinkage": 0.3}, "speaker_shrinkage needs an mlp"),
        ({"pca": 3}, "pca needs an mlp on at most 4096 features: set it to null"),
    ],
)
def test_recipes_that_do_not_fit_together(changes, message):
    with pytest.raises(ValueError, match=message):
        recipe_of("lstm", **changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"family": "lstm", "hidden": ()}, "lstm needs at least one hidden layer"),
        ({"family": "cnn", "hidden": (8,), "kernel": 4}, "expected an odd number"),
    ],
)
def test_invalid_networks(values, message):
    with pytest.raises(ValueError, match=message):
        Network(**values)
