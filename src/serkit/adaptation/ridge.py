"""Ridge regression: a linear classifier, or linear outputs, in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.probabilities import one_hot

Array = NDArray[np.float32]


def fit_ridge(
    rows: Array,
    targets: NDArray[np.int64],
    weights: Array,
    *,
    n_labels: int,
    penalty: float,
) -> tuple[Array, Array]:
    """Weighted least squares on one-hot targets, with an L2 penalty on the weights.

    Hoerl and Kennard, *Ridge Regression* (1970). With more features than recordings the dual
    problem, of the size of the recordings, is solved instead; its solution is the same.

    Args:
        rows: Standardised features, shape `[n, n_features]`.
        targets: Class indices, shape `[n]`.
        weights: Weight of each row, positive, shape `[n]`.
        n_labels: Number of classes.
        penalty: Of the squared weights, as a multiple of the mean squared length of a row.

    Returns:
        Weights `[n_labels, n_features]` and biases `[n_labels]`, float32.
    """
    return fit_values(rows, one_hot(targets, n_labels), weights, penalty=penalty)


def fit_values(
    rows: Array, targets: NDArray[np.float64], weights: Array, *, penalty: float
) -> tuple[Array, Array]:
    """Ridge regression on any values; see `fit_ridge`.

    Args:
        rows: As for `fit_ridge`.
        targets: Shape `[n, n_outputs]`.
        weights: As for `fit_ridge`.
        penalty: As for `fit_ridge`.

    Returns:
        Weights `[n_outputs, n_features]` and biases `[n_outputs]`, float32.
    """
    features = rows.astype(np.float64)
    share = weights.astype(np.float64)[:, None]
    centre = (share * features).sum(axis=0) / share.sum()
    level = (share * targets).sum(axis=0) / share.sum()
    root = np.sqrt(share)
    features -= centre
    features *= root
    outputs = root * (targets - level)
    dual = len(rows) < rows.shape[1]
    gram = features @ features.T if dual else features.T @ features
    # Never zero, or identical rows would make the system singular.
    strength = penalty * max(float(np.trace(gram)) / float(share.sum()), 1e-9)
    gram[np.diag_indices_from(gram)] += strength
    if dual:
        weight = features.T @ np.linalg.solve(gram, outputs)
    else:
        weight = np.linalg.solve(gram, features.T @ outputs)
    bias = level - centre @ weight
    return np.ascontiguousarray(weight.T, np.float32), bias.astype(np.float32)
