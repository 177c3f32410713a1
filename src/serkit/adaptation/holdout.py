"""Holding recordings out of the training data, for early stopping and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.errors import ProtocolError

Index = NDArray[np.int64]


class Spoken(Protocol):
    """A recording as far as it matters who speaks in it."""

    @property
    def corpus(self) -> str:
        """Name of the corpus."""

    @property
    def speaker_key(self) -> str:
        """The speaker, unique over all corpora."""

    @property
    def session_key(self) -> str | None:
        """The session, unique over all corpora; None if the corpus has none."""


@dataclass(frozen=True, slots=True)
class HoldOut:
    """How the validation part is chosen.

    Attributes:
        by: Whole `speaker`s, whole `session`s (dialogues), or single `utterance`s.
        share: Share of them held out.
    """

    by: Literal["speaker", "session", "utterance"]
    share: float

    def split(
        self, utterances: Sequence[Spoken], candidates: Index, *, seed: int
    ) -> tuple[Index, Index]:
        """Divide utterances into training and validation.

        By speaker, `share` of the speakers of each corpus is held out, rounded, so a tenth of two
        speakers is nobody. If that holds out nobody at all, one speaker of the corpus with the most
        speakers is held out. Speakers who share a session with a held-out speaker are held out too.

        Args:
            utterances: All utterances.
            candidates: Indices of the utterances to divide, shape `[n]`.
            seed: Seed of the random choice.

        Returns:
            Indices of the training and of the validation utterances.

        Raises:
            ProtocolError: There are too few speakers or utterances.
        """
        rng = np.random.default_rng([seed, len(candidates)])
        if self.by == "utterance":
            if len(candidates) < 2:
                raise ProtocolError(
                    f"{len(candidates)} utterances are too few to hold one out for validation"
                )
            n_held = max(1, round(self.share * len(candidates)))
            validation, training = np.split(rng.permutation(candidates), [n_held])
            return np.sort(training), np.sort(validation)
        if self.by == "session":
            return self._sessions(utterances, candidates, rng)
        held = self._speakers(utterances, candidates, rng)
        mask = np.array([utterances[i].speaker_key in held for i in candidates])
        if mask.all():
            raise ProtocolError(
                "all speakers share sessions with those held out for validation, so nobody is left "
                "to train on; leave the sessions out of the corpus if they are none, or set "
                "validation: utterance in the recipe"
            )
        return candidates[~mask], candidates[mask]

    def _sessions(
        self, utterances: Sequence[Spoken], candidates: Index, rng: np.random.Generator
    ) -> tuple[Index, Index]:
        keys = [utterances[i].session_key for i in candidates]
        names = sorted({key for key in keys if key is not None})
        if None in keys or len(names) < 2:
            raise ProtocolError(
                f"the training part has {len(names)} sessions, and {keys.count(None)} utterances "
                "without one; to hold sessions out for validation, each utterance needs one, and "
                "there must be two: set validation: utterance in the recipe"
            )
        n_held = min(max(1, round(self.share * len(names))), len(names) - 1)
        held = set(rng.permutation(names)[:n_held].tolist())
        mask = np.array([key in held for key in keys])
        return candidates[~mask], candidates[mask]

    def _speakers(
        self, utterances: Sequence[Spoken], candidates: Index, rng: np.random.Generator
    ) -> set[str]:
        speakers_of: dict[str, list[str]] = {}
        for corpus in sorted({utterances[i].corpus for i in candidates}):
            speakers = {
                utterances[i].speaker_key for i in candidates if utterances[i].corpus == corpus
            }
            speakers_of[corpus] = sorted(speakers)
        most = max(speakers_of, key=lambda corpus: len(speakers_of[corpus]))
        if len(speakers_of[most]) < 2:
            raise ProtocolError(
                "no corpus of the training part has two speakers, so none can be held out for "
                "validation; set validation: utterance in the recipe, or add speakers"
            )
        numbers = {name: round(self.share * len(names)) for name, names in speakers_of.items()}
        if not any(numbers.values()):
            numbers[most] = 1
        held = {
            str(speaker)
            for corpus, names in speakers_of.items()
            for speaker in rng.permutation(names)[: min(numbers[corpus], len(names) - 1)]
        }
        return held | _partners(held, [utterances[i] for i in candidates])


def _partners(speakers: set[str], utterances: Sequence[Spoken]) -> set[str]:
    """Speakers connected to the given ones by shared sessions, directly or through others."""
    connected: set[str] = set()
    added = speakers
    while added:
        connected |= added
        sessions = {u.session_key for u in utterances if u.speaker_key in added} - {None}
        added = {u.speaker_key for u in utterances if u.session_key in sessions} - connected
    return connected - speakers
