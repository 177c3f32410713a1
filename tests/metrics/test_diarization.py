"""EDER and boundary errors, against hand-computed figures and a count of frames."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.metrics import change_distances, diarization_error, label_changes, label_times

LABELS = ("angry", "happy", "neutral")


def error(truth, found):
    return diarization_error(label_times(truth, found, LABELS), LABELS)


def test_the_example_of_speechbrain():
    """Its EDER of frames of 0.2 s, `nnnaaa`, printed in the documentation of `EDER`."""
    truth = [(0.0, 0.39, "neutral"), (0.39, 1.10, "angry"), (1.10, 1.22, "neutral")]
    found = error(truth, [(0.0, 0.6, "neutral"), (0.6, 1.2, "angry")])
    assert found.rate == pytest.approx(0.2704918032786885)
    # 0.21 s of anger and the last 0.02 s are missed; 0.1 s of neutral is called angry.
    assert found.missed_s == pytest.approx(0.23)
    assert found.false_alarm_s == pytest.approx(0.1)
    assert found.confused_s == 0.0


def test_pauses_are_no_part_of_the_total():
    truth = [(1.0, 3.0, "angry"), (3.0, 4.0, None), (4.0, 6.0, "neutral")]
    found = [(0.0, 2.0, "angry"), (2.0, 3.5, "happy"), (4.5, 5.0, "neutral"), (5.0, 6.0, "angry")]
    assert label_times(truth, found, LABELS).tolist() == [
        [1.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.5, 0.5],
        [1.0, 0.5, 0.0, 0.5],
    ]
    result = error(truth, found)
    assert (result.missed_s, result.false_alarm_s, result.confused_s) == (0.5, 2.5, 1.0)
    assert (result.total_s, result.rate) == (4.0, 1.0)
    assert math.isnan(error([(0.0, 1.0, None)], found).rate)
    assert label_times([], [], LABELS).sum() == 0.0


def test_what_cannot_be_scored_is_refused():
    for bad in ([(0.0, 2.0, "angry"), (1.0, 3.0, "happy")], [(1.0, 0.0, "angry")]):
        with pytest.raises(ValueError, match="overlap or end before they start"):
            label_times(bad, [], LABELS)
    with pytest.raises(ValueError, match=r"\['calm'\]; expected angry, happy, neutral"):
        label_times([], [(0.0, 1.0, "calm")], LABELS)


frames = st.lists(st.sampled_from([*LABELS, None]), max_size=12)


def stretches(labels, cut=0.25):
    """A stretch for each frame; half of those without a label are left out, which is the same."""
    return [
        (cut * i, cut * (i + 1), label)
        for i, label in enumerate(labels)
        if label is not None or i % 2
    ]


@given(frames, frames)
def test_times_are_those_of_a_count_of_frames(truth, found):
    n = max(len(truth), len(found))
    truth_at, found_at = (labels + [None] * (n - len(labels)) for labels in (truth, found))
    pairs = list(zip(truth_at, found_at, strict=True))
    names = [*LABELS, None]
    seconds = label_times(stretches(truth), stretches(found), LABELS)
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            if row is not None or column is not None:
                assert seconds[i, j] == 0.25 * pairs.count((row, column))
    result = diarization_error(seconds, LABELS)
    more = {None: 0, "neutral": 1, "angry": 2, "happy": 2}
    assert result.missed_s == 0.25 * sum(more[a] > more[b] for a, b in pairs)
    assert result.false_alarm_s == 0.25 * sum(more[a] < more[b] for a, b in pairs)
    assert result.confused_s == 0.25 * sum(more[a] == more[b] and a != b for a, b in pairs)
    assert result.total_s == 0.25 * sum(a is not None for a, _ in pairs)


@given(frames)
def test_the_truth_has_no_error_and_is_independent_of_how_it_is_cut(truth):
    whole = stretches(truth)
    halves = [
        part
        for start, end, label in whole
        for part in ((start, (start + end) / 2, label), ((start + end) / 2, end, label))
    ]
    result = error(whole, halves)
    assert result.missed_s == result.false_alarm_s == result.confused_s == 0.0
    assert label_changes(whole).tolist() == label_changes(halves).tolist()
    changes = label_changes(whole)
    assert not change_distances(changes, changes).any()


def test_changes_skip_pauses_and_repetitions():
    labels = ["angry", "angry", None, "angry", "happy", None, None, "neutral", None]
    seconds = [(float(i), i + 1.0, label) for i, label in enumerate(labels)]
    assert label_changes(seconds).tolist() == [[4.0, 4.0], [5.0, 7.0]]
    assert label_changes([]).shape == (0, 2)


def test_distances_of_changes():
    truth = np.array([[4.0, 4.0], [5.0, 7.0], [20.0, 21.0]])
    found = np.array([[2.5, 3.0], [6.0, 6.5], [24.0, 30.0]])
    assert change_distances(truth, found).tolist() == [1.0, 0.0, 3.0]
    assert change_distances(truth, found[:0]).tolist() == [np.inf] * 3
    assert change_distances(truth[:0], found).shape == (0,)
