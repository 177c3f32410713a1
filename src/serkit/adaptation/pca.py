"""Principal component analysis, in one pass or chunk by chunk.

Pandelea et al. (2021), equation 3.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ProfileError

Floats = NDArray[np.float64]


class PCA:
    """Principal components of vectors, from their exact first and second moments.

    Moments can be added chunk by chunk, so that the incremental analysis equals that of all vectors
    at once.

    Args:
        n_components: Components kept.

    Attributes:
        mean: Mean of the vectors, shape `[n_features]`.
        components: Unit vectors, the largest variance first, shape `[n_components, n_features]`.
        variances: Variance along each, shape `[n_components]`.

    Raises:
        ProfileError: The number of components is not positive.
    """

    def __init__(self, n_components: int) -> None:
        if n_components < 1:
            raise ProfileError(f"{n_components} components; expected at least 1")
        self.n_components = n_components
        self._n = 0
        self._scatter = np.zeros((0, 0))
        self.mean: Floats = np.zeros(0)
        self.components: Floats = np.zeros((0, 0))
        self.variances: Floats = np.zeros(0)

    def fit(self, vectors: NDArray[np.floating]) -> Self:
        """Analyse vectors, shape `[n, n_features]`; earlier ones are discarded."""
        self._n = 0
        return self.partial_fit(vectors)

    def partial_fit(self, vectors: NDArray[np.floating]) -> Self:
        """Add vectors, shape `[n, n_features]`.

        Raises:
            ProfileError: The width differs from that of earlier vectors or is less than the number
                of components, or a number is not finite.
        """
        rows = np.asarray(vectors, np.float64)
        if rows.ndim != 2 or rows.shape[1] < self.n_components or not len(rows):
            raise ProfileError(
                f"the vectors have shape {list(rows.shape)}; expected [n, n_features] with at "
                f"least one vector and {self.n_components} features"
            )
        if self._n and rows.shape[1] != len(self.mean):
            raise ProfileError(f"vectors of {rows.shape[1]} features; expected {len(self.mean)}")
        if not np.isfinite(rows).all():
            raise ProfileError("the vectors hold numbers that are not finite (NaN or infinite)")
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

    def transform(self, vectors: NDArray[np.floating]) -> Floats:
        """Coordinates along the components, shape `[n, n_components]`."""
        if not self._n:
            raise ProfileError("the components are not fitted yet")
        coordinates: Floats = (np.asarray(vectors, np.float64) - self.mean) @ self.components.T
        return coordinates
