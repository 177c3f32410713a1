"""Models of text: context by hand, the encoder they belong to, calibrated answers."""

import json
from dataclasses import replace

import numpy as np
import pytest

import serkit
from serkit.errors import ModelError, RecipeError
from serkit.features import Descriptor, FeatureRecipe
from serkit.runtime import (
    Dense,
    Model,
    ModelCard,
    TextEncoder,
    TextRecipe,
    TextRecognizer,
    Typical,
    load_network,
    save_model,
    with_context,
)
from serkit.runtime.card_description import check_card, describe_card
from serkit.runtime.card_text import card_as_json, card_as_text
from serkit.runtime.typical import as_text

LABELS = ("angry", "happy", "sad")


@pytest.fixture(scope="module")
def encoder(encoder_folder):
    return TextEncoder.load(encoder_folder)


def model_of(recipe, **card):
    rng = np.random.default_rng(0)
    n = recipe.n_features
    weight = rng.standard_normal((3, n)).astype(np.float32)
    mean = rng.standard_normal(n).astype(np.float32)
    scale = rng.uniform(0.5, 2.0, n).astype(np.float32)
    card = ModelCard("toy", LABELS, recipe, **{"temperature": 2.5, **card})
    return Model(card, mean, scale, (Dense(weight, np.float32([0.1, 0.2, 0.3])),))


def by_hand(model, vector):
    """The softmax of the calibrated linear model, in float64."""
    standard = (vector.astype(float) - model.mean) / model.scale
    logits = (model.layers[0].weight.astype(float) @ standard + model.layers[0].bias) / 2.5
    exponentials = np.exp(logits - logits.max())
    return dict(zip(LABELS, exponentials / exponentials.sum(), strict=True))


def test_context_is_the_lines_before_in_the_same_dialogue():
    rows = np.arange(1, 6, dtype=np.float32)[:, None]
    expected = [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 0, 0], [5, 4, 0]]
    np.testing.assert_array_equal(with_context(rows, [3, 2], 2), expected)
    np.testing.assert_array_equal(with_context(rows, [3, 2], 0), rows)
    np.testing.assert_array_equal(with_context(rows, [1] * 5, 1)[:, 1], np.zeros(5))
    assert with_context(rows[:0], [], 2).shape == (0, 3)
    # More context than lines.
    assert with_context(rows[:1], [1], 3).tolist() == [[1, 0, 0, 0]]


def test_a_prediction_is_the_calibrated_softmax(encoder):
    model = model_of(encoder.recipe(context=1))
    recognise = TextRecognizer(model, encoder)
    first, second = encoder.encode(["oh no", "I am so happy!"])
    alone = recognise("I am so happy!")
    expected = by_hand(model, np.concatenate((second, np.zeros(32))))
    assert alone.scores == pytest.approx(expected, abs=1e-5)
    assert alone.label == max(expected, key=expected.get)
    after = recognise("I am so happy!", context=["not seen", "oh no"])
    assert after.scores == pytest.approx(by_hand(model, np.concatenate((second, first))), abs=1e-5)
    both = recognise.dialogue(["oh no", "I am so happy!"])
    assert both[1].scores == pytest.approx(after.scores, abs=1e-6)
    assert recognise("I am so happy!", context=[]) == alone


def test_a_model_without_context_ignores_it(encoder):
    recognise = TextRecognizer(model_of(encoder.recipe()), encoder)
    assert recognise("hello", context=["oh", "no"]) == recognise("hello")


def test_labels_and_confidence(encoder):
    recognise = TextRecognizer(model_of(encoder.recipe()), encoder)
    scores = recognise("hello").scores
    part = recognise("hello", labels=["sad", "angry"])
    assert list(part.scores) == ["angry", "sad"]
    total = scores["angry"] + scores["sad"]
    assert part.scores["sad"] == pytest.approx(scores["sad"] / total, abs=1e-5)
    unsure = recognise("hello", min_confidence=1.0)
    assert unsure.label is None
    assert "below the minimum of 1" in unsure.reason
    with pytest.raises(ModelError, match="unknown label 'bored'"):
        recognise("hello", labels=["bored"])
    with pytest.raises(ModelError, match="min_confidence is nan"):
        recognise("hello", min_confidence=float("nan"))


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u2003"])
def test_nothing_to_classify(encoder, text):
    answer = TextRecognizer(model_of(encoder.recipe()), encoder)(text)
    assert (answer.label, answer.scores) == (None, {})
    assert answer.reason == "empty text: nothing to classify"


@pytest.mark.parametrize("lines", ["hello", [b"hello"], ["hello", None]])
def test_what_is_no_list_of_texts(encoder, lines):
    recognizer = TextRecognizer(model_of(encoder.recipe()), encoder)
    with pytest.raises(ModelError, match=r"the lines are .*; expected a sequence of texts"):
        recognizer.dialogue(lines)
    with pytest.raises(ModelError, match="expected a sequence of texts"):
        recognizer("hello", context=lines)
    assert recognizer.dialogue(()) == []


def test_warnings(encoder):
    covariance = np.eye(4)
    far = Typical(0.99, 1e-6, as_text(np.linalg.cholesky(covariance)))
    recognise = TextRecognizer(model_of(encoder.recipe(), typical=far), encoder)

    def codes(text):
        return [w.code for w in recognise(text).warnings if w.code != "far-from-training"]

    assert codes("hello there") == []
    assert codes("hello " * 40) == ["truncated"]
    assert codes("😀 日本") == ["unknown-words"]
    assert any(w.code == "far-from-training" for w in recognise("hello").warnings)


def test_the_encoder_must_be_the_one_of_the_training(encoder, encoder_folder, tmp_path):
    path = tmp_path / "toy.safetensors"
    save_model(model_of(encoder.recipe()), path)
    recognise = serkit.load(path, encoder=encoder_folder)
    assert recognise("hello").label in LABELS
    other = replace(encoder.recipe(), digest="0" * 64)
    save_model(model_of(other), path)
    with pytest.raises(ModelError, match="was trained with the encoder toy-bert of digest 0000"):
        serkit.load(path, encoder=encoder_folder)
    wide = replace(encoder.recipe(), width=64)
    with pytest.raises(ModelError, match="takes embeddings of width 64; toy-bert gives 32"):
        TextRecognizer(model_of(wide), encoder)


def test_text_and_sound_are_not_mixed_up(encoder, encoder_folder, tmp_path):
    path = tmp_path / "toy.safetensors"
    save_model(model_of(encoder.recipe()), path)
    with pytest.raises(ModelError, match="takes text: give the folder of its encoder, toy-bert"):
        serkit.load(path)
    with pytest.raises(ModelError, match="the input of tiny is features; expected text"):
        serkit.load("tiny", encoder=encoder_folder)


def test_weights_that_overflow(encoder):
    model = model_of(encoder.recipe())
    huge = Dense(np.full((3, 32), 1e38, np.float32), np.zeros(3, np.float32))
    with pytest.raises(ModelError, match="not finite"), np.errstate(all="ignore"):
        TextRecognizer(replace(model, layers=(huge,)), encoder)("hello")


def test_the_card_names_the_encoder_and_no_path(encoder, encoder_folder, tmp_path):
    model = model_of(encoder.recipe(context=2, speaker=True))
    path = tmp_path / "toy.safetensors"
    save_model(model, path)
    read = load_network(path)
    assert read.card.input == model.card.input
    assert str(encoder_folder).encode() not in path.read_bytes()
    text = card_as_text(read)
    assert "96 numbers per line, with the name of its speaker and of 2 lines before it" in text
    assert encoder.digest[:16] in text
    assert "windows " not in text
    assert "enrolment" not in text
    assert json.loads(card_as_json(read))["text"]["digest"] == encoder.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "x"},
        {"digest": 5},
        {"width": 0},
        {"width": 10**6},
        {"width": 8.0},
        {"context": 8},
        {"context": -1},
        {"context": True},
        {"speaker": 1},
        {"encoder": ""},
        {"max_tokens": 0},
        {"path": "/etc/passwd"},
    ],
)
def test_inputs_that_are_wrong(encoder, changes):
    values = encoder.recipe().to_dict() | changes
    with pytest.raises(RecipeError):
        TextRecipe.from_dict(values)
    described = describe_card(ModelCard("toy", LABELS, encoder.recipe()))
    with pytest.raises(ModelError):
        check_card(described | {"text": values})


def test_one_input_only(encoder):
    described = describe_card(ModelCard("toy", LABELS, encoder.recipe()))
    features = FeatureRecipe("m", (Descriptor("mfcc", 6),)).to_dict()
    with pytest.raises(ModelError, match="inputs features and text"):
        check_card(described | {"features": features})
