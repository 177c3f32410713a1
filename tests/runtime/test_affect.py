"""Learned arousal, valence and dominance beside the categories, from backend to answer."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from serkit.errors import ModelError
from serkit.runtime import (
    Dense,
    ModelCard,
    NumpyBackend,
    Outputs,
    Recognizer,
    TimelineSettings,
    TrainingCorpus,
    Waveform,
    arousal_valence,
    load_model,
    save_model,
)
from serkit.runtime.affect import UNKNOWN, Affect
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.card_text import card_as_text
from serkit.runtime.timeline_text import WRITERS

RATE = 16_000


class Levels:
    """Arousal is the RMS level, dominance -10 times as much; the more level, the angrier."""

    file_bytes = 7
    embedding_width = 1
    digest = "0" * 32
    facts: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, labels=("neutral", "angry"), dimensions=("dominance", "arousal")):
        self.card = ModelCard(
            "levels", tuple(labels), Waveform(), window_s=2.0, dimensions=tuple(dimensions)
        )

    def values(self, level):
        columns = {"arousal": level, "dominance": -10.0 * level}
        names = self.card.dimensions
        return np.stack([columns[name] for name in names], axis=1) if names else None

    def outputs(self, windows):
        level = np.array([np.sqrt(np.mean(np.square(window))) for window in windows])
        logits = np.stack((np.zeros_like(level), 40.0 * (level - 0.1)), axis=1)
        dimensions = self.values(level)
        return Outputs(
            logits[:, : len(self.card.labels)].astype(np.float32),
            logits[:, 1:].astype(np.float32),
            None,
            None if dimensions is None else dimensions.astype(np.float32),
        )


def tone(level, seconds):
    """A square wave: every window of it has exactly this RMS level."""
    n = round(seconds * RATE)
    return np.where(np.arange(n) // 20 % 2, level, -level).astype(np.float32)


def sound(*levels_and_seconds):
    return np.concatenate([tone(level, seconds) for level, seconds in levels_and_seconds]), RATE


def test_a_call_weighs_windows_by_length():
    answer = Recognizer(Levels())(sound((0.04, 2), (0.09, 2), (0.2, 1)))
    assert answer.affect.source == "learned"
    assert answer.arousal == pytest.approx((2 * 0.04 + 2 * 0.09 + 1 * 0.2) / 5, abs=1e-6)
    # The last window, of -2, is limited to -1.
    assert answer.dominance == pytest.approx(-(2 * 0.4 + 2 * 0.9 + 1 * 1.0) / 5, abs=1e-6)
    assert answer.valence is None


def test_windows_and_silence():
    loud, silent = Recognizer(Levels()).windows(sound((0.05, 2), (0.0, 2)))
    assert loud.affect == Affect(pytest.approx(0.05), None, pytest.approx(-0.5), "learned")
    assert silent.affect == UNKNOWN
    assert Recognizer(Levels())(sound((0.0, 2))).affect == UNKNOWN


def test_segments_average_over_their_cells():
    levels = [0.02, 0.03, 0.3, 0.5]
    recognizer = Recognizer(Levels())
    source = sound(*((level, 2) for level in levels))
    timeline = recognizer.timeline(source, detector=None)
    assert [segment.label for segment in timeline.segments] == ["neutral", "angry"]
    assert [one.arousal for one in timeline.segments] == pytest.approx([0.025, 0.4], abs=1e-6)
    assert timeline.overall.affect == recognizer(source).affect
    assert timeline.windows == tuple(recognizer.windows(source))
    mean = TimelineSettings(aggregation="mean", window_s=3.0)
    overall = recognizer.timeline(sound((0.1, 3), (0.4, 1)), mean, detector=None).overall
    assert overall.arousal == pytest.approx(0.25, abs=1e-6)


def test_overlapping_windows_are_averaged():
    settings = TimelineSettings(window_s=2.0, hop_s=1.0)
    timeline = Recognizer(Levels()).timeline(
        sound((0.02, 1), (0.04, 1), (0.06, 1)), settings, detector=None
    )
    first, second = (np.sqrt((a * a + b * b) / 2) for a, b in ((0.02, 0.04), (0.04, 0.06)))
    (segment,) = timeline.segments
    # The seconds are covered by the first window, by both, and by the second.
    expected = (first + (first + second) / 2 + second) / 3
    assert segment.arousal == pytest.approx(expected, abs=1e-6)


def test_the_affect_does_not_depend_on_the_labels_asked_for():
    recognizer = Recognizer(Levels())
    answer = recognizer(sound((0.05, 2)), labels=["angry"])
    assert answer.scores == {"angry": 1.0}
    assert answer.affect == recognizer(sound((0.05, 2))).affect


def test_without_dimensions_the_categories_place_it():
    answer = Recognizer(Levels(dimensions=()))(sound((0.2, 2)))
    assert answer.affect == Affect(*arousal_valence(answer.scores), None, "circumplex")
    unplaced = Recognizer(Levels(labels=("soft", "loud"), dimensions=()))
    assert unplaced(sound((0.2, 2))).affect == UNKNOWN


def test_a_model_of_dimensions_alone():
    recognizer = Recognizer(Levels(labels=()))
    answer = recognizer(sound((0.04, 4)))
    assert (answer.label, answer.scores) == (None, {})
    assert answer.reason == "the model has no categories"
    assert answer.arousal == pytest.approx(0.04, abs=1e-6)
    for smoothing in ("off", "median", "hmm"):
        settings = TimelineSettings(smoothing=smoothing, aggregation="confidence")
        timeline = recognizer.timeline(sound((0.02, 4), (0.06, 4)), settings, detector=None)
        (segment,) = timeline.segments
        assert segment.reason == "the model has no categories"
        assert segment.arousal == pytest.approx(0.04, abs=1e-6)
        assert timeline.overall.arousal == pytest.approx(0.04, abs=1e-6)
    with pytest.raises(ModelError, match="has no labels"):
        recognizer(sound((0.04, 4)), labels=["angry"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    backend = Levels()
    backend.values = lambda level: np.full((len(level), 2), value)
    with pytest.raises(ModelError, match="not finite"):
        Recognizer(backend)(sound((0.1, 1)))


def test_values_that_are_not_on_the_card_are_refused():
    backend = Levels()
    backend.values = lambda level: np.zeros((len(level), 3))
    with pytest.raises(ModelError, match=r"shape \(1, 3\); expected \(1, 2\)"):
        Recognizer(backend)(sound((0.1, 1)))
    backend.values = lambda level: None
    with pytest.raises(ModelError, match=r"shape \(1, 0\); expected \(1, 2\)"):
        Recognizer(backend)(sound((0.1, 1)))


def test_text_formats():
    timeline = Recognizer(Levels()).timeline(sound((0.05, 2)), detector=None)
    answers = [("a.wav", timeline)]
    (found,) = json.loads(WRITERS["json"](answers))
    expected = {"arousal": 0.05, "valence": None, "dominance": -0.5, "affect": "learned"}
    for part in (found["segments"][0], found["windows"][0], found["overall"]):
        assert {name: part[name] for name in expected} == expected
    header, row = (line.split(",") for line in WRITERS["csv"](answers).splitlines())
    cells = dict(zip(header, row, strict=True))
    assert [cells[name] for name in expected] == ["0.050000", "", "-0.500000", "learned"]


# Model files.


@pytest.fixture
def learned(model):
    """The toy model with a layer of two dimensions."""
    layer = Dense(
        np.linspace(-0.5, 0.5, 16, dtype=np.float32).reshape(2, 8), np.float32([0.1, -0.1])
    )
    corpora = (TrainingCorpus("votes", "The Votes", "ODbL", True, 30, 5),)
    return replace(model, dimensions=layer).with_card(
        dimensions=("arousal", "valence"), dimension_corpora=corpora
    )


def test_a_file_holds_the_layer(learned, model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(learned, path)
    found = load_model(path)
    assert found.card == learned.card
    window = tone(0.1, 1)
    before, after = (NumpyBackend(one).outputs([window]) for one in (learned, found))
    weight, bias = learned.dimensions.weight, learned.dimensions.bias
    by_hand = before.embeddings[0].astype(np.float64) @ weight.T + bias
    np.testing.assert_allclose(after.dimensions[0], by_hand, rtol=1e-5)
    plain = NumpyBackend(model)
    assert plain.outputs([window]).dimensions is None
    np.testing.assert_array_equal(after.logits, plain.outputs([window]).logits)
    # Profiles of the model without the layer stay valid.
    assert NumpyBackend(found).digest == plain.digest
    assert found.n_parameters == model.n_parameters + 2 * 8 + 2
    text = card_as_text(NumpyBackend(found))
    assert "toy: angry, happy, neutral, sad, arousal, valence" in text
    assert "arousal and valence alone: The Votes: 30 recordings of 5 speakers, ODbL" in text


def parts_of(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return path, load(content), json.loads(header["__metadata__"]["serkit"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, d: t.pop("dimensions.bias"), "missing dimensions.bias"),
        (lambda t, d: d.pop("dimensions"), "unexpected dimensions.bias, dimensions.weight"),
        (lambda t, d: d.update(dimensions=["arousal"]), "has shape .* expected"),
        (lambda t, d: d.update(dimensions=["valour", "valence"]), "dimensions is .* expected diff"),
        (lambda t, d: d.update(dimensions=["valence"] * 2), "dimensions is .* expected diff"),
        (lambda t, d: d.update(dimensions=[["valence"]]), "dimensions is .* expected diff"),
        (lambda t, d: d.update(dimensions="arousal"), "dimensions is .* expected diff"),
        (lambda t, d: d.update(dimension_corpora={}), "dimension_corpora is .* expected a list"),
        (lambda t, d: d.update(dimension_corpora=[3]), "a training corpus is 3"),
        (lambda t, d: d.update(labels=[]), "labels is .*; expected at least 2"),
        (
            lambda t, d: t.update({"dimensions.weight": np.full((2, 8), np.nan, np.float32)}),
            "not finite",
        ),
    ],
)
def test_a_damaged_file_is_refused(learned, tmp_path, change, message):
    path, tensors, description = parts_of(learned, tmp_path)
    change(tensors, description)
    path.write_bytes(save(tensors, metadata={"serkit": json.dumps(description)}))
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_a_card_may_have_dimensions_without_labels():
    values = describe_card(Levels(labels=()).card)
    assert check_card(values).labels == ()
    del values["dimensions"]
    with pytest.raises(ModelError, match="labels is"):
        check_card(values)
