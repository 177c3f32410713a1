"""Holding speakers out for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.errors import ProtocolError

Index = NDArray[np.int64]


def hold_out_speakers(
    utterances: Sequence[Utterance], candidates: Index, *, seed: int, share: float
) -> tuple[Index, Index]:
    """Divide utterances into training and validation by speaker, corpus by corpus.

    Of each corpus, `share` of its speakers, rounded and at least one, is held out; a corpus with
    a single speaker stays in training whole, unless it is the only one.

    Args:
        utterances: What there is.
        candidates: Which of them to divide.
        seed: Of the choice.
        share: Share of speakers held out.

    Returns:
        Indices of the training and of the validation utterances.

    Raises:
        ProtocolError: There is only one speaker.
    """
    rng = np.random.default_rng([seed, len(candidates)])
    speakers_of: dict[str, list[str]] = {}
    for corpus in sorted({utterances[i].corpus for i in candidates}):
        chosen = {utterances[i].speaker_key for i in candidates if utterances[i].corpus == corpus}
        speakers_of[corpus] = sorted(chosen)
    held: set[str] = set()
    for speakers in speakers_of.values():
        if len(speakers) > 1:
            n_held = max(1, round(share * len(speakers)))
            held.update(map(str, rng.permutation(speakers)[:n_held]))
    if not held:
        everyone = sorted(s for speakers in speakers_of.values() for s in speakers)
        if len(everyone) < 2:
            raise ProtocolError(
                "the training part has a single speaker; at least two are needed to hold one out "
                "for validation"
            )
        held = {str(rng.choice(everyone))}
    mask = np.array([utterances[i].speaker_key in held for i in candidates])
    return candidates[~mask], candidates[mask]
