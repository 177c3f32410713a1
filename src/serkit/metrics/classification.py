"""Classification metrics, computed from a confusion matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confusion(
    targets: NDArray[np.int64], predicted: NDArray[np.int64], n_labels: int
) -> NDArray[np.int64]:
    """Confusion matrix: counts of true class (row) by predicted class (column).

    Args:
        targets: True class indices, shape `[n]`.
        predicted: Predicted class indices, shape `[n]`.
        n_labels: Number of classes.

    Returns:
        Shape `[n_labels, n_labels]`.
    """
    flat = np.bincount(targets * n_labels + predicted, minlength=n_labels * n_labels)
    return flat.reshape(n_labels, n_labels).astype(np.int64)


def weighted_accuracy(matrix: NDArray[np.int64]) -> float:
    """WA: the share of utterances classified correctly."""
    return float(np.trace(matrix) / matrix.sum())


def unweighted_average_recall(matrix: NDArray[np.int64]) -> float:
    """UA: the mean recall over the classes that occur.

    The same as scikit-learn's `balanced_accuracy_score`.
    """
    occurring = matrix.sum(axis=1) > 0
    recalls = np.diag(matrix)[occurring] / matrix.sum(axis=1)[occurring]
    return float(recalls.mean())


def recalls(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recall per class; NaN if a class does not occur."""
    return _ratio(np.diag(matrix), matrix.sum(axis=1))


def precisions(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision per class; NaN if a class is never predicted."""
    return _ratio(np.diag(matrix), matrix.sum(axis=0))


def f1s(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 per class, the harmonic mean of precision and recall.

    0 without a correct prediction; NaN if a class neither occurs nor is predicted.
    """
    return _ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """Macro F1: the mean F1 over the classes that occur or are predicted."""
    return float(np.nanmean(f1s(matrix)))


def weighted_f1(matrix: NDArray[np.int64]) -> float:
    """Weighted F1: the mean F1 over classes, weighted by their occurrences."""
    occurring = matrix.sum(axis=1) > 0
    return float(np.average(f1s(matrix)[occurring], weights=matrix.sum(axis=1)[occurring]))


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
