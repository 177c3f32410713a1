"""The softmax, and the targets of its training."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", bound=np.floating)


def softmax(scores: NDArray[Float], *, axis: int = -1) -> NDArray[Float]:
    """Probabilities over an axis, of the shape and type of the scores."""
    # The reductions of the ufuncs: `max` and `sum` would take as long again for a small batch.
    probabilities: NDArray[Float] = scores - np.maximum.reduce(scores, axis=axis, keepdims=True)
    np.exp(probabilities, out=probabilities)
    probabilities /= np.add.reduce(probabilities, axis=axis, keepdims=True)
    return probabilities


def one_hot(targets: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Indices as rows of 0 and 1, shape `[n, n_classes]`."""
    rows = np.zeros((len(targets), n_classes))
    rows[np.arange(len(targets)), targets] = 1.0
    return rows
