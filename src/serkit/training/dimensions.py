"""A linear layer from the embedding of a trained model to arousal, valence and dominance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit import corpora
from serkit.adaptation.ridge import fit_values
from serkit.corpora import Corpus, Utterance
from serkit.errors import CorpusError
from serkit.metrics import concordance, moments
from serkit.runtime import Dense
from serkit.training.recipe import Dimensions

Array = NDArray[np.float32]

N_PARTS = 5
"""Parts of the speakers in the cross-validation of the penalty."""

_SMALLEST_SCALE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class FittedDimensions:
    """A layer and its penalty.

    Attributes:
        layer: The layer, without activation.
        penalty: The chosen penalty.
    """

    layer: Dense
    penalty: float


def load_rated(plan: Dimensions) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read the corpora of a recipe's dimensions, and their utterances with ratings of all of them.

    Args:
        plan: Names and corpora.

    Raises:
        CorpusError: A corpus is missing, or has no utterance with all ratings.
    """
    loaded = tuple(corpora.load(spec) for spec in plan.corpora)
    rated: list[Utterance] = []
    for corpus in loaded:
        found = [u for u in corpus.utterances if all(name in u.ratings for name in plan.names)]
        if not found:
            raise CorpusError(
                f"no utterance of {corpus.name} has ratings of {' and '.join(plan.names)}; "
                "expected a corpus with them, as published"
            )
        rated += found
    return loaded, tuple(rated)


def ratings_of(plan: Dimensions, utterances: Sequence[Utterance]) -> NDArray[np.float64]:
    """The ratings of utterances that have them, shape `[n_utterances, n_dimensions]`."""
    return np.array([[u.ratings[name] for name in plan.names] for u in utterances])


def fit_dimensions(
    plan: Dimensions, embeddings: Array, ratings: NDArray[np.float64], speakers: Sequence[str]
) -> FittedDimensions:
    """Ridge regression of ratings on embeddings.

    The penalty is that of the highest concordance, averaged over the dimensions, in a
    cross-validation over speakers in up to five parts.

    Args:
        plan: Candidates for the penalty.
        embeddings: Shape `[n, width]`.
        ratings: Shape `[n, n_dimensions]`.
        speakers: Speaker of each row.

    Raises:
        CorpusError: There are fewer than two speakers.
    """
    names = sorted(set(speakers))
    if len(names) < 2:
        raise CorpusError(
            f"the ratings are of {len(names)} speaker; expected at least two, to choose the penalty"
        )
    part_of = {name: i % min(N_PARTS, len(names)) for i, name in enumerate(names)}
    parts = np.array([part_of[speaker] for speaker in speakers])

    def agreement(penalty: float) -> float:
        predicted = np.zeros_like(ratings)
        for part in np.unique(parts):
            held = parts == part
            predicted[held] = _ridge(embeddings[~held], ratings[~held], penalty)(embeddings[held])
        pairs = zip(ratings.T, predicted.T, strict=True)
        return float(np.mean([np.nan_to_num(concordance(moments(*pair))) for pair in pairs]))

    chosen = max(plan.penalties, key=agreement)
    return FittedDimensions(_ridge(embeddings, ratings, chosen), chosen)


def _ridge(embeddings: Array, ratings: NDArray[np.float64], penalty: float) -> Dense:
    """The layer of one penalty, on embeddings of any scale."""
    exact = embeddings.astype(np.float64)
    spread = exact.std(axis=0)
    scale = np.where(spread > _SMALLEST_SCALE, spread, 1.0).astype(np.float32)
    equal = np.ones(len(embeddings), np.float32)
    weight, bias = fit_values(embeddings / scale, ratings, equal, penalty=penalty)
    # Stored as float16.
    return Dense(_half(weight / scale), _half(bias))


def _half(values: Array) -> Array:
    with np.errstate(over="ignore"):  # such as of units that hardly ever fire
        half = values.astype(np.float16).astype(np.float32)
    return half if np.isfinite(half).all() else values
