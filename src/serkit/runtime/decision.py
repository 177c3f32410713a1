"""From the outputs of a model to a label: restricted labels, confidence, distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ModelError
from serkit.runtime.card import ModelCard
from serkit.runtime.caution import Caution
from serkit.runtime.text_input import TextRecipe


def chosen_labels(card: ModelCard, labels: Sequence[str] | None) -> list[int]:
    """Indices of the requested labels, in the model's order; all for None.

    Raises:
        ModelError: A label is unknown, or there is none.
    """
    if labels is None:
        return list(range(len(card.labels)))
    if not card.labels:
        raise ModelError(f"{card.name} has no labels to choose from; leave them out")
    if isinstance(labels, str):
        labels = [labels]
    unknown = [label for label in labels if label not in card.labels]
    if unknown or not labels:
        problem = f"unknown label {', '.join(map(repr, unknown))}" if unknown else "no label"
        raise ModelError(f"{problem}; expected labels of {card.name}: {', '.join(card.labels)}")
    return [i for i, label in enumerate(card.labels) if label in labels]


def scores_of(
    card: ModelCard, chosen: Sequence[int], probabilities: NDArray[np.floating]
) -> dict[str, float]:
    """Probability of each chosen label, by name."""
    return {card.labels[i]: float(p) for i, p in zip(chosen, probabilities, strict=True)}


def check_confidence(min_confidence: float | None) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        ModelError: It is not in 0-1.
    """
    if min_confidence is not None and not 0.0 <= min_confidence <= 1.0:
        raise ModelError(f"min_confidence is {min_confidence}; expected 0 to 1")


def decided(
    scores: dict[str, float], min_confidence: float | None
) -> tuple[str | None, str | None]:
    """The most probable label, or None and the reason."""
    if not scores:
        return None, "the model has no categories"
    best = max(scores, key=scores.__getitem__)
    if min_confidence is not None and scores[best] < min_confidence:
        reason = (
            f"the probability of {best} is {scores[best]:.2f}, below the minimum of "
            f"{min_confidence:g}"
        )
        return None, reason
    return best, None


def distance_cautions(card: ModelCard, distance: float) -> tuple[Caution, ...]:
    """A warning if the distance to the training data is beyond the card's limit."""
    typical = card.typical
    if typical is None or distance <= typical.limit:
        return ()
    kind = "texts" if isinstance(card.input, TextRecipe) else "recordings"
    message = (
        f"unlike the training data of {card.name}: distance {distance:.2f}; "
        f"{100 * typical.share:.3g} % of the {kind} of new speakers are within "
        f"{typical.limit:.2f}"
    )
    return (Caution("far-from-training", message),)
