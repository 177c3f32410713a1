"""The probabilities that trained models gave their test utterances."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.evaluation.protocols import SPEAKER_DEPENDENT, Protocol
from serkit.metrics import confusion

TRAINED_ON = "trained on this corpus"
"""Mark on every figure of a model that is tested on a corpus of its training."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """Probabilities of the test utterances of one fold.

    Attributes:
        seed: Seed of the split and the training.
        fold: Name of the fold.
        test: Indices of the test utterances, shape `[n]`.
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
        protocol: The protocol.
        labels: The classes.
        utterances: All utterances, of every part.
        targets: Class of each utterance, shape `[n_utterances]`.
        results: Results ordered by seed and fold.
        hashes: `content_hash` of each recording; empty without audio.
        seen: Whether a trained model is tested on a corpus of its training.
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
        """Marks that qualify every figure of the run."""
        return marks(self.protocol, seen=self.seen)

    @property
    def title(self) -> str:
        """The protocol's title and the marks."""
        marks = f" ({', '.join(self.marks)})" if self.marks else ""
        return f"{self.protocol.title}{marks}"

    @property
    def identities(self) -> tuple[str, ...]:
        """Identity of each utterance, independent of where its corpus is stored."""
        return identities(self.utterances, self.hashes)

    def pooled(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Test indices of all folds of a seed, and their probabilities."""
        results = [result for result in self.results if result.seed == seed]
        return (
            np.concatenate([result.test for result in results]),
            np.concatenate([result.probabilities for result in results]),
        )

    def matrix(self, seed: int) -> NDArray[np.int64]:
        """Confusion matrix over all folds of a seed, shape `[n_labels, n_labels]`."""
        test, probabilities = self.pooled(seed)
        return confusion(self.targets[test], probabilities.argmax(axis=1), len(self.labels))


def marks(protocol: Protocol, *, seen: bool) -> tuple[str, ...]:
    """Marks that qualify figures.

    Args:
        protocol: Protocol of the figures.
        seen: Whether the model was trained on the corpus tested.
    """
    candidates = {SPEAKER_DEPENDENT: protocol.speaker_dependent, TRAINED_ON: seen}
    return tuple(mark for mark, applies in candidates.items() if applies)


def identities(utterances: Sequence[Utterance], hashes: Sequence[str]) -> tuple[str, ...]:
    """Identity of each utterance, independent of where its corpus is stored.

    A line that a speaker repeats in a dialogue is numbered from its second occurrence on.
    """
    names = [
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
    ]
    counts: Counter[str] = Counter()
    numbered = []
    for name, u in zip(names, utterances, strict=True):
        counts[name] += 1
        repeated = u.audio is None and counts[name] > 1
        numbered.append(f"{name}|{counts[name]}" if repeated else name)
    return tuple(numbered)


def fingerprints(utterances: Sequence[Utterance], hashes: Sequence[str]) -> dict[str, str]:
    """Hash of the utterances of each corpus: audio, labels and speakers."""
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
