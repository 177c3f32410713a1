"""The spread of a model's training data, and the distance of recordings to it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.random_numbers import splitmix64
from serkit.features import Features, Sequences

Array = NDArray[np.float32]

MAX_DIRECTIONS = 32
"""Directions that a file may hold."""

FARTHEST = 10.0
"""Limit of a standardised feature, so that no single feature dominates the distance."""


@dataclass(frozen=True, slots=True)
class Typical:
    """The covariance of the training data in a few random directions.

    The distance of a recording is the Mahalanobis distance of its standardised features, projected
    on fixed random directions: the covariance of all features would be larger than the model.

    Attributes:
        share: Share of the recordings of held-out speakers whose distance is at most `limit`.
        limit: Largest distance of typical recordings.
        whitening: Lower triangle, row by row, of the matrix that whitens the projections of the
            training recordings: little-endian float16 as base64.
    """

    share: float
    limit: float
    whitening: str

    def distances(self, standardised: Features) -> Array:
        """Distance of recordings to the training data, scaled to a mean square of 1 over it.

        Args:
            standardised: Vectors `[n, n_features]` or frames of n recordings, with zero mean and
                unit variance over the training data, not clipped.

        Returns:
            Shape `[n]`, float32.
        """
        matrix = triangle(self.whitening)
        whitened = projections(standardised, len(matrix)) @ matrix.T
        distances: Array = np.sqrt(np.square(whitened).mean(axis=1)).astype(np.float32)
        return distances


def projections(standardised: Features, n_directions: int) -> NDArray[np.float64]:
    """Project standardised features, or their mean over the frames, on random directions.

    Args:
        standardised: As for `Typical.distances`.
        n_directions: Number of directions.

    Returns:
        Shape `[n, n_directions]`.
    """
    if isinstance(standardised, Sequences):
        rows = standardised.mean(_limited(standardised.values))
    else:
        rows = _limited(standardised)
    projected: NDArray[np.float64] = rows @ _directions(n_directions, rows.shape[1]).T
    return projected


def _limited(values: Array) -> NDArray[np.float64]:
    return np.clip(values.astype(np.float64), -FARTHEST, FARTHEST)


def fitted(projected: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The whitening matrix of projections: inverse Cholesky factor of their covariance.

    The covariance is shrunk by 5 % towards its diagonal, which regularises it for small data.

    Args:
        projected: Projections of the training data, shape `[n, n_directions]`.
        weights: Weight of each recording, shape `[n]`.

    Returns:
        Lower triangular, shape `[n_directions, n_directions]`.
    """
    moments = (projected * weights[:, None]).T @ projected / weights.sum()
    variances = np.maximum(np.diag(moments), 1e-6)
    shrunk = 0.95 * moments + 0.05 * np.diag(variances)
    inverse: NDArray[np.float64] = np.linalg.inv(np.linalg.cholesky(shrunk))
    return inverse


def as_text(matrix: NDArray[np.float64]) -> str:
    """A lower triangular matrix as the text on a card."""
    values = matrix[np.tril_indices(len(matrix))].astype("<f2")
    return base64.b64encode(values.tobytes()).decode()


@lru_cache(maxsize=4)
def triangle(text: str) -> NDArray[np.float64]:
    """The matrix that `as_text` wrote.

    Raises:
        ValueError: The text is not base64, or the matrix is not triangular, too large or not
            finite.
    """
    content = base64.b64decode(text, validate=True)
    size = round((len(content) + 0.25) ** 0.5 - 0.5)
    if len(content) != size * (size + 1) or not 1 <= size <= MAX_DIRECTIONS:
        raise ValueError(
            f"{len(content)} bytes; expected a triangular matrix of 1 to {MAX_DIRECTIONS} rows"
        )
    values = np.frombuffer(content, "<f2").astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the matrix holds numbers that are not finite")
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = values
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=4)
def _directions(n: int, n_features: int) -> NDArray[np.float64]:
    """Random signs, the same on every machine."""
    numbers = (np.arange(n)[:, None] << 32) + np.arange(n_features)
    signs: NDArray[np.float64] = np.where(splitmix64(numbers) < np.uint64(1 << 63), 1.0, -1.0)
    signs /= np.sqrt(n_features)
    signs.flags.writeable = False
    return signs
