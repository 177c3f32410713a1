"""Figures of merit, and how sure one can be of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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


def recalls(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, the share that is found; NaN where it does not occur."""
    return _shares(np.diag(matrix), matrix.sum(axis=1))


def precisions(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, the share of what is called so that is so; NaN where nothing is called so."""
    return _shares(np.diag(matrix), matrix.sum(axis=0))


def f1s(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, the harmonic mean of precision and recall.

    0 where none that occurs is found, NaN where the class neither occurs nor is called.
    """
    return _shares(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """The mean F1 over the classes that occur or are called."""
    return float(np.nanmean(f1s(matrix)))


def weighted_f1(matrix: NDArray[np.int64]) -> float:
    """The mean F1 over classes, weighted by how often each occurs."""
    occurring = matrix.sum(axis=1) > 0
    return float(np.average(f1s(matrix)[occurring], weights=matrix.sum(axis=1)[occurring]))


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


N_BINS = 10
"""Bins of equal width that confidence is sorted into."""


def reliability(
    targets: Targets, probabilities: Probabilities, n_bins: int = N_BINS
) -> NDArray[np.float64]:
    """The reliability curve as sums: of each bin of confidence its size, confidence and hits.

    Args:
        targets: Class indices, shape `[n]`.
        probabilities: Shape `[n, n_labels]`.
        n_bins: Number of bins.

    Returns:
        Shape `[3, n_bins]`; sums of several sets of utterances add up to those of all.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counted = (np.ones(len(targets)), confidence, right.astype(np.float64))
    return np.stack([np.bincount(bins, weights=w, minlength=n_bins) for w in counted])


def calibration_error(curve: NDArray[np.float64]) -> float:
    """ECE of a reliability curve."""
    return float(np.abs(curve[2] - curve[1]).sum() / curve[0].sum())


def expected_calibration_error(
    targets: Targets, probabilities: Probabilities, n_bins: int = N_BINS
) -> float:
    """ECE: how far confidence lies from accuracy, on average.

    Guo et al., *On Calibration of Modern Neural Networks* (2017), equation 3: the mean over
    equal-width bins of confidence, weighted by their size, of |accuracy - confidence|.

    Args:
        targets: Class indices, shape `[n]`.
        probabilities: Shape `[n, n_labels]`.
        n_bins: Number of bins.
    """
    return calibration_error(reliability(targets, probabilities, n_bins))


_FEWEST_SPEAKERS = 5
"""Fewer than these are too few to resample."""


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

    def counted(index: NDArray[np.int64]) -> NDArray[np.int64]:
        return confusion(targets[index], predicted[index], n_labels)

    _, by_speaker = per_speaker(speakers, counted)
    (interval,) = clustered_intervals(
        lambda total: [metric(total)], by_speaker, resamples=resamples, seed=seed
    )
    return interval


def per_speaker(
    speakers: Sequence[str], statistic: Callable[[NDArray[np.int64]], NDArray[Any]]
) -> tuple[list[str], NDArray[Any]]:
    """A statistic of each speaker's utterances, in the order of the speakers' names.

    Args:
        speakers: Of each utterance.
        statistic: Of the utterances at some indices.

    Returns:
        The speakers, and the statistics, shape `[n_speakers, ...]`.
    """
    names = sorted(set(speakers))
    groups = np.array(speakers)
    return names, np.stack([statistic(np.flatnonzero(groups == name)) for name in names])


def clustered_intervals(
    metrics: Callable[[NDArray[Any]], Sequence[float]],
    by_speaker: NDArray[Any],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Sequence[Interval | None]:
    """95 % percentile bootstrap intervals of several figures, resampling whole speakers.

    Args:
        metrics: Of a statistic summed over speakers; NaN for a figure that it does not have, as
            the recall of a class that none of the speakers drawn acts: it takes no part.
        by_speaker: The statistic of each, shape `[n_speakers, ...]`.
        resamples: Number of bootstrap resamples.
        seed: Of the resampling.

    Returns:
        One a figure; None where there are fewer than five speakers, or no resample has it.
    """
    n = len(by_speaker)
    if n < _FEWEST_SPEAKERS:
        return [None for _ in metrics(by_speaker.sum(axis=0))]
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    values = np.array([metrics(by_speaker[draw].sum(axis=0)) for draw in draws])
    return [_percentiles(column[~np.isnan(column)]) for column in values.T]


def _percentiles(values: NDArray[np.float64]) -> Interval | None:
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


_NORMAL = 1.959963984540054
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
    quantile = _STUDENT[n - 2] if n - 2 < len(_STUDENT) else _student_tail(n - 1)
    half = quantile * float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean - half, mean + half)


def _student_tail(degrees: int) -> float:
    """The 97.5 % quantile of Student's t for many degrees of freedom.

    The first terms of its expansion around the normal quantile (Abramowitz and Stegun, *Handbook of
    Mathematical Functions*, 26.7.5); right to four digits from 30 on.
    """
    z = _NORMAL
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    return z + first / degrees + second / degrees**2
