"""Arousal, valence and dominance of an answer, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.card import DIMENSIONS, ModelCard
from serkit.runtime.circumplex import arousal_valence

AffectSource = Literal["learned", "circumplex"]

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Affect:
    """Dimensions of emotion, each from -1 to 1.

    Attributes:
        arousal: From sleepy to aroused; None if unknown.
        valence: From unpleasant to pleasant; None if unknown.
        dominance: From submissive to dominant; None if unknown.
        source: `learned`, the outputs of the model for the sound; or `circumplex`, the mean place
            of the categories by their scores (see `arousal_valence`); None if all are unknown.
    """

    arousal: float | None = None
    valence: float | None = None
    dominance: float | None = None
    source: AffectSource | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, with the source as `affect`."""
        values = asdict(self)
        source = values.pop("source")
        rounded = {name: None if v is None else round(v, _DIGITS) for name, v in values.items()}
        return {**rounded, "affect": source}


UNKNOWN = Affect()


class HasAffect:
    """Shortcuts to the values of the attribute `affect`."""

    __slots__ = ()

    affect: Affect

    @property
    def arousal(self) -> float | None:
        """Arousal from -1 to 1; None if unknown."""
        return self.affect.arousal

    @property
    def valence(self) -> float | None:
        """Valence from -1 to 1; None if unknown."""
        return self.affect.valence

    @property
    def dominance(self) -> float | None:
        """Dominance from -1 to 1; None if unknown."""
        return self.affect.dominance


def affect_of(
    card: ModelCard, scores: Mapping[str, float], dimensions: NDArray[np.floating]
) -> Affect:
    """The affect of an answer: learned if the model has dimensions, else that of the categories.

    Args:
        card: The card of the model.
        scores: Probability of each requested emotion; empty for digital silence.
        dimensions: Outputs of the model, shape `[n_dimensions]`, in the order of the card; shape
            `[0]` for a model without dimensions, and for digital silence.
    """
    if len(dimensions):
        values = dict(zip(card.dimensions, map(float, dimensions), strict=True))
        arousal, valence, dominance = (values.get(name) for name in DIMENSIONS)
        return Affect(arousal, valence, dominance, "learned")
    arousal, valence = arousal_valence(scores)
    return Affect(arousal, valence, source=None if arousal is None else "circumplex")
