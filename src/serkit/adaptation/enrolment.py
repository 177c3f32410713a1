"""Unlabelled enrolment: the mean and variance of one user's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation.checks import finite_rows

Floats = NDArray[np.float64]

FARTHEST = 10.0
"""Limit of a standardised feature, so that no click or noise dominates the moments."""

STRENGTH = 20.0
"""Windows of the training data that the moments of the user's are weighed against."""


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """Moments of the standardised features of a user's speech.

    Chan, Golub and LeVeque, *Algorithms for computing the sample variance* (1983): the moments do
    not depend on the order or the chunks in which windows are added.

    Attributes:
        n_windows: Number of windows.
        seconds: Their total length.
        mean: Mean of each feature, shape `[n_features]`, float64.
        scatter: Sum of squared deviations from it, shape `[n_features]`, float64.
    """

    n_windows: int
    seconds: float
    mean: Floats
    scatter: Floats

    @classmethod
    def none(cls, n_features: int) -> Self:
        """No speech yet."""
        return cls(0, 0.0, np.zeros(n_features), np.zeros(n_features))

    @property
    def n_features(self) -> int:
        """Length of the feature vectors; 0 if the model cannot be enrolled."""
        return len(self.mean)

    def extended(self, features: NDArray[np.floating], seconds: float) -> Enrolment:
        """The moments with more speech.

        Args:
            features: Standardised features of n windows, shape `[n, n_features]`.
            seconds: Their total length.

        Raises:
            ProfileError: The width differs, or a number is not finite.
        """
        rows = np.clip(finite_rows(features, self.n_features), -FARTHEST, FARTHEST)
        n, total = len(rows), self.n_windows + len(rows)
        if not n:
            return self
        mean = rows.mean(axis=0)
        shift = mean - self.mean
        scatter = self.scatter + np.square(rows - mean).sum(axis=0)
        scatter += np.square(shift) * (self.n_windows * n / total)
        return Enrolment(total, self.seconds + seconds, self.mean + shift * (n / total), scatter)

    def normalised(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features with the user's mean and variance removed.

        The moments are shrunk towards those of the training data, 0 and 1, as if these were
        `STRENGTH` windows more; without speech nothing changes.

        Args:
            features: Standardised features, shape `[n, n_features]`, float32.
        """
        if not self.n_windows:
            return features
        share = self.n_windows / (self.n_windows + STRENGTH)
        variance = share * self.scatter / self.n_windows + (1.0 - share)
        rows = (features - share * self.mean) / np.sqrt(variance)
        return rows.astype(np.float32)
