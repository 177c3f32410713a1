"""What few bits cost is measured on speakers that decided nothing, and told."""

import numpy as np
import pytest

from serkit.adaptation import HoldOut, softmax
from serkit.evaluation import find_protocol, shrink
from serkit.evaluation.shrinking import Scores, Shrunk
from serkit.metrics import expected_calibration_error
from serkit.training import Quantisation, fit

from toys import make_data, make_recipe

DATA = make_data()
FULL = fit(make_recipe(), DATA, make_data(seed=1))
LOSO = find_protocol("loso")


def shrunk(**changes):
    fine = (Scores(0.8, 0.8, 0.05, 100),) * 2
    values = {"model": FULL, "quantised": None, "fold": "f", "seen": False, "repacked": False,
              "validation": fine, "test": fine, "marks": ()}  # fmt: skip
    return Shrunk(**(values | changes))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Scores(0.8, 0.79, 0.06, 100), []),
        (Scores(0.9, 0.9, 0.01, 100), []),
        (Scores(0.8, 0.7, 0.05, 100), ["UA falls by 10.0 points"]),
        (Scores(0.8, 0.8, 0.276, 100), ["ECE rises by 22.6 points"]),
        (Scores(0.8, 0.75, 0.1, 100), ["UA falls by 5.0", "ECE rises by 5.0"]),
    ],
)
def test_a_loss_that_matters_is_warned_of(after, words):
    warnings = shrunk(test=(Scores(0.8, 0.8, 0.05, 100), after)).warnings
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_what_was_seen_or_packed_before_is_warned_of():
    (seen,) = shrunk(seen=True).warnings
    assert "optimistic" in seen
    (packed,) = shrunk(repacked=True).warnings
    assert "--full-precision" in packed


def test_figures_are_those_of_the_fold_and_the_test_part_decides_nothing():
    data = make_data(seed=2)
    plan = Quantisation(margin=0.05)
    found = shrink(FULL, plan, data, (), LOSO)
    fold = LOSO.folds(data.utterances, seed=0, hold_out=HoldOut("speaker", 0.15))[0]
    assert found.fold == fold.name
    test = data.rows(fold.test)
    for model, scores in zip((FULL, found.model), found.test, strict=True):
        probabilities = softmax(model.logits(test.features))
        assert scores.accuracy == np.mean(probabilities.argmax(axis=1) == test.targets)
        assert scores.ece == expected_calibration_error(test.targets, probabilities)
    assert (found.marks, found.seen) == ((), False)

    features = data.features.copy()
    features[fold.test] = 100.0
    poisoned = type(data)(features, data.copies, data.targets, data.utterances)
    again = shrink(FULL, plan, poisoned, (), LOSO)
    assert again.model.card.temperature == found.model.card.temperature
    assert again.quantised.bits == found.quantised.bits
