"""Arousal and valence of emotion categories, by their places in the circumplex of affect.

Russell, *A Circumplex Model of Affect* (1980), places words for affect on a circle of valence
(horizontal) and arousal (vertical); the angles are those of its direct circular scaling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ANGLES: dict[str, float] = {
    "happy": 7.8,
    "surprised": 69.8,  # astonished
    "angry": 99.0,
    "fearful": 116.0,  # afraid
    "sad": 207.5,
    "bored": 242.0,
    "calm": 316.2,
}
"""Angle of each emotion in degrees, from pleasure (0) over arousal (90)."""

CENTRE = "neutral"
"""The emotion in the centre: neither pleasant nor unpleasant, neither aroused nor sleepy."""


def place(emotion: str) -> tuple[float, float] | None:
    """Arousal and valence of an emotion, on the unit circle; 0 and 0 for neutral.

    Returns:
        None for an emotion without a place, such as `disgusted`, which Russell did not scale.
    """
    if emotion == CENTRE:
        return 0.0, 0.0
    if emotion not in ANGLES:
        return None
    angle = math.radians(ANGLES[emotion])
    return math.sin(angle), math.cos(angle)


def arousal_valence(scores: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Mean arousal and valence of a distribution over emotions.

    A category's place says what its name means to people, not how a voice sounded: two angry
    voices of the same probability have the same arousal.

    Args:
        scores: Probability of each emotion. One without a place is left out and the others are
            renormalised.

    Returns:
        Arousal and valence, each from -1 to 1; None if the emotions without a place have more
        than half of the probability.
    """
    placed = [(p, where) for name, p in scores.items() if (where := place(name)) is not None]
    total = sum(p for p, _ in placed)
    if total < 0.5:
        return None, None
    arousal = sum(p * where[0] for p, where in placed)
    valence = sum(p * where[1] for p, where in placed)
    return arousal / total, valence / total
