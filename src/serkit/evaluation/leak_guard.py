"""The leak guard: what is tested must not have been learned from."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.folds import Fold, Index
from serkit.evaluation.protocols import Protocol


def guard(
    protocol: Protocol,
    folds: Sequence[Fold],
    utterances: Sequence[Utterance],
    *,
    hold_out: HoldOut,
    hashes: Sequence[str] = (),
) -> None:
    """Refuse folds whose parts share an utterance, audio, text, speaker or session.

    A protocol that is speaker-dependent by design may share speakers and sessions; its figures
    carry that mark instead. Training and validation may share them where single utterances are
    held out by design; the test part never does.

    Args:
        protocol: How the folds were made.
        folds: The folds.
        utterances: What their indices stand for.
        hold_out: How the validation part was chosen.
        hashes: `content_hash` of each utterance's audio; none if empty.

    Raises:
        ProtocolError: Something crosses; the message names the fold and what crosses.
    """
    contents = _contents(utterances, hashes)
    for fold in folds:
        for name, part in fold.parts.items():
            if not len(part):
                raise ProtocolError(f"fold {fold.name} of {protocol.name} has an empty {name} part")
        for (one, first), (other, second) in combinations(fold.parts.items(), 2):
            where = f"fold {fold.name} of {protocol.name} leaks:"
            between = f"in {one} and in {other}"
            _refuse_same_content(where, between, first, second, utterances, contents)
            if protocol.speaker_dependent or (other != "test" and hold_out.by == "utterance"):
                continue
            speakers = _shared(first, second, lambda i: utterances[i].speaker_key)
            if speakers:
                raise ProtocolError(
                    f"{where} the speakers {', '.join(sorted(speakers)[:5])} are {between}"
                )
            sessions = _shared(first, second, lambda i: utterances[i].session_key)
            if sessions:
                raise ProtocolError(
                    f"{where} the sessions {', '.join(sorted(sessions)[:5])} are {between}; "
                    "the protocol session keeps them apart"
                )


def guard_final(
    name: str,
    training: Index,
    validation: Index,
    utterances: Sequence[Utterance],
    hashes: Sequence[str],
) -> None:
    """Refuse a model whose early stopping and calibration hear what it learns from.

    Args:
        name: Of the model.
        training: Indices of what it learns from.
        validation: Indices of what was held out by a `HoldOut`, which keeps speakers apart.
        utterances: What the indices stand for.
        hashes: `content_hash` of each utterance's audio; none if empty.

    Raises:
        ProtocolError: Something crosses, or a class is absent from the training part.
    """
    contents = _contents(utterances, hashes)
    where = f"the training of {name} leaks:"
    between = "in training and in validation"
    _refuse_same_content(where, between, training, validation, utterances, contents)
    _require_labels({u.label for u in utterances}, training, utterances, name)


def _refuse_same_content(
    where: str,
    between: str,
    first: Index,
    second: Index,
    utterances: Sequence[Utterance],
    contents: Mapping[int, str],
) -> None:
    both = set(first.tolist()) & set(second.tolist())
    if both:
        raise ProtocolError(
            f"{where} {len(both)} utterances are {between}, "
            f"{_called(utterances[min(both)])} among them"
        )
    crossing = _shared(first, second, contents.get)
    if crossing:
        a, b = (next(i for i in p if contents.get(i) in crossing) for p in (first, second))
        raise ProtocolError(
            f"{where} {len(crossing)} recordings or texts are {between}: "
            f"{_called(utterances[a])} and {_called(utterances[b])} are identical, "
            "for instance; remove one of them from the corpus"
        )
    overlap = _overlap([utterances[i] for i in first], [utterances[i] for i in second])
    if overlap:
        raise ProtocolError(
            f"{where} {_called(overlap[0])} and {_called(overlap[1])} are {between} and share a "
            "stretch of sound; correct their times, or leave one out"
        )


def _overlap(
    first: Sequence[Utterance], second: Sequence[Utterance]
) -> tuple[Utterance, Utterance] | None:
    """An utterance of each that share a stretch of one file; None where there are none."""
    # One file under two names, as by a link, is one file.
    real = {u.audio: os.path.realpath(u.audio) for u in (*first, *second) if u.audio is not None}
    files = [{real[u.audio] for u in part if u.audio is not None} for part in (first, second)]
    shared = files[0] & files[1]
    stretches = sorted(
        (
            (real[u.audio], u.start_s or 0.0, part, u)
            for part, among in enumerate((first, second))
            for u in among
            if u.audio is not None and real[u.audio] in shared
        ),
        key=lambda stretch: stretch[:2],
    )
    last: dict[tuple[str, int], tuple[float, Utterance]] = {}
    for audio, start_s, part, utterance in stretches:
        end_s, other = last.get((audio, 1 - part), (0.0, utterance))
        if start_s < end_s:
            return (utterance, other) if part == 0 else (other, utterance)
        own_end_s = math.inf if utterance.end_s is None else utterance.end_s
        if own_end_s > last.get((audio, part), (0.0, utterance))[0]:
            last[audio, part] = own_end_s, utterance
    return None


def without_copies(
    folds: Sequence[Fold],
    utterances: Sequence[Utterance],
    hashes: Sequence[str],
    *,
    of_tested: bool,
) -> list[Fold]:
    """Drop from training what is identical to something that validates or is tested.

    Where single clips are shuffled or held out, and in published splits, copies of a recording or
    a text fall on both sides; the test part stays whole.

    Args:
        folds: As split.
        utterances: What their indices stand for.
        hashes: `content_hash` of each utterance's audio; none if empty.
        of_tested: Whether copies of what is tested are dropped, from training and validation;
            where speakers are kept apart such a copy is a fault of the corpus, and left to the
            guard.
    """
    contents = _contents(utterances, hashes)

    def pruned(part: Index, *others: Index) -> Index:
        taken = {contents[i] for other in others for i in other.tolist() if i in contents}
        return np.array([i for i in part.tolist() if contents.get(i) not in taken], np.int64)

    return [
        Fold(
            fold.name,
            pruned(fold.train, fold.validation, *([fold.test] if of_tested else [])),
            pruned(fold.validation, fold.test) if of_tested else fold.validation,
            fold.test,
        )
        for fold in folds
    ]


def require_classes(
    protocol: Protocol, folds: Sequence[Fold], utterances: Sequence[Utterance]
) -> None:
    """Refuse folds that cannot learn a class, and protocols that never test one.

    A single fold may lack a class in its test part, as a speaker may who never acted it: figures
    are taken over all folds together.

    Raises:
        ProtocolError: A class is absent; the message names it and the fold.
    """
    labels = {u.label for u in utterances}
    for fold in folds:
        _require_labels(labels, fold.train, utterances, f"fold {fold.name} of {protocol.name}")
    untested = labels - {utterances[i].label for fold in folds for i in fold.test}
    if untested:
        raise ProtocolError(
            f"{protocol.name} tests no utterance labelled {', '.join(sorted(untested))}; "
            "leave the label out of the recipe"
        )


def _require_labels(
    labels: set[str], training: Index, utterances: Sequence[Utterance], name: str
) -> None:
    missing = labels - {utterances[i].label for i in training}
    if missing:
        raise ProtocolError(
            f"the training part of {name} holds no utterance labelled "
            f"{', '.join(sorted(missing))}; leave the label out, or add a corpus that has it"
        )


def _contents(utterances: Sequence[Utterance], hashes: Sequence[str]) -> dict[int, str]:
    """What identifies the content of each utterance: audio, or text where there is no audio."""

    def named() -> Iterator[tuple[int, str]]:
        for i, utterance in enumerate(utterances):
            if utterance.audio is None and utterance.text is not None:
                yield i, "text " + " ".join(utterance.text.split()).casefold()
            elif hashes:
                yield i, hashes[i]

    return dict(named())


def _shared(first: Index, second: Index, key: Callable[[int], str | None]) -> set[str]:
    one, other = ({key(i) for i in part.tolist()} for part in (first, second))
    return {value for value in one & other if value is not None}


def _called(utterance: Utterance) -> str:
    if utterance.audio is None:
        return f"{utterance.corpus}: {utterance.text!r}"
    if utterance.start_s is None and utterance.end_s is None:
        return str(utterance.audio)
    end = "its end" if utterance.end_s is None else f"{utterance.end_s:g} s"
    return f"{utterance.audio} from {utterance.start_s or 0.0:g} s to {end}"
