"""What a fold fits sees nothing of its test part: poison that part, and nothing may change."""

from dataclasses import replace

import numpy as np
import pytest

from serkit.compression.quantize import learn
from serkit.evaluation import evaluate, find_protocol
from serkit.training import Network, Optimiser, Quantisation, Ridge, fit

from toys import make_data, make_recipe

EARLY = make_recipe(
    optimiser=Optimiser(max_epochs=60, learning_rate=0.05, patience=2, monitor="ua")
)


def models_of(data, recipe=EARLY, learn=fit):
    """The models of each fold, with the number of epochs until each stopped."""
    found = []

    def recording(*arguments, **options):
        epochs = []
        model = learn(*arguments, **options, on_epoch=epochs.append)
        found.append((model, len(epochs)))
        return model

    evaluate(recipe, data, find_protocol("loso"), seeds=[0], learn=recording)
    return found


@pytest.fixture
def clean():
    data = make_data(n_speakers=4, per_class=6)
    copies = data.features[None] + np.float32(0.01)
    return replace(data, copies=copies)


@pytest.fixture
def both(clean):
    """The data, clean and with the test part of the first fold poisoned."""
    fold = find_protocol("loso").folds(clean.utterances, seed=0, hold_out=EARLY.hold_out)[0]
    features, copies, targets = (v.copy() for v in (clean.features, clean.copies, clean.targets))
    features[fold.test] = 1e6
    copies[:, fold.test] = -1e6
    targets[fold.test] = (targets[fold.test] + 1) % 3
    return clean, replace(clean, features=features, copies=copies, targets=targets)


@pytest.fixture
def pairs(both):
    """The model of the first fold, clean and poisoned."""
    return [models_of(data)[0] for data in both]


def test_normalisation(pairs):
    (one, _), (other, _) = pairs
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.scale, other.scale)


def test_early_stopping_and_the_weights_it_keeps(pairs):
    (one, epochs), (other, epochs_poisoned) = pairs
    assert epochs == epochs_poisoned < 60
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)


def test_calibration(pairs):
    (one, _), (other, _) = pairs
    assert one.card.temperature == other.card.temperature != 1.0


def test_bit_search_and_fine_tuning(both):
    recipe = EARLY.model_copy(update={"quantisation": Quantisation(fine_tuning=2)})
    one, other = (models_of(data, recipe, learn)[0][0] for data in both)
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        assert ours.weight.bits == theirs.weight.bits
        np.testing.assert_array_equal(ours.weight.packed, theirs.weight.packed)
        np.testing.assert_array_equal(ours.weight.scale, theirs.weight.scale)
    assert one.card.temperature == other.card.temperature


def test_ridge_and_its_refit(both):
    recipe = make_recipe(
        network=Network(hidden=()), optimiser=Ridge(name="ridge"), refit=True, balance="class"
    )
    one, other = (models_of(data, recipe)[0][0] for data in both)
    np.testing.assert_array_equal(one.layers[0].weight, other.layers[0].weight)
    assert one.card.temperature == other.card.temperature != 1.0


def test_principal_components(both):
    """Ridge on components of the training part; copies are projected, not analysed."""
    recipe = make_recipe(
        network=Network(hidden=()), optimiser=Ridge(name="ridge"), refit=True, pca=2
    )
    one, other = (models_of(data, recipe)[0][0] for data in both)
    np.testing.assert_array_equal(one.layers[0].weight, other.layers[0].weight)
    np.testing.assert_array_equal(one.layers[0].bias, other.layers[0].bias)
    assert np.linalg.matrix_rank(one.layers[0].weight, tol=1e-4) == 2


def test_poison_in_the_training_part_would_be_noticed(clean):
    """The tests above can fail: the same poison in a training part changes the model."""
    fold = find_protocol("loso").folds(clean.utterances, seed=0, hold_out=EARLY.hold_out)[0]
    features = clean.features.copy()
    features[fold.train[:3]] = 1e6
    one, other = (models_of(data)[0][0] for data in (clean, replace(clean, features=features)))
    assert not np.array_equal(one.mean, other.mean)
