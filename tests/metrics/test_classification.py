import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from serkit.metrics import (
    confusion,
    f1s,
    macro_f1,
    precisions,
    recalls,
    unweighted_average_recall,
    weighted_accuracy,
    weighted_f1,
)

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
    for metric, average in ((macro_f1, "macro"), (weighted_f1, "weighted")):
        expected = sk.f1_score(truth, predicted, average=average, zero_division=0)
        assert metric(matrix) == pytest.approx(expected)
