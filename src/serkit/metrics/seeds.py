"""A metric over several seeds: the mean of the metric of each seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_over_seeds(
    metrics: Callable[[NDArray[Any]], Sequence[float]], totals: NDArray[Any]
) -> NDArray[np.float64]:
    """Mean over seeds of several metrics, each computed from the pooled folds of one seed.

    A seed in which a metric is undefined does not count towards its mean.

    Args:
        metrics: Function of the statistic of one seed, such as a confusion matrix, with one value
            per metric; NaN where undefined.
        totals: Statistic of each seed, shape `[n_seeds, ...]`; all zero for a seed without
            utterances, which is left out.

    Returns:
        One value per metric; NaN where undefined in every seed.
    """
    values = np.array([metrics(total) for total in totals if total.any()])
    defined = (~np.isnan(values)).sum(axis=0)
    means: NDArray[np.float64] = np.nansum(values, axis=0) / np.maximum(defined, 1)
    return np.where(defined > 0, means, np.nan)
