"""The leak guard: what is tested must not have been learned from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.protocols import Fold, Protocol
from serkit.training import HoldOut


def guard(
    protocol: Protocol,
    folds: Sequence[Fold],
    utterances: Sequence[Utterance],
    *,
    hold_out: HoldOut,
) -> None:
    """Refuse folds whose parts share an utterance, or a speaker.

    A protocol that is speaker-dependent by design may share speakers; its figures carry that
    mark instead. Training and validation may share speakers where single utterances are held out
    by design; the test part never does.

    Args:
        protocol: How the folds were made.
        folds: The folds.
        utterances: What their indices stand for.
        hold_out: How the validation part was chosen.

    Raises:
        ProtocolError: Something crosses; the message names the fold and what crosses.
    """
    for fold in folds:
        parts = {"training": fold.train, "validation": fold.validation, "test": fold.test}
        for name, part in parts.items():
            if not len(part):
                raise ProtocolError(f"fold {fold.name} of {protocol.name} has an empty {name} part")
        for (one, first), (other, second) in combinations(parts.items(), 2):
            both = set(first.tolist()) & set(second.tolist())
            if both:
                file = utterances[min(both)].audio
                raise ProtocolError(
                    f"fold {fold.name} of {protocol.name} leaks: {len(both)} utterances are in "
                    f"{one} and in {other}, {file} among them"
                )
            if protocol.speaker_dependent or (other != "test" and hold_out.by == "utterance"):
                continue
            shared = {utterances[i].speaker_key for i in first} & {
                utterances[i].speaker_key for i in second
            }
            if shared:
                raise ProtocolError(
                    f"fold {fold.name} of {protocol.name} leaks: the speakers "
                    f"{', '.join(sorted(shared)[:5])} are in {one} and in {other}"
                )
