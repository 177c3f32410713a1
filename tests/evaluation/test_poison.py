"""What a fold fits sees nothing of its test part: poison that part, and nothing may change."""

from dataclasses import replace

import numpy as np
import pytest

from serkit.evaluation import evaluate, find_protocol
from serkit.training import Optimiser, fit

from toys import make_data, make_recipe

EARLY = make_recipe(
    optimiser=Optimiser(max_epochs=60, learning_rate=0.05, patience=2, monitor="ua")
)


def models_of(data):
    """The models of each fold, with the number of epochs until each stopped."""
    found = []

    def recording(*arguments, **options):
        epochs = []
        model = fit(*arguments, **options, on_epoch=epochs.append)
        found.append((model, len(epochs)))
        return model

    evaluate(EARLY, data, find_protocol("loso"), seeds=[0], learn=recording)
    return found


@pytest.fixture
def clean():
    data = make_data(n_speakers=4, per_class=6)
    copies = data.features[None] + np.float32(0.01)
    return replace(data, copies=copies)


@pytest.fixture
def pairs(clean):
    """The model of the first fold, clean and with its test part poisoned."""
    fold = find_protocol("loso").folds(clean.utterances, seed=0, hold_out=EARLY.hold_out)[0]
    features, copies, targets = (v.copy() for v in (clean.features, clean.copies, clean.targets))
    features[fold.test] = 1e6
    copies[:, fold.test] = -1e6
    targets[fold.test] = 0
    poisoned = replace(clean, features=features, copies=copies, targets=targets)
    return [models_of(data)[0] for data in (clean, poisoned)]


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


def test_poison_in_the_training_part_would_be_noticed(clean):
    """The tests above can fail: the same poison in a training part changes the model."""
    fold = find_protocol("loso").folds(clean.utterances, seed=0, hold_out=EARLY.hold_out)[0]
    features = clean.features.copy()
    features[fold.train[:3]] = 1e6
    one, other = (models_of(data)[0][0] for data in (clean, replace(clean, features=features)))
    assert not np.array_equal(one.mean, other.mean)
