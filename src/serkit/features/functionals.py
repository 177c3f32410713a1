"""Functionals: statistics over time, which map frames of any number to a fixed-length vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Relative to the mean: a spread at the level of float32 rounding means a constant row.
_LEAST_SPREAD = 1e-6


class _Rows:
    """Rows `[n_features, n_frames]` with cached intermediate results."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows

    @cached_property
    def mean(self) -> Array:
        mean: Array = self.rows.mean(axis=1)
        return mean

    @cached_property
    def centred(self) -> Array:
        return self.rows - self.mean[:, None]

    @cached_property
    def squared(self) -> Array:
        return np.square(self.centred)

    @cached_property
    def variance(self) -> Array:
        variance: Array = self.squared.mean(axis=1)
        return variance

    @cached_property
    def ascending(self) -> Array:
        return np.sort(self.rows, axis=1)

    def percentile(self, percent: float) -> Array:
        """Percentile by linear interpolation, as NumPy's default."""
        position = percent / 100.0 * (self.rows.shape[1] - 1)
        low = int(position)
        high = min(low + 1, self.rows.shape[1] - 1)
        weight = np.float32(position - low)
        return (1 - weight) * self.ascending[:, low] + weight * self.ascending[:, high]

    def moment(self, order: int) -> Array:
        """Standardised central moment; 0 for a constant row."""
        spread = np.sqrt(self.variance)
        varies = spread > _LEAST_SPREAD * np.maximum(np.abs(self.mean), 1e-20)
        other = self.centred if order == 3 else self.squared
        # In float64, where the power of a small spread does not underflow.
        total = np.einsum("ij,ij->i", self.squared, other).astype(np.float64)
        power = np.where(varies, spread, 1.0).astype(np.float64) ** order
        moment = total / (self.rows.shape[1] * power)
        return np.where(varies, moment, 0.0).astype(np.float32)

    def slope(self) -> Array:
        """Change of the least-squares line from the first frame to the last."""
        n_frames = self.rows.shape[1]
        if n_frames < 2:
            return np.zeros(len(self.rows), np.float32)
        time = np.linspace(-0.5, 0.5, n_frames, dtype=np.float32)
        return (self.rows @ time) / np.float32(np.square(time).sum())

    def roughness(self) -> Array:
        """Mean absolute difference of consecutive frames."""
        if self.rows.shape[1] < 2:
            return np.zeros(len(self.rows), np.float32)
        change: Array = np.abs(np.diff(self.rows, axis=1)).mean(axis=1)
        return change


_FUNCTIONALS: dict[str, Callable[[_Rows], Array]] = {
    "mean": lambda r: r.mean,
    "std": lambda r: np.sqrt(r.variance),
    "min": lambda r: r.rows.min(axis=1),
    "max": lambda r: r.rows.max(axis=1),
    "range": lambda r: r.rows.max(axis=1) - r.rows.min(axis=1),
    "p05": lambda r: r.percentile(5),
    "p20": lambda r: r.percentile(20),
    "p50": lambda r: r.percentile(50),
    "p80": lambda r: r.percentile(80),
    "p95": lambda r: r.percentile(95),
    "iqr": lambda r: r.percentile(75) - r.percentile(25),
    "skewness": lambda r: r.moment(3),
    "kurtosis": lambda r: r.moment(4),
    "slope": lambda r: r.slope(),
    "roughness": lambda r: r.roughness(),
}

FUNCTIONAL_NAMES = tuple(_FUNCTIONALS)
"""Names of the functionals of single rows."""

CORRELATIONS = "correlations"
"""Name of the functional of all pairs of rows; see `correlations`."""


def functionals(rows: Array, names: Sequence[str]) -> Array:
    """Statistics of each row over time.

    `std` and the moments divide by the number of frames; the `kurtosis` of a normal distribution
    is 3; percentiles interpolate linearly; `slope` is the change of the least-squares line from
    the first frame to the last; `roughness` is the mean absolute difference of consecutive frames.

    Args:
        rows: Shape `[n_features, n_frames]`.
        names: Elements of `FUNCTIONAL_NAMES`.

    Returns:
        Shape `[len(names), n_features]`, float32; zeros if there are no frames.
    """
    if not rows.shape[1]:
        return np.zeros((len(names), len(rows)), np.float32)
    shared = _Rows(np.ascontiguousarray(rows))
    return np.stack([_FUNCTIONALS[name](shared) for name in names]).astype(np.float32, copy=False)


def correlations(rows: Array) -> Array:
    """Pearson correlation over time of each pair of rows.

    Args:
        rows: Shape `[n_features, n_frames]`.

    Returns:
        Pairs in the order (0, 1), (0, 2), ..., (1, 2), ...; shape `[n_features * (n_features - 1) /
        2]`, float32; 0 where a row is constant or there are no frames.
    """
    pairs = np.triu_indices(len(rows), 1)
    if not rows.shape[1]:
        return np.zeros(len(pairs[0]), np.float32)
    shared = _Rows(np.ascontiguousarray(rows))
    spread = np.sqrt(shared.variance)
    varies = spread > _LEAST_SPREAD * np.maximum(np.abs(shared.mean), 1e-20)
    # Scaled first: the product of two small spreads would underflow.
    scaled = shared.centred / np.where(varies, spread, 1.0)[:, None]
    products = (scaled @ scaled.T)[pairs] / np.float32(rows.shape[1])
    both = varies[pairs[0]] & varies[pairs[1]]
    found: Array = np.where(both, np.clip(products, -1.0, 1.0), 0.0).astype(np.float32)
    return found
