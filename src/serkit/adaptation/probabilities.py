"""The softmax, and the targets of its training."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", bound=np.floating)


def softmax(scores: NDArray[Float], *, axis: int = -1) -> NDArray[Float]:
    """Probabilities over an axis, of the shape and type of the scores."""
    probabilities: NDArray[Float] = np.exp(scores - scores.max(axis=axis, keepdims=True))
    probabilities /= probabilities.sum(axis=axis, keepdims=True)
    return probabilities


def one_hot(targets: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Indices as rows of 0 and 1, shape `[n, n_classes]`."""
    rows = np.zeros((len(targets), n_classes))
    rows[np.arange(len(targets)), targets] = 1.0
    return rows
