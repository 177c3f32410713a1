import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import Ridge as TheirRidge

from serkit.adaptation import fit_ridge
from serkit.training import Network, Optimiser, Ridge, fit

from toys import make_data, make_recipe

RIDGE = {"network": Network(hidden=()), "optimiser": Ridge(name="ridge", penalty=0.1)}


@pytest.mark.parametrize(("n", "n_features"), [(40, 7), (40, 40), (30, 90)])
def test_it_is_scikit_learns_ridge(n, n_features):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, n_features)).astype(np.float32) + 1.0
    targets = rng.integers(4, size=n)
    weights = rng.uniform(0.2, 3.0, n).astype(np.float32)
    centred = rows - np.average(rows, axis=0, weights=weights)
    length = np.average(np.square(centred).sum(axis=1), weights=weights)
    theirs = TheirRidge(alpha=0.3 * length).fit(rows, np.eye(4)[targets], sample_weight=weights)
    weight, bias = fit_ridge(rows, targets, weights, n_labels=4, penalty=0.3)
    np.testing.assert_allclose(weight, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(bias, theirs.intercept_, atol=1e-5)


def test_rows_that_are_all_alike_give_the_shares_of_the_classes():
    targets = np.array([0, 0, 1, 0])
    weight, bias = fit_ridge(
        np.ones((4, 3), np.float32), targets, np.ones(4, np.float32), n_labels=2, penalty=0.5
    )
    np.testing.assert_allclose(weight, 0.0, atol=1e-6)
    np.testing.assert_allclose(bias, [0.75, 0.25], atol=1e-6)


def test_a_recipe_learns_with_it_and_the_seed_changes_nothing():
    data = make_data()
    train, validation, test = (
        data.rows(np.flatnonzero([int(u.speaker) in who for u in data.utterances]))
        for who in (range(5), (5,), (6, 7))
    )
    one, other = (fit(make_recipe(**RIDGE), train, validation, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one.logits(test.features), other.logits(test.features))
    assert np.mean(one.logits(test.features).argmax(axis=1) == test.targets) > 0.8


def test_copies_count_together_with_their_recording_as_one():
    data = make_data(n_speakers=3)
    twice = type(data)(
        data.features, data.features[None], data.targets, data.utterances, data.hashes
    )
    plain, copied = (fit(make_recipe(**RIDGE), part, part).layers[0] for part in (data, twice))
    np.testing.assert_allclose(plain.weight, copied.weight, atol=1e-5)


def test_refit_learns_from_both_parts_and_keeps_the_temperature():
    data = make_data(n_speakers=6)
    speaker = np.array([int(u.speaker) for u in data.utterances])
    train, validation = (data.rows(np.flatnonzero(part)) for part in (speaker < 4, speaker >= 4))
    once = fit(make_recipe(**RIDGE), train, validation)
    again = fit(make_recipe(**RIDGE, refit=True), train, validation)
    assert again.card.temperature == once.card.temperature
    everything = train.joined(validation)
    np.testing.assert_allclose(again.mean, everything.features.mean(axis=0), atol=1e-5)
    of_all = fit(make_recipe(**RIDGE), everything, validation)
    np.testing.assert_array_equal(again.layers[0].weight, of_all.layers[0].weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": Network(hidden=(8,)), "optimiser": Ridge(name="ridge")},
            "set hidden to",
        ),
        ({"refit": True, "optimiser": Optimiser(patience=5)}, "set patience to null"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        make_recipe(**changes)
