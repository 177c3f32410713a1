"""Dimensions of a model on ratings of held-out speakers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from serkit.adaptation import HoldOut
from serkit.corpora import Corpus, CorpusInfo
from serkit.evaluation import dimension_figures, find_protocol, with_dimensions
from serkit.evaluation.run import guarded_folds
from serkit.runtime import arousal_valence
from serkit.training import Dimensions, fit

from toys import make_data, make_recipe

PLAN = Dimensions(names=("arousal", "dominance"), corpora=("rated",))


def rated(n_speakers=15):
    """Toy data whose arousal is 0.8 if angry, and whose dominance is chance of the speaker."""
    data = make_data(n_speakers=n_speakers, corpora=("rated",), seed=4)
    rng = np.random.default_rng(0)
    level = rng.uniform(-0.5, 0.5, n_speakers)
    utterances = tuple(
        replace(u, ratings={"arousal": 0.8 * (u.label == "angry"), "dominance": level[i]})
        for u in data.utterances
        for i in [int(u.speaker)]
    )
    return replace(data, utterances=utterances)


@pytest.fixture(scope="module")
def model():
    data = make_data()
    return fit(make_recipe(), data, data, seed=0)


def test_figures_are_of_held_out_speakers(model):
    data = rated()
    figures = dimension_figures(model, PLAN, data)
    arousal, dominance = figures["rows"]
    assert arousal["learned_ccc"] > 0.5
    low, high = arousal["learned_ccc_interval"]
    assert low < arousal["learned_ccc"] < high
    # What marks a speaker cannot be learned from the others.
    assert abs(dominance["learned_ccc"]) < 0.3
    assert "circumplex_ccc" not in dominance
    assert (figures["speakers"], figures["utterances"]) == (15, len(data))
    json.dumps(figures)


def test_the_ratings_of_a_fold_do_not_reach_its_predictions(model):
    """Turning the ratings of one test fold around changes the figures as if predictions stayed."""
    data = rated()
    fold = guarded_folds(data, find_protocol("speaker-folds"), HoldOut("speaker", 0.1), seed=0)[0]
    held = set(fold.test.tolist())
    turned = tuple(
        replace(u, ratings={**u.ratings, "arousal": -u.ratings["arousal"]}) if i in held else u
        for i, u in enumerate(data.utterances)
    )
    plan = Dimensions(names=("arousal",), corpora=("rated",))
    before = dimension_figures(model, plan, data)["rows"][0]["learned_ccc"]
    after = dimension_figures(model, plan, replace(data, utterances=turned))["rows"][0]
    assert after["learned_ccc"] < before - 0.1


def test_the_circumplex_is_that_of_the_scores(model):
    data = rated()
    (row,) = dimension_figures(model, Dimensions(names=("arousal",), corpora=("rated",)), data)[
        "rows"
    ]
    logits = model.logits(data.features).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    placed = [arousal_valence(dict(zip(model.card.labels, one, strict=True)))[0] for one in shares]
    truth = [u.ratings["arousal"] for u in data.utterances]
    assert row["circumplex_pearson"] == pytest.approx(np.corrcoef(truth, placed)[0, 1], abs=1e-4)
    difference = row["learned_ccc"] - row["circumplex_ccc"]
    assert row["difference_ccc"] == pytest.approx(difference, abs=2e-4)


def test_the_layer_leaves_the_categories_as_they_are(model):
    data = rated()
    info = CorpusInfo(
        "rated", "The Rated", "English", "ODbL", True, "", "", ("angry", "sad", "happy"), "x.wav"
    )
    corpus = Corpus("rated", None, data.utterances, (), info)
    found = with_dimensions(model, PLAN, data, [corpus])
    np.testing.assert_array_equal(found.logits(data.features), model.logits(data.features))
    assert found.card.dimensions == ("arousal", "dominance")
    (source,) = found.card.dimension_corpora
    assert (source.name, source.licence, source.speakers) == ("rated", "ODbL", 15)
    assert found.card.corpora == model.card.corpora
    _, embeddings = found.logits_and_embeddings(data.features)
    arousal = found.dimensions(embeddings)[:, 0]
    angry = np.array([u.label == "angry" for u in data.utterances])
    assert arousal[angry].mean() > arousal[~angry].mean() + 0.4
