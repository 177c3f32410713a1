"""Training data -> what the card says of how it looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.runtime import Typical
from serkit.runtime.typical import as_text, fitted, projections
from serkit.training.data import Dataset
from serkit.training.fitting import normalisation, recording_weights
from serkit.training.recipe import Recipe

N_DIRECTIONS = 24
SHARE = 0.99
"""Share of held-out speakers' recordings that raise no warning."""

FEWEST_RECORDINGS = 100
"""With fewer, the share would be a guess."""

_MOST_PARTS = 10

Array = NDArray[np.float32]


def typical_of(recipe: Recipe, data: Dataset) -> Typical | None:
    """How the training data look to a model, and how far the recordings of new speakers lie.

    The limit is found by cross-validation over speakers: they are divided into up to ten parts,
    and each part's distances are those to the others. Recordings count as in training.

    Args:
        recipe: Says how recordings are weighted.
        data: Everything the model learns from or is calibrated on.

    Returns:
        None with fewer than two speakers or 100 recordings: the limit would be a guess.
    """
    speakers = [u.speaker_key for u in data.utterances]
    names = sorted(set(speakers))
    if len(names) < 2 or len(data) < FEWEST_RECORDINGS:
        return None
    n_directions = min(N_DIRECTIONS, recipe.features.n_features)
    part_of = {name: i % min(_MOST_PARTS, len(names)) for i, name in enumerate(names)}
    parts = np.array([part_of[speaker] for speaker in speakers])
    distances = np.zeros(len(data))
    for part in set(part_of.values()):
        held = np.flatnonzero(parts == part)
        others = data.rows(np.flatnonzero(parts != part))
        spread, mean, scale = _spread(recipe, others, n_directions)
        standardised = (data.features[held] - mean) / scale
        distances[held] = Typical(SHARE, 0.0, spread).distances(standardised)
    limit = _quantile(distances, recording_weights(recipe, data), SHARE)
    spread, _, _ = _spread(recipe, data, n_directions)
    return Typical(SHARE, limit, spread)


def _spread(recipe: Recipe, data: Dataset, n_directions: int) -> tuple[str, Array, Array]:
    """The whitening of some recordings, and the mean and scale it goes with."""
    weights = recording_weights(recipe, data)
    mean, scale = normalisation(data.features, weights)
    if data.features.ndim == 3:
        mean, scale = mean[:, None], scale[:, None]
    standardised = (data.features - mean) / scale
    matrix = fitted(projections(standardised, n_directions), weights.astype(np.float64))
    return as_text(matrix), mean, scale


def _quantile(values: NDArray[np.float64], weights: Array, share: float) -> float:
    """The least of the values that this share of the weights does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(reached, share * reached[-1])])
