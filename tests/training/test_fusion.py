"""Training on log-mel and text: recipes, coded data, learning, missing modalities."""

import os

import numpy as np
import pytest
import soundfile
import torch

from fusion_toys import LABELS, TEXT, TEXT_WIDTH, make_fusion_recipe
from serkit.audio import read
from serkit.codec import RATIOS, log_mel_of, normalised
from serkit.codec.svd import truncated
from serkit.corpora import Utterance, load
from serkit.errors import RecipeError
from serkit.features import whisper_log_mel
from serkit.networks.fusion import FUSIONS
from serkit.runtime import TextRecipe
from serkit.training import FeatureCache, load_any_recipe
from serkit.training.data import embed_lines
from serkit.training.fusion import (
    Coding,
    FusionData,
    FusionRecipe,
    coded,
    learn_fusion,
    make_fusion_data,
)
from serkit.training.fusion.recipe import Spectrograms
from serkit.training.recipe import checked


class Words:
    """In place of a `TextEncoder`: a fixed random vector of each text."""

    digest, name = TEXT.digest, TEXT.encoder

    def encode(self, texts):
        seeds = [sum(map(ord, text)) for text in texts]
        return np.stack(
            [np.random.default_rng(s).standard_normal(TEXT_WIDTH) for s in seeds]
        ).astype(np.float32)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Angry and happy differ in pitch, neutral and sad in their words only."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    utterances = []
    for i in range(48):
        label = LABELS[i % 4]
        hz = {"angry": 1800.0, "happy": 900.0}.get(label, 300.0)
        time = np.arange(4000 + 400 * (i % 5)) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * hz * (1 + 0.05 * rng.standard_normal()) * time)
        path = folder / f"{i}.wav"
        soundfile.write(path, tone, 16_000)
        words = "so be it" if label == "sad" else "that is how it is"
        utterances.append(Utterance(path, label, str(i // 8), "tones", text=words))
    return utterances


def parts(data, speakers=4):
    is_training = np.array([int(u.speaker) < speakers for u in data.utterances])
    return data.rows(np.flatnonzero(is_training)), data.rows(np.flatnonzero(~is_training))


def test_svd_is_equation_4_and_the_rest_is_the_codec():
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
    exact = whisper_log_mel(samples)
    np.testing.assert_allclose(coded(samples, Coding()), exact, atol=1e-6)
    errors = []
    for ratio in RATIOS:
        found = coded(samples, Coding(svd=ratio))
        raw = log_mel_of(samples)
        left, values, right = truncated(np.maximum(raw, raw.max() - 8.0), round(80 * ratio))
        np.testing.assert_allclose(found, normalised((left * values) @ right), atol=0.02)
        errors.append(float(np.square(found - exact).mean()))
    assert errors == sorted(errors, reverse=True)
    low, high = (np.square(coded(samples, Coding(basis=q)) - exact).mean() for q in (0, 15))
    assert low > high


@pytest.mark.parametrize("kind", ["amser", "xu"])
def test_text_and_speech_are_both_learned(kind, tones, tmp_path):
    recipe = make_fusion_recipe(
        kind,
        log_mel=Spectrograms(codings=(Coding(svd=0.125), Coding(basis=4))),
        fusion={"missing_text": 0.3},
        optimiser={"max_epochs": 20, "learning_rate": 0.01},
    )
    data = make_fusion_data(recipe, tones, encoder=Words(), cache=FeatureCache(tmp_path))
    training, validation = parts(data)
    epochs = []
    model = learn_fusion(recipe, training, validation, seed=1, on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == list(range(1, 21))

    def recalls(of):
        answers = model.logits(of).argmax(axis=1)
        return [float((answers[of.targets == k] == k).mean()) for k in range(4)]

    assert min(recalls(validation)) == 1.0
    assert min(recalls(validation.tested_at(Coding(svd=1.0)))) == 1.0
    without = recalls(validation.without_text())
    assert without[:2] == [1.0, 1.0]
    assert sum(without[2:]) <= 1.5  # neutral and sad sound the same
    assert model.card.input.text == TEXT
    assert model.card.labels == LABELS


def test_training_is_determined_by_its_arguments(tones, tmp_path):
    recipe = make_fusion_recipe(
        log_mel=Spectrograms(
            codings=(Coding(svd=0.25),),
            augmentation={"gain_db": None, "noise": None, "snr_db": (10, 30), "stretch": 1.2},
            copies=1,
        )
    )
    cache = FeatureCache(tmp_path / "cache")
    runs = [
        make_fusion_data(recipe, tones[:24], encoder=Words(), cache=one)
        for one in (cache, cache, None)
    ]
    logits = [learn_fusion(recipe, *parts(data, 2), seed=3).logits(data) for data in runs]
    assert all(np.array_equal(logits[0], other) for other in logits[1:])
    other = learn_fusion(recipe, *parts(runs[0], 2), seed=4).logits(runs[0])
    assert not np.array_equal(logits[0], other)
    assert {path.suffix for path in cache.folder.rglob("*") if path.is_file()} == {".npy"}
    plain, changed = (runs[2].log_mel(0, Coding(svd=0.25), copy) for copy in (0, 1))
    assert plain.shape != changed.shape or np.abs(plain - changed).max() > 0.01


def test_batches_hold_what_was_asked_for(tones):
    recipe = make_fusion_recipe(
        log_mel=Spectrograms(codings=(Coding(), Coding(svd=0.125)), tested=Coding(basis=9))
    )
    without = Utterance(tones[1].audio, "happy", "0", "tones", text=" ")
    data = make_fusion_data(recipe, [tones[0], without], encoder=Words())
    assert data.n_variants == 2
    index = torch.tensor([1, 0])
    frames, counts, vectors, texts = data.batch(index, torch.tensor([1, 0]))
    assert counts.tolist() == [27, 25] == data.lengths[[1, 0]].tolist()
    for row, sound, coding in zip(
        frames, (tones[1], tones[0]), (Coding(svd=0.125), Coding()), strict=True
    ):
        expected = coded(read(sound.audio), coding)
        np.testing.assert_array_equal(row[:, : expected.shape[1]], expected)
        assert (row[:, expected.shape[1] :] == 0.0).all()
    assert texts.tolist() == [0, 1]
    np.testing.assert_array_equal(vectors[1, 0], Words().encode([tones[0].text])[0])
    tested, *_ = data.batch(index[1:], None)
    np.testing.assert_array_equal(tested[0], coded(read(tones[0].audio), Coding(basis=9)))


def test_a_long_recording_is_cut_off_and_a_short_one_padded(tmp_path):
    for name, n in (("long", 40_000), ("short", 160)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(n, 0.1), 16_000)
    utterances = [
        Utterance(tmp_path / f"{name}.wav", "sad", "a", "x") for name in ("long", "short")
    ]
    recipe = make_fusion_recipe("acoustic", log_mel=Spectrograms(max_s=1.0))
    data = make_fusion_data(recipe, utterances)
    assert data.lengths.tolist() == [100, 10]
    assert not data.has_text.any()


@pytest.mark.corpora
@pytest.mark.skipif("SERKIT_CORPORA" not in os.environ, reason="needs real corpora")
@pytest.mark.parametrize("kind", FUSIONS)
def test_each_network_overfits_32_real_utterances(kind, tmp_path):
    known = [u for u in load("ravdess").utterances if u.label in LABELS]
    of_label = [[u for u in known if u.label == label][::11][:8] for label in LABELS]
    utterances = [u for several in of_label for u in several]
    assert len(utterances) == 32
    recipe = make_fusion_recipe(
        kind,
        fusion={"width": 32, "stride": 4},
        log_mel=Spectrograms(max_s=3.0, codings=(Coding(svd=0.125),)),
        optimiser={
            "learning_rate": 0.003 if kind in ("amser", "umons") else 0.01,
            "max_epochs": 100 if kind == "xu" else 60,
            "schedule": "one-cycle",
        },
    )
    data = make_fusion_data(recipe, utterances, encoder=Words(), cache=FeatureCache(tmp_path))
    model = learn_fusion(recipe, data, data, seed=0)
    assert (model.logits(data).argmax(axis=1) == data.targets).mean() >= 0.9


def test_the_recipe_of_the_paper():
    recipe = load_any_recipe("amser/table1-iemocap")
    assert isinstance(recipe, FusionRecipe)
    o = recipe.optimiser
    assert (o.name, o.learning_rate, o.batch_size, o.max_epochs) == ("adam", 1e-5, 256, 100)
    assert (o.weight_decay, o.patience, o.label_smoothing) == (0.0, None, 0.0)
    assert tuple(coding.svd for coding in recipe.log_mel.codings) == RATIOS
    assert recipe.log_mel.test_coding == Coding(svd=0.125)
    change = recipe.log_mel.augmentation
    assert change.snr_db and change.pitch_semitones and change.stretch > 1.0
    assert not (change.polarity or change.noise or change.gain_db)


GOOD = {
    "name": "x",
    "corpora": ["ravdess"],
    "labels": ["angry", "sad"],
    "fusion": {"kind": "amser"},
    "text": {},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": {"kind": "magic"}}, "fusion.kind"),
        ({"fusion": {"kind": "xu", "heads": 4}}, "xu has no heads"),
        ({"fusion": {"kind": "umons", "channels": [4]}}, "umons has no channels"),
        ({"fusion": {"width": 10, "heads": 4}}, "width is 10; expected a multiple of heads, 4"),
        ({"fusion": {"width": 9}}, "fusion.width"),
        ({"fusion": {"missing_text": 0.6, "missing_speech": 0.6}}, "above 1 together"),
        ({"text": None}, "text is needed by every kind but acoustic"),
        ({"fusion": {"kind": "acoustic"}}, "text is needed by every kind but acoustic"),
        ({"fusion": {"kind": "acoustic", "missing_text": 0.1}, "text": None}, "speech alone"),
        ({"text": {"context": 1}}, "set it to 0"),
        ({"optimiser": {"mixup": 0.2}}, "mixup"),
        ({"log_mel": {"codings": []}}, "log_mel.codings"),
        ({"log_mel": {"codings": [{"svd": 0.1, "basis": 3}]}}, "choose one"),
        ({"log_mel": {"codings": [{"svd": 0.0}]}}, "svd"),
        ({"log_mel": {"codings": [{"basis": 16}]}}, "basis"),
        ({"log_mel": {"copies": 1}}, "augmentation needs copies"),
        ({"labels": ["sad", "sad"]}, "distinct"),
    ],
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(RecipeError, match=message):
        checked(FusionRecipe, "x", GOOD | change)


def test_a_recipe_needs_its_encoder():
    recipe = FusionRecipe.model_validate(GOOD)
    with pytest.raises(RecipeError, match="--encoder FOLDER"):
        recipe.bound_to(None)
    acoustic = GOOD | {"fusion": {"kind": "acoustic"}, "text": None}
    with pytest.raises(RecipeError, match="takes no text"):
        FusionRecipe.model_validate(acoustic).bound_to(Words())
    other = recipe.model_copy(update={"text": TextRecipe("other", "1" * 64, 6, 8)})
    with pytest.raises(RecipeError, match="of the encoder other"):
        embed_lines(other.text, ["hello"], encoder=Words())


def test_data_are_rows():
    data = FusionData(
        (), np.arange(3), ("a", "b", "c"), np.arange(3), np.eye(3, dtype=np.float32),
        np.array([True, False, True]), Spectrograms(),
    )  # fmt: skip
    data = FusionData(
        tuple(Utterance(None, "x", str(i), "c") for i in range(3)),
        data.targets, data.hashes, data.lengths, data.vectors, data.has_text, data.plan,
    )  # fmt: skip
    rows = data[np.array([2, 0])]
    assert (rows.hashes, rows.targets.tolist(), len(rows)) == (("c", "a"), [2, 0], 2)
    assert rows.has_text.tolist() == [True, True]
    assert [u.speaker for u in rows.utterances] == ["2", "0"]
