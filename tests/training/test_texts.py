"""Datasets of text, their context and cache, and the heads of Pandelea et al. (2021)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

from serkit.adaptation import OSELM, HoldOut
from serkit.corpora import Utterance, dialogues, read_manifest, text_hash, without_tested
from serkit.errors import CorpusError, ProtocolError, RecipeError
from serkit.evaluation import evaluate, evaluate_model, find_protocol, fit_final, refuse_seen
from serkit.runtime import TextEncoder, TextRecognizer
from serkit.training import (
    ExtremeLearning,
    FeatureCache,
    Network,
    Optimiser,
    Recipe,
    fit,
    load_recipe,
    load_utterances,
    make_dataset,
    shipped_recipes,
)

from toys import make_data, make_recipe

LINES = {
    "happy": ["I am so happy!", "This is wonderful, I love it.", "great joy, smile and laugh"],
    "sad": ["I cry, so sad.", "sorry, this is awful, tears", "never happy, always sad day"],
}


@pytest.fixture(scope="module")
def encoder(encoder_folder):
    return TextEncoder.load(encoder_folder)


def utterances(n_sessions=12, **changes):
    found = []
    for session in range(n_sessions):
        for turn in range(4):
            label = ("happy", "sad")[(session + turn) % 2]
            text = f"{LINES[label][session % 3]} {'abcdefghijkl'[session]}{'abcd'[turn]}"
            split = ("train", "train", "dev", "test")[session % 4]
            found.append(
                Utterance(
                    None,
                    label,
                    f"p{session}",
                    "toys",
                    session=f"d{session}",
                    text=text,
                    split=split,
                )
            )
    return tuple(replace(u, **changes) for u in found)


def recipe_of(encoder, **changes):
    values = {
        "name": "toy",
        "corpora": ("toys",),
        "labels": ("happy", "sad"),
        "text": {"context": 0},
        "network": Network(hidden=()),
        "optimiser": Optimiser(max_epochs=40, learning_rate=0.02),
        "validation": "session",
        "validation_share": 0.25,
    }
    return Recipe(**(values | changes)).bound_to(encoder)


def test_rows_are_embeddings_with_those_of_the_lines_before(encoder):
    recipe = recipe_of(encoder, text={"context": 2, "speaker": True})
    told = utterances()
    data = make_dataset(recipe, told, encoder=encoder)
    assert data.features.shape == (48, 96)
    lines = [f"{u.speaker}: {u.text}" for u in told]
    vectors = encoder.encode(lines)
    for i in range(48):
        turn = i % 4
        for back in range(3):
            expected = vectors[i - back] if back <= turn else np.zeros(32)
            part = data.features[i, 32 * back : 32 * (back + 1)]
            np.testing.assert_array_equal(part, expected)


def test_context_crosses_neither_sessions_nor_splits(encoder):
    a, b, c, d = utterances(1)
    mixed = [a, replace(b, session="x"), replace(c, split="test"), d, replace(a, session=None)]
    assert [index for index, _ in dialogues(mixed)] == [[0, 3], [1], [2], [4]]
    data = make_dataset(recipe_of(encoder, text={"context": 1}), mixed, encoder=encoder)
    alone = encoder.encode([u.text for u in mixed])
    np.testing.assert_array_equal(data.features[3, 32:], alone[0])
    assert (data.features[[0, 1, 2, 4], 32:] == 0).all()


def test_embeddings_are_cached_by_encoder_and_texts(encoder, tmp_path, monkeypatch):
    recipe, cache = recipe_of(encoder), FeatureCache(tmp_path)
    first = make_dataset(recipe, utterances(), encoder=encoder, cache=cache)
    with monkeypatch.context() as patch:
        patch.setattr(TextEncoder, "encode", lambda *_: pytest.fail("encoded again"))
        again = make_dataset(recipe, utterances(), encoder=encoder, cache=cache)
    np.testing.assert_array_equal(first.features, again.features)
    fewer = make_dataset(recipe, utterances(3), encoder=encoder, cache=cache)
    np.testing.assert_array_equal(fewer.features, first.features[:12])


def test_a_recipe_needs_its_encoder(encoder):
    unbound = Recipe(**_values())
    with pytest.raises(RecipeError, match="takes text: give the folder of an encoder"):
        unbound.bound_to(None)
    with pytest.raises(RecipeError, match=r"embeddings of the encoder toy-bert .* not of none"):
        make_dataset(recipe_of(encoder), utterances())
    with pytest.raises(RecipeError, match="takes no text"):
        make_recipe().bound_to(encoder)


def _values(**changes):
    return {
        "name": "toy", "corpora": ("toys",), "labels": ("happy", "sad"), "text": {},
        "network": Network(hidden=()),
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": None}, "exactly one of features, log_mel and text"),
        ({"augmentation": {"copies": 1}}, "augmentation is of sound"),
        ({"optimiser": {"name": "elm"}, "network": {"hidden": [5]}}, "elm needs a linear mlp"),
        ({"network": {"family": "cnn", "hidden": [5]}}, "an mlp needs"),
        ({"text": {"context": 99}}, "context is 99; expected 0 to 7"),
        ({"text": {"folder": "/tmp"}}, "expected context, digest, encoder"),
    ],
)
def test_recipes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**_values(**changes))


def test_the_recipe_returns_from_the_card(encoder):
    recipe = recipe_of(encoder, optimiser=ExtremeLearning(name="elm", units=7, seed=3))
    data = make_dataset(recipe, utterances(), encoder=encoder)
    model = fit(recipe, data, data)
    assert Recipe.of_card(model.card) == recipe


def test_the_elm_is_ridge_regression_on_the_random_layer_of_the_head():
    """Against scikit-learn on the activations of `OSELM`."""
    data = make_data()
    recipe = make_recipe(
        network=Network(hidden=()), optimiser=ExtremeLearning(name="elm", units=20, penalty=0.05)
    )
    model = fit(recipe, data, data, seed=5)
    standard = model.standardised(data.features).astype(float)
    head = OSELM(6, n_hidden=20, seed=5, classes=recipe.labels)
    units = head.hidden(standard)[:, :-1]
    centred = units - units.mean(axis=0)
    penalty = 0.05 * np.square(centred).sum(axis=1).mean()
    expected = SklearnRidge(alpha=penalty).fit(units, np.eye(3)[data.targets]).predict(units)
    found = model.logits(data.features) * model.card.temperature
    np.testing.assert_allclose(found, expected, atol=2e-4)
    other = fit(recipe, data, data, seed=6)
    assert not np.array_equal(other.layers[0].weight, model.layers[0].weight)
    fixed = make_recipe(
        network=Network(hidden=()), optimiser=ExtremeLearning(name="elm", units=20, seed=5)
    )
    same = fit(fixed, data, data, seed=9)
    np.testing.assert_array_equal(same.layers[0].weight, model.layers[0].weight)


def test_hidden_layers_of_tanh():
    data = make_data()
    recipe = make_recipe(network=Network(hidden=(5,), activation="tanh"))
    model = fit(recipe, data, data)
    first, second = model.layers
    rows = model.standardised(data.features)
    by_hand = np.tanh(rows @ first.weight.T + first.bias) @ second.weight.T + second.bias
    np.testing.assert_allclose(
        model.logits(data.features) * model.card.temperature, by_hand, atol=1e-4
    )


def test_texts_are_trained_evaluated_and_recognised(encoder, tmp_path):
    table = tmp_path / "lines.csv"
    rows = [f'"{u.text}",{u.label},{u.speaker},{u.session}' for u in utterances()]
    table.write_text("\n".join(["text,label,speaker,session", *rows]))
    recipe = recipe_of(encoder, text={"context": 1}, validation="speaker")
    corpora, told = load_utterances(recipe, [f"manifest={table}"])
    assert len(told) == 48
    data = make_dataset(recipe, told, encoder=encoder)
    outcome = evaluate(recipe, data, find_protocol("speaker-folds"), seeds=[0])
    assert np.trace(outcome.matrix(0)) > 40
    model = fit_final(recipe, data, corpora)
    assert model.card.corpora[0].utterances == 48
    recognizer = TextRecognizer(model, encoder)
    tested = evaluate_model(recognizer, told, seen=False)
    assert tested.seen  # by the sketch on the card
    np.testing.assert_allclose(
        tested.results[0].probabilities,
        [list(recognizer(u.text, context=_before(told, i)).scores.values()) for i, u in
         enumerate(told)],
        atol=1e-6,
    )  # fmt: skip
    with pytest.raises(ProtocolError, match="was trained on"):
        refuse_seen(model.card, corpora, told)


def _before(told, i):
    return [] if i % 4 == 0 else [told[i - 1].text]


def test_short_lines_are_everybodys_and_long_ones_are_known_anywhere():
    one = Utterance(None, "happy", "Ann", "a", session="s", text="Oh my  God!")
    assert text_hash(one) == text_hash(replace(one, text="oh my god!"))
    assert text_hash(one) != text_hash(replace(one, corpus="b"))
    long = replace(one, text="This is a line of seven words")
    assert text_hash(long) == text_hash(replace(long, corpus="b", speaker="Ben", session=None))
    assert len(text_hash(one)) == 32


def test_copies_of_tested_texts_are_not_learned(encoder):
    told = list(utterances())
    told[0] = replace(told[0], text=f"  {told[12].text.upper()}")  # 12 is of the test part
    data = make_dataset(recipe_of(encoder), told, encoder=encoder)
    seen = []

    class Learner:
        def __init__(self, training):
            seen.extend(training.utterances)

        def logits(self, features):
            return np.zeros((len(features), 2), np.float32)

    evaluate(
        recipe_of(encoder), data, find_protocol("fixed"), seeds=[0],
        learn=lambda recipe, training, validation, seed: Learner(training),
    )  # fmt: skip
    assert len(seen) == 23
    assert told[0] not in seen


def test_a_corpus_of_another_test_is_apart_from_it():
    def line(corpus, episode, text, split=None):
        return Utterance(
            None, "sad", "Ann", corpus, session=f"{episode}/d", text=text, split=split
        )  # fmt: skip

    tested = [line("meld", "s01e01", "Hello  there", "test")]
    kept = line("emorynlp", "s01e02", "Bye")
    others = [
        line("emorynlp", "s01e01", "other words"),  # the same episode
        line("emorynlp", "s01e02", "hello THERE"),  # the same text
        line("meld", "s01e01", "a dialogue of its own"),  # the same episode, but one corpus
        kept,
    ]
    assert without_tested(others, tested) == (others[2], kept)
    both = find_protocol("fixed").anchored(["emorynlp"])
    told = [
        line("meld", "s01e03", "x", "train"), line("meld", "s01e04", "y", "dev"), *tested, *others,
    ]  # fmt: skip
    told.remove(others[2])
    (fold,) = both.folds(told, seed=0, hold_out=HoldOut("utterance", 0.1))
    assert [told[i].text for i in fold.train] == ["x", "Bye"]


def test_a_line_said_twice_is_two_utterances(encoder):
    told = [u for u in utterances() for _ in range(2)]
    data = make_dataset(recipe_of(encoder), told, encoder=encoder)
    outcome = evaluate(recipe_of(encoder), data, find_protocol("fixed"), seeds=[0])
    assert len(set(outcome.identities)) == 96
    assert outcome.identities[::2] == tuple(
        name.rpartition("|")[0] for name in outcome.identities[1::2]
    )


def test_sessions_are_held_out_whole():
    told = utterances()
    training, validation = HoldOut("session", 0.25).split(told, np.arange(48), seed=0)
    assert len(validation) == 12
    assert sorted([*training, *validation]) == list(range(48))
    assert not {told[i].session for i in training} & {told[i].session for i in validation}
    with pytest.raises(ProtocolError, match="utterances without one"):
        HoldOut("session", 0.25).split(utterances(session=None), np.arange(48), seed=0)


def test_recipes_of_the_paper_are_the_tables_heads(encoder):
    names = [
        name
        for name in shipped_recipes()
        if name.startswith("emotion-recognition-on-edge-devices/table4")
    ]
    assert [Path(name).name for name in names] == ["table4-elm", "table4-hidden", "table4-linear"]
    for name in names:
        recipe = load_recipe(name).bound_to(encoder)
        assert recipe.input.n_features == 32
        assert recipe.corpora == ("meld",)
    assert (
        load_recipe("emotion-recognition-on-edge-devices/table4-hidden").network.activation
        == "tanh"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text,label\nhello,sad", "has no column 'speaker'"),
        ("text,label,speaker\n,sad,ann", "the text is empty"),
        ("text,label,speaker,start\nhi,sad,ann,1", "a start or an end, but no audio"),
    ],
)
def test_tables_of_texts_that_are_wrong(tmp_path, rows, message):
    (tmp_path / "t.csv").write_text(rows)
    with pytest.raises(CorpusError, match=message):
        read_manifest(tmp_path / "t.csv")


def test_a_recipe_of_text_needs_texts(encoder, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "t.csv").write_text(
        "audio,text,label,speaker\na.wav,hi,happy,ann\na.wav,,sad,ann".replace("a.wav,,", ",ho,")
    )
    recipe = recipe_of(encoder)
    _, told = load_utterances(recipe, [f"manifest={tmp_path / 't.csv'}"])
    assert [u.audio for u in told] == [None, None]
    (tmp_path / "t.csv").write_text("audio,text,label,speaker\na.wav,,happy,ann\n,ho,sad,ann")
    with pytest.raises(CorpusError, match=r"has no text \(a.wav\)"):
        load_utterances(recipe, [f"manifest={tmp_path / 't.csv'}"])
