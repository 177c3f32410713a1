"""What the features of a model's training data look like, and how far others lie from them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MAX_DIRECTIONS = 32
"""Most directions of a file."""

FARTHEST = 10.0
"""A standardised feature counts as at most this, so that a single one cannot decide alone."""


@dataclass(frozen=True, slots=True)
class Typical:
    """The spread of the training data in some directions, and how far new speakers lie.

    The distance of a recording is a Mahalanobis distance of its standardised features in fixed
    random directions: the covariance of all features would be larger than the model.

    Attributes:
        share: Share of the recordings of held-out speakers that lie within `limit`.
        limit: The distance.
        whitening: Lower triangle, row by row, of the matrix that takes the projections of
            training recordings to unit variance: little-endian float16 as base64.
    """

    share: float
    limit: float
    whitening: str

    def distances(self, standardised: Array) -> Array:
        """How far recordings lie from the training data; that itself lies at 1, as a mean square.

        Args:
            standardised: Features less their mean, divided by their standard deviation; shape
                `[n, n_features]`, or `[n, n_features, n_frames]` with NaN beyond the last frame.

        Returns:
            Shape `[n]`.
        """
        matrix = triangle(self.whitening)
        whitened = projections(standardised, len(matrix)) @ matrix.T
        distances: Array = np.sqrt(np.square(whitened).mean(axis=1)).astype(np.float32)
        return distances


def projections(standardised: Array, n_directions: int) -> NDArray[np.float64]:
    """Standardised features in the first directions.

    Args:
        standardised: As for `Typical.distances`; of frames the mean is taken.
        n_directions: How many.

    Returns:
        Shape `[n, n_directions]`.
    """
    limited = np.clip(standardised.astype(np.float64), -FARTHEST, FARTHEST)
    rows = np.nanmean(limited, axis=2) if limited.ndim == 3 else limited
    found: NDArray[np.float64] = rows @ _directions(n_directions, rows.shape[1]).T
    return found


def fitted(projected: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix that takes projections to unit variance.

    A twentieth of what the directions have in common is left out, so that few recordings do.

    Args:
        projected: Of the training data, shape `[n, n_directions]`.
        weights: How much each recording counts, shape `[n]`.

    Returns:
        Lower triangular, shape `[n_directions, n_directions]`.
    """
    moments = (projected * weights[:, None]).T @ projected / weights.sum()
    own = np.maximum(np.diag(moments), 1e-6)
    shrunk = 0.95 * moments + 0.05 * np.diag(own)
    inverse: NDArray[np.float64] = np.linalg.inv(np.linalg.cholesky(shrunk))
    return inverse


def as_text(matrix: NDArray[np.float64]) -> str:
    """A lower triangular matrix as a card keeps it."""
    values = matrix[np.tril_indices(len(matrix))].astype("<f2")
    return base64.b64encode(values.tobytes()).decode()


@lru_cache(maxsize=4)
def triangle(text: str) -> NDArray[np.float64]:
    """The matrix that `as_text` wrote.

    Raises:
        ValueError: It is no base64, of no triangle, of too many directions or not finite.
    """
    content = base64.b64decode(text, validate=True)
    size = round((len(content) + 0.25) ** 0.5 - 0.5)
    if len(content) != size * (size + 1) or not 1 <= size <= MAX_DIRECTIONS:
        raise ValueError(f"{len(content)} bytes are no triangle of 1 to {MAX_DIRECTIONS} rows")
    values = np.frombuffer(content, "<f2").astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the triangle holds numbers that are not finite")
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = values
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=4)
def _directions(n: int, n_features: int) -> NDArray[np.float64]:
    """Random signs by SplitMix64 (Steele, Lea and Flood, 2014), the same on every machine."""
    numbers = (np.arange(n)[:, None] << 32) + np.arange(n_features)
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    signs: NDArray[np.float64] = np.where(mixed < np.uint64(1 << 63), 1.0, -1.0)
    signs /= np.sqrt(n_features)
    signs.flags.writeable = False
    return signs
