"""The leak guard: refuses splits whose parts are not disjoint."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance, episode, text_key
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
    """Refuse folds whose parts share an utterance, audio, text, speaker, session or episode.

    Parts of speaker-dependent protocols may share speakers, sessions and episodes; their figures
    are marked instead. So may training and validation if single utterances are held out; if whole
    sessions are, they may share speakers.

    Episodes are those of the series that both MELD and EmoryNLP transcribe. Within one of these
    corpora an episode may be in several parts, as its dialogues are different.

    Args:
        protocol: Protocol that made the folds.
        folds: The folds.
        utterances: The utterances that the folds index.
        hold_out: How the validation part was chosen.
        hashes: `content_hash` of each utterance's audio; if empty, copies are not detected.

    Raises:
        ProtocolError: Two parts share something; the message names it and the fold.
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
            episodes = _shared_episodes(first, second, utterances)
            if episodes:
                raise ProtocolError(
                    f"{where} the episodes {', '.join(sorted(episodes)[:5])}, which both MELD and "
                    f"EmoryNLP transcribe, are {between}; leave them out of one of the corpora"
                )
            held_out = other != "test"
            if protocol.speaker_dependent or (held_out and hold_out.by == "utterance"):
                continue
            speakers = _shared(first, second, lambda i: utterances[i].speaker_key)
            if speakers and not (held_out and hold_out.by == "session"):
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
    """Refuse a final training whose validation part shares recordings with the training part.

    Args:
        name: Name of the model.
        training: Indices of the training part.
        validation: Indices of the part held out by a `HoldOut`.
        utterances: The utterances indexed.
        hashes: `content_hash` of each utterance's audio; if empty, copies are not detected.

    Raises:
        ProtocolError: The parts share a recording or text, or a class is absent from training.
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
            f"{where} {len(both)} utterances are {between}, such as {_named(utterances[min(both)])}"
        )
    crossing = _shared(first, second, contents.get)
    if crossing:
        a, b = (next(i for i in p if contents.get(i) in crossing) for p in (first, second))
        raise ProtocolError(
            f"{where} {len(crossing)} recordings or texts are {between}: for instance, "
            f"{_named(utterances[a])} and {_named(utterances[b])} are identical; remove one of "
            "them from the corpus"
        )
    overlap = _overlap([utterances[i] for i in first], [utterances[i] for i in second])
    if overlap:
        raise ProtocolError(
            f"{where} {_named(overlap[0])} and {_named(overlap[1])} are {between} and overlap in "
            "time; correct their times, or leave one out"
        )


def _overlap(
    first: Sequence[Utterance], second: Sequence[Utterance]
) -> tuple[Utterance, Utterance] | None:
    """The first pair, one of each part, that overlaps in time within one file; None if none does.

    One pass over the utterances by start time, with the latest end so far in each part.
    """
    # Links to one file are one file.
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
    """Drop training utterances that are copies of validation or test utterances.

    Shuffled, held-out and published splits by clip separate copies of a recording or a text. The
    test part stays complete.

    Args:
        folds: The folds.
        utterances: The utterances that the folds index.
        hashes: `content_hash` of each utterance's audio; if empty, copies are not detected.
        of_tested: Whether to drop copies of test utterances, from training and validation. In a
            speaker-independent protocol such a copy is an error in the corpus; the guard refuses
            it.
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
    """Refuse folds without training utterances of a class, and protocols that never test one.

    The test part of a single fold may lack a class, as figures pool all folds.

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
    """Key of the content of each utterance: its audio, or its text if it has no audio."""

    def keys() -> Iterator[tuple[int, str]]:
        for i, utterance in enumerate(utterances):
            if utterance.audio is None and utterance.text is not None:
                yield i, f"text {text_key(utterance.text)}"
            elif hashes:
                yield i, hashes[i]

    return dict(keys())


def _shared(first: Index, second: Index, key: Callable[[int], str | None]) -> set[str]:
    one, other = ({key(i) for i in part.tolist()} for part in (first, second))
    return {value for value in one & other if value is not None}


def _shared_episodes(first: Index, second: Index, utterances: Sequence[Utterance]) -> set[str]:
    """Episodes that one corpus has in the first part, and another corpus in the second."""
    one: dict[str, set[str]] = defaultdict(set)
    other: dict[str, set[str]] = defaultdict(set)
    for part, corpora_of in ((first, one), (second, other)):
        for utterance in (utterances[i] for i in part.tolist()):
            name = episode(utterance)
            if name is not None:
                corpora_of[name].add(utterance.corpus)
    return {name for name in one.keys() & other.keys() if len(one[name] | other[name]) > 1}


def _named(utterance: Utterance) -> str:
    if utterance.audio is None:
        return f"{utterance.corpus}: {utterance.text!r}"
    if utterance.start_s is None and utterance.end_s is None:
        return str(utterance.audio)
    end = "its end" if utterance.end_s is None else f"{utterance.end_s:g} s"
    return f"{utterance.audio} from {utterance.start_s or 0.0:g} s to {end}"
