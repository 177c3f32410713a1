import numpy as np
import pytest
from scipy import stats

from serkit.metrics import (
    clustered_intervals,
    confusion,
    f1s,
    mean_interval,
    per_speaker,
    precisions,
    recalls,
    speaker_interval,
    unweighted_average_recall,
)


def test_the_interval_for_a_mean_is_students():
    values = [0.61, 0.66, 0.58, 0.7, 0.64]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    found = mean_interval(values)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    for n in (2, 31, 32, 200):
        many = np.random.default_rng(n).random(n)
        low, high = stats.t.interval(0.95, n - 1, many.mean(), stats.sem(many))
        assert (mean_interval(many).low, mean_interval(many).high) == pytest.approx(
            (low, high), abs=1e-3
        )
    with pytest.raises(ValueError, match="at least 2"):
        mean_interval([0.5])


def test_a_speaker_interval_is_wider_than_one_of_utterances_where_speakers_differ():
    rng = np.random.default_rng(0)
    speakers, truth, predicted = [], [], []
    for speaker in range(10):
        right = 0.95 if speaker % 2 else 0.3
        for _ in range(200):
            target = int(rng.integers(2))
            truth.append(target)
            predicted.append(target if rng.random() < right else 1 - target)
            speakers.append(str(speaker))
    truth, predicted = np.array(truth), np.array(predicted)
    clustered = speaker_interval(unweighted_average_recall, truth, predicted, speakers, 2)
    alone = speaker_interval(
        unweighted_average_recall, truth, predicted, [str(i) for i in range(len(truth))], 2
    )
    value = unweighted_average_recall(confusion(truth, predicted, 2))
    assert clustered.low < alone.low < value < alone.high < clustered.high
    assert clustered.high - clustered.low > 5 * (alone.high - alone.low)


def test_few_speakers_promise_nothing():
    truth = np.array([0, 1] * 4)
    names = list("aabbccdd")
    assert speaker_interval(unweighted_average_recall, truth, truth, names, 2) is None


def test_who_never_acts_a_class_says_nothing_of_it():
    """Of ten speakers, found without an error, two act the third class."""
    truth = np.array([0, 1] * 10 + [2, 2])
    names = [str(i) for i in range(10) for _ in range(2)] + ["0", "1"]

    def counted(index):
        return confusion(truth[index], truth[index], 4)

    _, by_speaker = per_speaker(names, counted)
    for metric in (recalls, precisions, f1s):
        found = clustered_intervals(metric, by_speaker)
        assert [(i.low, i.high) for i in found[:3]] == [(1.0, 1.0)] * 3
        assert found[3] is None  # nobody acts the fourth, and nothing is called so
