"""What is held out of the training part for early stopping and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.errors import ProtocolError

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HoldOut:
    """How the validation part is chosen.

    Attributes:
        by: Whole `speaker`s, or single `utterance`s.
        share: Share of them held out.
    """

    by: Literal["speaker", "utterance"]
    share: float

    def split(
        self, utterances: Sequence[Utterance], candidates: Index, *, seed: int
    ) -> tuple[Index, Index]:
        """Divide utterances into training and validation.

        By speaker, `share` of the speakers of each corpus is held out, rounded: of two speakers
        a tenth is none, and both stay in training. Should nobody be held out so, one speaker of
        the corpus with the most is. Whoever talks in a session with one of them is held out too.

        Args:
            utterances: What there is.
            candidates: Indices of those to divide, shape `[n]`.
            seed: Of the choice.

        Returns:
            Indices of the training and of the validation utterances.

        Raises:
            ProtocolError: There is nobody, or no utterance, to hold out.
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
        held = self._speakers(utterances, candidates, rng)
        mask = np.array([utterances[i].speaker_key in held for i in candidates])
        if mask.all():
            raise ProtocolError(
                "all speakers share sessions with those held out for validation, so nobody is left "
                "to train on; leave the sessions out of the corpus if they are none, or set "
                "validation: utterance in the recipe"
            )
        return candidates[~mask], candidates[mask]

    def _speakers(
        self, utterances: Sequence[Utterance], candidates: Index, rng: np.random.Generator
    ) -> set[str]:
        speakers_of: dict[str, list[str]] = {}
        for corpus in sorted({utterances[i].corpus for i in candidates}):
            found = {
                utterances[i].speaker_key for i in candidates if utterances[i].corpus == corpus
            }
            speakers_of[corpus] = sorted(found)
        most = max(speakers_of, key=lambda corpus: len(speakers_of[corpus]))
        if len(speakers_of[most]) < 2:
            raise ProtocolError(
                "no corpus of the training part has two speakers, so none can be held out for "
                "validation; set validation: utterance in the recipe, or add speakers"
            )
        numbers = {corpus: round(self.share * len(found)) for corpus, found in speakers_of.items()}
        if not any(numbers.values()):
            numbers[most] = 1
        held = {
            str(speaker)
            for corpus, found in speakers_of.items()
            for speaker in rng.permutation(found)[: min(numbers[corpus], len(found) - 1)]
        }
        return held | _partners(held, [utterances[i] for i in candidates])


def _partners(speakers: set[str], utterances: Sequence[Utterance]) -> set[str]:
    """Who is heard in a session with any of the speakers, or with such a one."""
    found: set[str] = set()
    newly = speakers
    # Until nobody is added: whoever talks with a partner is one as well.
    while newly:
        found |= newly
        sessions = {u.session_key for u in utterances if u.speaker_key in newly} - {None}
        newly = {u.speaker_key for u in utterances if u.session_key in sessions} - found
    return found - speakers
