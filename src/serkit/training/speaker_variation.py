"""Normalisation of the variation between speakers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def shrink_speaker_variation(
    rows: Array,
    targets: NDArray[np.int64],
    speakers: Sequence[str],
    weights: Array,
    *,
    strength: float,
) -> Array:
    """Within-class covariance normalisation of the variation of speakers within an emotion.

    Hatch et al., *Within-class covariance normalization for SVM-based speaker recognition* (2006),
    with emotions as classes instead of speakers, and the covariance regularised by the identity:
    the map is `(I + strength * C)^(-1/2)`, where C is the covariance of the speakers' means of an
    emotion around the mean of that emotion. Directions in which speakers differ are shrunk.

    Args:
        rows: Standardised training features, shape `[n, n_features]`.
        targets: Class indices, shape `[n]`.
        speakers: Speaker of each row.
        weights: Weight of each row, shape `[n]`.
        strength: Strength of the shrinkage; 0 gives the identity.

    Returns:
        A symmetric matrix, shape `[n_features, n_features]`, float32, to multiply into the first
        layer.
    """
    names = np.array(speakers)
    exact, counts = rows.astype(np.float64), weights.astype(np.float64)
    deviations = []
    for target in np.unique(targets):
        of_class = targets == target
        centre = np.average(exact[of_class], axis=0, weights=counts[of_class])
        for speaker in np.unique(names[of_class]):
            chosen = of_class & (names == speaker)
            share = counts[chosen].sum() / counts.sum()
            deviations.append((exact[chosen].mean(axis=0) - centre) * np.sqrt(share))
    # With D the deviations, C = D'D: its eigenvectors are the right singular vectors of D.
    _, singular, directions = np.linalg.svd(np.array(deviations), full_matrices=False)
    shrinkage = 1.0 / np.sqrt(1.0 + strength * np.square(singular)) - 1.0
    identity = np.eye(rows.shape[1])
    result: Array = (identity + (directions.T * shrinkage) @ directions).astype(np.float32)
    return result
