"""Estimation of the `Typical` of a model's card."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.features import Features, Sequences
from serkit.runtime import Typical
from serkit.runtime.typical import as_text, fitted, projections
from serkit.training.data import Dataset
from serkit.training.fitting import normalisation, recording_weights
from serkit.training.recipe import Recipe

N_DIRECTIONS = 24
SHARE = 0.99
"""Share of the recordings of held-out speakers that raise no warning."""

FEWEST_RECORDINGS = 100
"""Recordings needed to estimate the limit."""

_MOST_PARTS = 10

Array = NDArray[np.float32]


def typical_of(recipe: Recipe, data: Dataset) -> Typical | None:
    """Estimate the covariance of the training data and the distance limit of new speakers.

    The limit is estimated by cross-validation over speakers in up to ten parts: the distances of
    each part are measured to the others. Recordings have the weights of the training.

    Args:
        recipe: The training recipe, which determines the weights of recordings.
        data: All data for training and calibration.

    Returns:
        None with fewer than two speakers or `FEWEST_RECORDINGS`, too few to estimate the limit.
    """
    speakers = [u.speaker_key for u in data.utterances]
    names = sorted(set(speakers))
    if len(names) < 2 or len(data) < FEWEST_RECORDINGS:
        return None
    n_directions = min(N_DIRECTIONS, recipe.input.n_features)
    part_of = {name: i % min(_MOST_PARTS, len(names)) for i, name in enumerate(names)}
    parts = np.array([part_of[speaker] for speaker in speakers])
    distances = np.zeros(len(data))
    for part in set(part_of.values()):
        held = np.flatnonzero(parts == part)
        others = data.rows(np.flatnonzero(parts != part))
        spread, mean, scale = _spread(recipe, others, n_directions)
        standardised = _standardised(data.features[held], mean, scale)
        distances[held] = Typical(SHARE, 0.0, spread).distances(standardised)
    limit = _quantile(distances, recording_weights(recipe, data), SHARE)
    spread, _, _ = _spread(recipe, data, n_directions)
    return Typical(SHARE, limit, spread)


def _spread(recipe: Recipe, data: Dataset, n_directions: int) -> tuple[str, Array, Array]:
    """The whitening of some recordings, and their mean and scale."""
    weights = recording_weights(recipe, data)
    mean, scale = normalisation(data.features, weights)
    standardised = _standardised(data.features, mean, scale)
    matrix = fitted(projections(standardised, n_directions), weights.astype(np.float64))
    return as_text(matrix), mean, scale


def _standardised(features: Features, mean: Array, scale: Array) -> Features:
    if isinstance(features, Sequences):
        values = (features.values - mean[:, None]) / scale[:, None]
        return Sequences(values, features.lengths)
    return (features - mean) / scale


def _quantile(values: NDArray[np.float64], weights: Array, share: float) -> float:
    """Weighted quantile: the smallest value with at least this share of the weights up to it."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(reached, share * reached[-1])])
