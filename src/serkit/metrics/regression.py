"""Agreement of predicted values with true ones, from sums that can be added over speakers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.float64]


def moments(truth: NDArray[np.floating], predicted: NDArray[np.floating]) -> Moments:
    """Number of values, sums of both, of their squares and of their products.

    Args:
        truth: True values, shape `[n]`.
        predicted: Predicted values, shape `[n]`.

    Returns:
        Shape `[6]`, float64; those of several sets of values can be added.
    """
    x, y = truth.astype(np.float64), predicted.astype(np.float64)
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])


def concordance(sums: Moments) -> float:
    """Concordance correlation coefficient (Lin, 1989).

    `2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)`: 1 if all values are equal; lower than
    `correlation` if the predictions have another mean or spread.

    Args:
        sums: As from `moments`.

    Returns:
        From -1 to 1; NaN if all values are one number, or there are none.
    """
    _, mean_x, mean_y, var_x, var_y, covariance = _central(sums)
    spread = var_x + var_y + (mean_x - mean_y) ** 2
    return 2.0 * covariance / spread if spread > 0.0 else math.nan


def correlation(sums: Moments) -> float:
    """Pearson's correlation coefficient.

    Args:
        sums: As from `moments`.

    Returns:
        From -1 to 1; NaN if either side is constant.
    """
    _, _, _, var_x, var_y, covariance = _central(sums)
    return covariance / math.sqrt(var_x * var_y) if var_x > 0.0 and var_y > 0.0 else math.nan


def _central(sums: Moments) -> tuple[float, float, float, float, float, float]:
    """Number, means, variances and covariance; rounding errors of a variance of 0 are removed."""
    n, x, y, xx, yy, xy = map(float, sums)
    if not n:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    mean_x, mean_y = x / n, y / n
    var_x, var_y = (
        0.0 if square / n - mean**2 <= 1e-12 * square / n else square / n - mean**2
        for square, mean in ((xx, mean_x), (yy, mean_y))
    )
    return n, mean_x, mean_y, var_x, var_y, xy / n - mean_x * mean_y
