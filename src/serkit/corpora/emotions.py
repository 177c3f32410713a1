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
"""Labels that every reader maps a corpus's own names to, in the order of tables."""

ADDED_EMOTIONS = ("excited", "frustrated", "peaceful", "powerful", "other")
"""Labels of some corpora that have no equivalent among `EMOTIONS`."""


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels: `EMOTIONS` and `ADDED_EMOTIONS` first, then others by name.

    Args:
        labels: Labels in any order, with repetitions.
    """
    order = {label: place for place, label in enumerate((*EMOTIONS, *ADDED_EMOTIONS))}
    return tuple(sorted(set(labels), key=lambda label: (order.get(label, len(order)), label)))


def merge(utterances: Iterable[Utterance], merges: Mapping[str, str]) -> tuple[Utterance, ...]:
    """Merge labels, as in `{"excited": "happy"}`.

    Args:
        utterances: The utterances.
        merges: Mapping of label to label; other labels stay.

    Returns:
        The utterances in the same order.
    """
    return tuple(
        replace(utterance, label=merges.get(utterance.label, utterance.label))
        for utterance in utterances
    )
