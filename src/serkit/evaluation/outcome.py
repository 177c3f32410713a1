"""What trained models said about the utterances they were tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.evaluation.protocols import SPEAKER_DEPENDENT, Protocol
from serkit.metrics import confusion

TRAINED_ON = "trained on this corpus"
"""The mark on every figure of a model tested on a corpus of its training."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """What one trained model said about its test utterances.

    Attributes:
        seed: Of the split and the training.
        fold: Name of the fold.
        test: Indices of the utterances tested, shape `[n]`.
        probabilities: Shape `[n, n_labels]`, float32.
    """

    seed: int
    fold: str
    test: NDArray[np.int64]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """All results of a recipe under a protocol.

    Attributes:
        protocol: How it was split.
        labels: The classes.
        utterances: What was split.
        targets: Class of each utterance, shape `[n_utterances]`.
        results: Ordered by seed and fold.
        hashes: `content_hash` of each recording; empty where the audio was not at hand.
        seen: Whether a trained model was tested on a corpus it learned from.
    """

    protocol: Protocol
    labels: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    targets: NDArray[np.int64]
    results: tuple[FoldResult, ...]
    hashes: tuple[str, ...] = ()
    seen: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(sorted({result.seed for result in self.results}))

    @property
    def marks(self) -> tuple[str, ...]:
        """What every table and line must tell besides the figures."""
        told = {SPEAKER_DEPENDENT: self.protocol.speaker_dependent, TRAINED_ON: self.seen}
        return tuple(mark for mark, holds in told.items() if holds)

    @property
    def title(self) -> str:
        """The protocol's title and the marks."""
        marks = f" ({', '.join(self.marks)})" if self.marks else ""
        return f"{self.protocol.title}{marks}"

    @property
    def identities(self) -> tuple[str, ...]:
        """What tells each utterance from all others, wherever its corpus lies."""
        return identities(self.utterances, self.hashes)

    def pooled(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Indices tested with a seed, over all folds, and their probabilities."""
        results = [result for result in self.results if result.seed == seed]
        return (
            np.concatenate([result.test for result in results]),
            np.concatenate([result.probabilities for result in results]),
        )

    def matrix(self, seed: int) -> NDArray[np.int64]:
        """Confusion matrix of a seed over all folds, shape `[n_labels, n_labels]`."""
        test, probabilities = self.pooled(seed)
        return confusion(self.targets[test], probabilities.argmax(axis=1), len(self.labels))


def identities(utterances: Sequence[Utterance], hashes: Sequence[str]) -> tuple[str, ...]:
    """What tells each utterance from all others, wherever its corpus lies on disk."""
    return tuple(
        "|".join(
            map(
                str,
                (
                    u.corpus,
                    u.speaker,
                    u.session,
                    u.split,
                    u.label,
                    u.audio.name if u.audio else u.text,
                    u.start_s,
                    hashes[i] if hashes else "",
                ),
            )
        )
        for i, u in enumerate(utterances)
    )


def fingerprints(utterances: Sequence[Utterance], hashes: Sequence[str]) -> dict[str, str]:
    """A hash of each corpus's utterances: their audio, labels and speakers."""
    named = identities(utterances, hashes)
    return {
        corpus: hashlib.blake2b(
            "\n".join(
                n for n, u in zip(named, utterances, strict=True) if u.corpus == corpus
            ).encode(),
            digest_size=8,
        ).hexdigest()
        for corpus in sorted({u.corpus for u in utterances})
    }
