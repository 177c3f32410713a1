"""The emotion words of the project, and the merging and choosing of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from serkit.corpora.utterances import Utterance
from serkit.errors import CorpusError

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


def keep_labels(utterances: Iterable[Utterance], labels: Iterable[str]) -> tuple[Utterance, ...]:
    """Keep the utterances whose label is one of `labels`.

    Args:
        utterances: Any utterances.
        labels: The labels wanted.

    Returns:
        The utterances kept, in the same order.

    Raises:
        CorpusError: A label wanted is neither one of the utterances' nor a word of the
            project, which is a misspelling; or nothing is left.
    """
    everything, wanted = tuple(utterances), set(labels)
    present = {utterance.label for utterance in everything}
    unknown = wanted - present - {*EMOTIONS, *ADDED_EMOTIONS}
    kept = tuple(utterance for utterance in everything if utterance.label in wanted)
    if unknown or not kept:
        misses = ", ".join(sorted(unknown or wanted)) or "(no label given)"
        raise CorpusError(
            f"no utterance is labelled {misses}; "
            f"the labels are {', '.join(in_order(present)) or 'none'}"
        )
    return kept
