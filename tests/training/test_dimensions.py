from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import Ridge

from serkit.corpora import Utterance
from serkit.errors import CorpusError
from serkit.training import Dimensions, fit_dimensions, load_rated, ratings_of

from toys import make_recipe

PLAN = Dimensions(corpora=("crema_d",))


def planted(n_speakers=12, per_speaker=20, noise=0.02, seed=0):
    """Ratings that are linear in the embeddings, whose units have different scales."""
    rng = np.random.default_rng(seed)
    n = n_speakers * per_speaker
    embeddings = rng.standard_normal((n, 5)) * [1.0, 20.0, 0.05, 1.0, 0.0] + 3.0
    weight = np.array([[0.1, 0.005, 0.0, -0.05, 0.0], [0.0, -0.01, 2.0, 0.0, 0.0]])
    ratings = (embeddings - 3.0) @ weight.T + noise * rng.standard_normal((n, 2))
    speakers = [str(i // per_speaker) for i in range(n)]
    return embeddings.astype(np.float32), ratings, speakers, weight


def test_a_linear_relation_is_found():
    embeddings, ratings, speakers, weight = planted()
    fitted = fit_dimensions(PLAN, embeddings, ratings, speakers)
    new, truth, _, _ = planted(noise=0.0, seed=1)
    np.testing.assert_allclose(fitted.layer.weight[:, :4], weight[:, :4], atol=0.05)
    assert np.abs(fitted.layer(new) - truth).max() < 0.03


def test_the_layer_is_scikit_learns_ridge_on_standardised_units():
    embeddings, ratings, speakers, _ = planted()
    plan = Dimensions(corpora=("crema_d",), penalties=(0.3,))
    layer = fit_dimensions(plan, embeddings, ratings, speakers).layer
    scale = np.where(embeddings.std(axis=0) > 0, embeddings.std(axis=0), 1.0)
    rows = embeddings / scale
    length = np.square(rows - rows.mean(axis=0)).sum(axis=1).mean()
    theirs = Ridge(alpha=0.3 * length).fit(rows, ratings)
    np.testing.assert_allclose(layer.weight, theirs.coef_ / scale, rtol=2e-3, atol=1e-4)
    assert (layer.weight == layer.weight.astype(np.float16)).all()


def test_the_penalty_is_chosen_on_other_speakers():
    """A voice tells the level of its speaker, but not that of anyone else: the weak penalty, which
    learns voices by heart, wins if clips of one speaker are on both sides."""
    rng = np.random.default_rng(3)
    n_speakers, width = 40, 32
    speaker = np.repeat(np.arange(n_speakers), 6)
    level, voice = rng.standard_normal(n_speakers), rng.standard_normal((n_speakers, width))
    shared = rng.standard_normal(len(speaker))
    voices = voice[speaker] + 0.02 * rng.standard_normal((len(speaker), width))
    embeddings = np.column_stack((shared, voices)).astype(np.float32)
    ratings = (0.2 * shared + 0.2 * level[speaker])[:, None]
    plan = Dimensions(names=("arousal",), corpora=("x",), penalties=(1e-6, 0.1))
    names = [str(i) for i in speaker]
    of_clips = [str(i) for i in rng.permutation(len(names))]
    assert fit_dimensions(plan, embeddings, ratings, of_clips).penalty == 1e-6
    assert fit_dimensions(plan, embeddings, ratings, names).penalty == 0.1


def test_one_speaker_is_too_few():
    embeddings, ratings, _, _ = planted(1)
    with pytest.raises(CorpusError, match="at least two"):
        fit_dimensions(PLAN, embeddings, ratings, ["a"] * len(ratings))


def test_ratings_in_the_order_of_the_plan():
    given = {"valence": 0.25, "arousal": -0.5, "dominance": 1.0}
    utterances = [Utterance(Path("a.wav"), "sad", "a", "x", ratings=given)]
    plan = Dimensions(names=("dominance", "valence"), corpora=("x",))
    np.testing.assert_array_equal(ratings_of(plan, utterances), [[1.0, 0.25]])
    assert len(set(utterances)) == 1  # hashable


def test_a_corpus_without_ratings_is_refused(tmp_path):
    (tmp_path / "03-01-01-01-01-01-01.wav").touch()
    plan = Dimensions(corpora=(f"ravdess={tmp_path}",))
    with pytest.raises(CorpusError, match="no utterance of ravdess has ratings of arousal and val"):
        load_rated(plan)


@pytest.mark.parametrize(
    "values",
    [
        {"names": ()}, {"names": ("arousal", "arousal")}, {"names": ("loudness",)},
        {"corpora": ()}, {"penalties": ()}, {"penalties": (0.0,)},
    ],
)  # fmt: skip
def test_a_plan_is_checked(values):
    with pytest.raises(ValidationError):
        Dimensions(**({"corpora": ("x",)} | values))


def test_it_is_part_of_a_recipe():
    recipe = make_recipe(dimensions={"corpora": ["crema_d"]})
    assert recipe.dimensions == PLAN
    assert recipe.on_card()["dimensions"] == {"corpora": ["crema_d"]}
    assert "dimensions" not in make_recipe().on_card()
