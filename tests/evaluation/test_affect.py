import numpy as np
import pytest

from serkit.evaluation import AROUSAL, VALENCE, regroup, share_within


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
