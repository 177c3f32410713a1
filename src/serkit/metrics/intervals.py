"""95 % intervals: a bootstrap over speakers, and Student's t for the mean of repetitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.metrics.classification import confusion


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


_MIN_SPEAKERS = 5
"""With fewer clusters a bootstrap has too few distinct resamples."""


def speaker_interval(
    metric: Callable[[NDArray[np.int64]], float],
    targets: NDArray[np.int64],
    predicted: NDArray[np.int64],
    speakers: Sequence[str],
    n_labels: int,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Percentile bootstrap interval of one metric, resampling whole speakers.

    Utterances of one speaker are correlated, so resampling utterances would give too narrow an
    interval (Cameron et al., *Bootstrap-based improvements for inference with clustered errors*,
    2008).

    Args:
        metric: Function of a confusion matrix.
        targets: True class indices, shape `[n]`.
        predicted: Predicted class indices, shape `[n]`.
        speakers: Speaker of each utterance.
        n_labels: Number of classes.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        The interval; None with fewer than five speakers.
    """

    def counts(index: NDArray[np.int64]) -> NDArray[np.int64]:
        return confusion(targets[index], predicted[index], n_labels)

    _, by_speaker = per_speaker(speakers, counts)
    (interval,) = clustered_intervals(
        lambda total: [metric(total)], by_speaker, resamples=resamples, seed=seed
    )
    return interval


def per_speaker(
    speakers: Sequence[str], statistic: Callable[[NDArray[np.int64]], NDArray[Any]]
) -> tuple[list[str], NDArray[Any]]:
    """Compute a statistic of the utterances of each speaker.

    Args:
        speakers: Speaker of each utterance.
        statistic: Function of the indices of a speaker's utterances.

    Returns:
        The speakers, sorted by name, and their statistics, shape `[n_speakers, ...]`.
    """
    names = sorted(set(speakers))
    groups = np.array(speakers)
    return names, np.stack([statistic(np.flatnonzero(groups == name)) for name in names])


def clustered_intervals(
    metrics: Callable[[NDArray[Any]], Sequence[float] | NDArray[np.float64]],
    by_speaker: NDArray[Any],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Interval | None]:
    """Percentile bootstrap intervals of several metrics, resampling whole speakers.

    Args:
        metrics: Function of a statistic summed over speakers, with one value per metric; NaN
            where a metric is undefined, such as the recall of a class that does not occur.
            Undefined values are left out of the percentiles.
        by_speaker: Statistic of each speaker, shape `[n_speakers, ...]`.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        One interval per metric; None with fewer than five speakers, or if the metric is undefined
        in every resample.
    """
    n = len(by_speaker)
    if n < _MIN_SPEAKERS:
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
    """Interval of the mean of independent repetitions, by Student's t.

    Args:
        values: One value per repetition, at least two.

    Raises:
        ValueError: There are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values; an interval of their mean needs at least 2")
    mean, n = float(np.mean(values)), len(values)
    quantile = _STUDENT[n - 2] if n - 2 < len(_STUDENT) else _student_quantile(n - 1)
    half = quantile * float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean - half, mean + half)


def _student_quantile(degrees: int) -> float:
    """97.5 % quantile of Student's t; correct to four digits from 30 degrees of freedom.

    The first terms of the expansion around the normal quantile (Abramowitz and Stegun, *Handbook of
    Mathematical Functions*, 26.7.5).
    """
    z = _NORMAL
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    return z + first / degrees + second / degrees**2
