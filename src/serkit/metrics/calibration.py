"""Calibration of probabilities: the reliability curve and the expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_BINS = 10
"""Default number of confidence bins, of equal width."""


def reliability(
    targets: NDArray[np.int64], probabilities: NDArray[np.float32], n_bins: int = N_BINS
) -> NDArray[np.float64]:
    """Reliability curve as sums per confidence bin: size, confidence, correct predictions.

    Args:
        targets: True class indices, shape `[n]`.
        probabilities: Shape `[n, n_labels]`.
        n_bins: Number of bins.

    Returns:
        Shape `[3, n_bins]`. The curves of disjoint sets of utterances add up.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    weights = (np.ones(len(targets)), confidence, correct.astype(np.float64))
    return np.stack([np.bincount(bins, weights=w, minlength=n_bins) for w in weights])


def calibration_error(curve: NDArray[np.float64]) -> float:
    """ECE of a reliability curve, shape `[3, n_bins]` as returned by `reliability`."""
    return float(np.abs(curve[2] - curve[1]).sum() / curve[0].sum())


def expected_calibration_error(
    targets: NDArray[np.int64], probabilities: NDArray[np.float32], n_bins: int = N_BINS
) -> float:
    """ECE: the mean over confidence bins, weighted by size, of |accuracy - confidence|.

    Source: Guo et al., *On Calibration of Modern Neural Networks* (2017), equation 3.

    Args:
        targets: True class indices, shape `[n]`.
        probabilities: Shape `[n, n_labels]`.
        n_bins: Number of bins.
    """
    return calibration_error(reliability(targets, probabilities, n_bins))
