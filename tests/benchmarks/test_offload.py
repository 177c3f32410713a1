from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.metrics import confusion, unweighted_average_recall
from serkit.serving.client.device import is_sure

from offload_policy import at_best, at_random, compared, sent_by, threshold_for

LABELS = ("angry", "sad")


def scores(*best):
    return [{"angry": one, "sad": 1.0 - one} for one in best]


def test_a_device_is_sure_at_the_threshold_and_of_silence():
    assert is_sure({"angry": 0.6, "sad": 0.4}, 0.6)
    assert not is_sure({"angry": 0.6, "sad": 0.4}, 0.61)
    assert is_sure({}, 1.0)


def test_a_threshold_sends_the_share_it_was_made_for():
    known = [*scores(0.9, 0.6, 0.55, 0.99, 0.7), {}]  # the last one is silent
    n_sent = [
        int(sent_by(known, threshold_for(known, share)).sum())
        for share in (0.0, 1 / 6, 0.5, 5 / 6, 1.0)
    ]
    assert n_sent == [0, 1, 3, 5, 5]


@given(st.lists(st.floats(0.5, 1.0, exclude_max=True), min_size=1, max_size=30), st.floats(0, 1))
def test_a_threshold_sends_no_more_than_its_share(best, share):
    threshold = threshold_for(scores(*best), share)
    assert 0.0 <= threshold <= 1.0  # what a client takes
    assert sent_by(scores(*best), threshold).sum() <= round(share * len(best))


def test_at_random_is_the_mean_over_all_choices():
    targets, device, server = (np.array(one) for one in ([0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]))
    values = []
    for sent in combinations(range(4), 2):
        found = device.copy()
        found[list(sent)] = server[list(sent)]
        values.append(unweighted_average_recall(confusion(targets, found, 2)))
    both = [unweighted_average_recall(confusion(targets, one, 2)) for one in (device, server)]
    assert at_random(*both, 0.5) == pytest.approx(np.mean(values))


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_at_best_is_the_highest_of_all_choices(seed, n_sent):
    rng = np.random.default_rng(seed)
    targets = np.concatenate((np.arange(3), rng.integers(3, size=3)))
    device, server = rng.integers(3, size=(2, 6))
    best = 0.0
    for size in range(n_sent + 1):
        for sent in combinations(range(6), size):
            found = device.copy()
            found[list(sent)] = server[list(sent)]
            best = max(best, unweighted_average_recall(confusion(targets, found, 3)))
    assert at_best(targets, device, server, 3, n_sent) == pytest.approx(best)


def test_differences_of_a_rule():
    targets = np.tile([0, 1], 6)
    speakers = [f"speaker-{i // 2}" for i in range(12)]
    wrong, right = 1 - targets, targets
    sent = targets == 0
    figures = compared(targets, wrong, right, sent, speakers, 2)
    values = {name: figure["value"] for name, figure in figures.items()}
    assert values == pytest.approx(
        {"ua": 0.5, "to_server": -0.5, "to_device": 0.5, "to_random": 0.0, "share": 0.5}
    )
    # All speakers are alike.
    assert all(one["interval"] == [one["value"]] * 2 for one in figures.values())
