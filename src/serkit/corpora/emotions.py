"""The emotion labels of the project, and how a corpus's own are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from serkit.corpora.utterances import Utterance

EMOTIONS = (
    "angry",
    "happy",
    "neutral",
    "sad",
    "fearful",
    "disgusted",
    "surprised",
    "calm",
    "bored",
)
"""The words every reader maps its corpus's names to, in the order tables show them."""

ADDED_EMOTIONS = ("excited", "frustrated", "peaceful", "powerful", "other")
"""Words that a corpus adds because none of `EMOTIONS` says the same."""


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels without repetition: the project's words first, in their order, then others by name.

    Args:
        labels: Labels in any order, with any repetition.

    Returns:
        Each label once.
    """
    order = {label: place for place, label in enumerate((*EMOTIONS, *ADDED_EMOTIONS))}
    return tuple(sorted(set(labels), key=lambda label: (order.get(label, len(order)), label)))


def merge(utterances: Iterable[Utterance], merges: Mapping[str, str]) -> tuple[Utterance, ...]:
    """Give utterances of one label another one, as in `{"excited": "happy"}`.

    Args:
        utterances: Any utterances.
        merges: From label to label; labels not named stay.

    Returns:
        The utterances in the same order.
    """
    return tuple(
        replace(utterance, label=merges.get(utterance.label, utterance.label))
        for utterance in utterances
    )
