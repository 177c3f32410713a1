import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from serkit.evaluation import (
    AROUSAL,
    VALENCE,
    confusion,
    expected_calibration_error,
    f1s,
    macro_f1,
    mean_interval,
    precisions,
    recalls,
    regroup,
    share_within,
    speaker_interval,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)
from serkit.evaluation.metrics import clustered_intervals, per_speaker

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80)


@given(pairs)
def test_confusion_ua_and_wa_are_scikit_learns(found):
    truth, predicted = map(np.array, zip(*found, strict=True))
    matrix = confusion(truth, predicted, 5)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, predicted, labels=range(5)))
    occurring = np.unique(truth)
    recall = sk.recall_score(truth, predicted, labels=occurring, average="macro", zero_division=0)
    assert unweighted_average_recall(matrix) == pytest.approx(recall)
    assert weighted_accuracy(matrix) == pytest.approx(sk.accuracy_score(truth, predicted))


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.35, 0.65]], np.float32)
    targets = np.array([0, 1, 1, 0])
    # Bin 0.9-1.0: confidence 0.9, half right; bin 0.6-0.7: confidence 0.625, half right.
    assert expected_calibration_error(targets, probabilities) == pytest.approx(
        0.5 * abs(0.5 - 0.9) + 0.5 * abs(0.5 - 0.625), abs=1e-6
    )


def test_calibrated_probabilities_have_almost_no_error():
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 1, 100_000).astype(np.float32)
    targets = (rng.uniform(0, 1, 100_000) > first).astype(int)
    assert expected_calibration_error(targets, np.stack((first, 1 - first), axis=1)) < 0.01


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


@given(pairs)
def test_precision_recall_and_f1_are_scikit_learns(found):
    truth, predicted = map(np.array, zip(*found, strict=True))
    matrix = confusion(truth, predicted, 5)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        truth, predicted, labels=range(5), zero_division=np.nan
    )
    np.testing.assert_allclose(precisions(matrix), precision)
    np.testing.assert_allclose(recalls(matrix), recall)
    np.testing.assert_allclose(f1s(matrix), f1)
    for ours, average in ((macro_f1, "macro"), (weighted_f1, "weighted")):
        theirs = sk.f1_score(truth, predicted, average=average, zero_division=0)
        assert ours(matrix) == pytest.approx(theirs)


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


def test_errors_by_arousal_and_valence():
    labels = ("angry", "happy", "neutral", "sad", "bored")
    matrix = np.array(
        [
            [5, 2, 0, 1, 9],  # angry: two errors within high arousal, one across
            [0, 5, 0, 0, 0],
            [0, 0, 5, 1, 0],  # neutral: one within low arousal
            [0, 0, 0, 5, 0],
            [9, 0, 0, 0, 5],  # bored has no group and counts nowhere
        ]
    )
    names, arousal = regroup(matrix, labels, AROUSAL)
    assert names == ("high", "low")
    np.testing.assert_array_equal(arousal, [[12, 1], [0, 11]])
    assert share_within(matrix, labels, AROUSAL) == pytest.approx(3 / 4)
    names, valence = regroup(matrix, labels, VALENCE)
    assert names == ("negative", "neutral", "positive")
    np.testing.assert_array_equal(valence, [[11, 0, 2], [1, 5, 0], [0, 0, 5]])
    assert share_within(np.eye(5, dtype=int), labels, AROUSAL) is None
    assert regroup(matrix, ("a", "b", "c", "d", "e"), AROUSAL)[0] == ()
