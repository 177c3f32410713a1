"""Figures of merit, and how sure one can be of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Targets = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


def confusion(targets: Targets, predicted: Targets, n_labels: int) -> NDArray[np.int64]:
    """Counts of true class (row) by predicted class (column), shape `[n_labels, n_labels]`."""
    flat = np.bincount(targets * n_labels + predicted, minlength=n_labels * n_labels)
    return flat.reshape(n_labels, n_labels).astype(np.int64)


def weighted_accuracy(matrix: NDArray[np.int64]) -> float:
    """WA: the share of utterances that are right."""
    return float(np.trace(matrix) / matrix.sum())


def unweighted_average_recall(matrix: NDArray[np.int64]) -> float:
    """UA: the mean over classes of the share that is right; classes that do not occur are left out.

    The number of scikit-learn's `balanced_accuracy_score`.
    """
    occurring = matrix.sum(axis=1) > 0
    recalls = np.diag(matrix)[occurring] / matrix.sum(axis=1)[occurring]
    return float(recalls.mean())


def expected_calibration_error(
    targets: Targets, probabilities: Probabilities, n_bins: int = 10
) -> float:
    """ECE: how far confidence lies from accuracy, on average.

    Guo et al., *On Calibration of Modern Neural Networks* (2017), equation 3: the mean over
    equal-width bins of confidence, weighted by their size, of |accuracy - confidence|.

    Args:
        targets: Class indices, shape `[n]`.
        probabilities: Shape `[n, n_labels]`.
        n_bins: Number of bins.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gap = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.abs(gap).sum() / len(targets))


_FEWEST_SPEAKERS = 5


def speaker_interval(
    metric: Callable[[NDArray[np.int64]], float],
    targets: Targets,
    predicted: Targets,
    speakers: Sequence[str],
    n_labels: int,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """A 95 % percentile bootstrap interval that resamples whole speakers.

    Utterances of one speaker resemble each other, so resampling utterances would promise too
    much (Cameron et al., *Bootstrap-based improvements for inference with clustered errors*, 2008).
    With fewer than five speakers there is too little to resample, and no interval.

    Args:
        metric: Of a confusion matrix.
        targets: Class indices, shape `[n]`.
        predicted: Class indices, shape `[n]`.
        speakers: Of each utterance.
        n_labels: Number of classes.
        resamples: Number of bootstrap resamples.
        seed: Of the resampling.
    """
    names = sorted(set(speakers))
    if len(names) < _FEWEST_SPEAKERS:
        return None
    groups = np.array(speakers)
    matrices = np.stack(
        [confusion(targets[groups == s], predicted[groups == s], n_labels) for s in names]
    )
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(names), size=(resamples, len(names)))
    values = [metric(matrices[draw].sum(axis=0)) for draw in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


# Two-sided 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def mean_interval(values: Sequence[float]) -> Interval:
    """A 95 % interval for the mean of repetitions, by Student's t.

    Args:
        values: One figure a repetition, at least two.

    Raises:
        ValueError: There are fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"an interval for a mean needs at least 2 values; found {len(values)}")
    mean, n = float(np.mean(values)), len(values)
    quantile = _STUDENT[n - 2] if n - 2 < len(_STUDENT) else 1.96
    half = quantile * float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean - half, mean + half)
