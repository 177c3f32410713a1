"""Principal component analysis, in one pass or chunk by chunk.

Pandelea et al. (2021), equation 3.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.checks import whole
from serkit.errors import ProfileError

Floats = NDArray[np.float64]

MAX_WIDTH = 4096
"""Features of a vector, at most: their scatter is a square matrix of 134 MB."""


class PCA:
    """Principal components of vectors, from their exact first and second moments.

    Moments can be added chunk by chunk, so that the incremental analysis equals that of all vectors
    at once.

    Args:
        n_components: Components kept, 1 to 4096.

    Attributes:
        mean: Mean of the vectors, shape `[n_features]`.
        components: Unit vectors, the largest variance first, shape `[n_components, n_features]`.
        variances: Variance along each, shape `[n_components]`.

    Raises:
        ProfileError: The number of components is out of range.
    """

    def __init__(self, n_components: int) -> None:
        self.n_components = whole("number of components", n_components, 1, MAX_WIDTH)
        self._n = 0
        self._scatter = np.zeros((0, 0))
        self.mean: Floats = np.zeros(0)
        self.components: Floats = np.zeros((0, 0))
        self.variances: Floats = np.zeros(0)

    def fit(self, vectors: NDArray[np.floating]) -> Self:
        """Analyse vectors, shape `[n, n_features]`; earlier ones are discarded.

        Raises:
            ProfileError: There is no vector, the width is less than the number of components or
                above 4096, or a number is not finite; the analysis is unchanged.
        """
        rows = self._checked(vectors)
        self._n = 0
        return self._add(rows)

    def partial_fit(self, vectors: NDArray[np.floating]) -> Self:
        """Add vectors, shape `[n, n_features]`.

        Raises:
            ProfileError: As `fit`, or the width differs from that of earlier vectors.
        """
        rows = self._checked(vectors)
        if self._n:
            self._check_width(rows)
        return self._add(rows)

    def transform(self, vectors: NDArray[np.floating]) -> Floats:
        """Coordinates along the components, shape `[n, n_components]`.

        Raises:
            ProfileError: The components are not fitted yet, or the vectors are not of their width
                or not finite.
        """
        if not self._n:
            raise ProfileError("the components are not fitted yet")
        rows = self._checked(vectors, fewest=0)
        self._check_width(rows)
        coordinates: Floats = (rows - self.mean) @ self.components.T
        return coordinates

    def _checked(self, vectors: NDArray[np.floating], *, fewest: int = 1) -> Floats:
        rows = np.asarray(vectors, np.float64)
        if (
            rows.ndim != 2
            or len(rows) < fewest
            or not self.n_components <= rows.shape[1] <= MAX_WIDTH
        ):
            raise ProfileError(
                f"the vectors have shape {list(rows.shape)}; expected [n, n_features] with n "
                f"at least {fewest} and {self.n_components} to {MAX_WIDTH} features"
            )
        if not np.isfinite(rows).all():
            raise ProfileError("the vectors hold numbers that are not finite (NaN or infinite)")
        return rows

    def _check_width(self, rows: Floats) -> None:
        if rows.shape[1] != len(self.mean):
            raise ProfileError(f"vectors of {rows.shape[1]} features; expected {len(self.mean)}")

    def _add(self, rows: Floats) -> Self:
        mean = rows.mean(axis=0)
        scatter = (rows - mean).T @ (rows - mean)
        if self._n:
            # Chan, Golub and LeVeque (1983).
            total = self._n + len(rows)
            shift = mean - self.mean
            scatter += self._scatter + np.outer(shift, shift) * (self._n * len(rows) / total)
            mean = self.mean + shift * (len(rows) / total)
        self._n += len(rows)
        self.mean, self._scatter = mean, scatter
        values, columns = np.linalg.eigh(scatter)
        largest = np.argsort(values)[::-1][: self.n_components]
        components = columns[:, largest].T
        # The sign of an eigenvector is arbitrary: the largest element is made positive.
        signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
        self.components = components * signs[:, None]
        self.variances = np.maximum(values[largest], 0.0) / max(self._n - 1, 1)
        return self
