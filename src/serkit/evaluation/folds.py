"""How utterances are split into training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance
from serkit.errors import ProtocolError

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One split, as indices into the utterances.

    Attributes:
        name: What sets it apart, such as the speaker tested.
        train: What weights and normalisation are fitted on.
        validation: What decides when to stop and how sure to be.
        test: What is reported.
    """

    name: str
    train: Index
    validation: Index
    test: Index

    @property
    def parts(self) -> dict[str, Index]:
        """The three parts by name."""
        return {"training": self.train, "validation": self.validation, "test": self.test}


Split = Callable[[Sequence[Utterance], int, HoldOut], list[Fold]]


def shuffle(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """One random split of clips; test and validation get the share held out each."""
    n = len(utterances)
    n_held = max(1, round(hold_out.share * n))
    if n < 3 * n_held:
        raise ProtocolError(f"{n} utterances are too few to be split at random into three")
    order = np.random.default_rng(seed).permutation(n)
    test, validation, train = np.split(order, [n_held, 2 * n_held])
    return [_fold("shuffle", train, validation, test)]


def shuffled_folds(n_folds: int) -> Split:
    """Clips dealt at random into folds, each tested once; single clips validate."""

    def split(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
        if len(utterances) < n_folds:
            raise ProtocolError(
                f"{len(utterances)} utterances are too few for {n_folds} folds; ask for fewer, "
                f"as in k-fold:{max(2, len(utterances) // 2)}"
            )
        numbers = np.random.default_rng(seed).permutation(len(utterances)) % n_folds + 1
        width = len(str(n_folds))
        groups = [f"clips-{number:0{width}}" for number in numbers]
        return _each_in_turn(utterances, groups, seed, HoldOut("utterance", hold_out.share))

    return split


def leave_one_speaker_out(
    utterances: Sequence[Utterance], seed: int, hold_out: HoldOut
) -> list[Fold]:
    """Each speaker tested once."""
    speakers = _at_least_two([u.speaker_key for u in utterances], "speakers", "loso")
    return _each_in_turn(utterances, speakers, seed, hold_out)


def leave_one_corpus_out(
    utterances: Sequence[Utterance], seed: int, hold_out: HoldOut
) -> list[Fold]:
    """Each corpus tested once."""
    corpora = _at_least_two([u.corpus for u in utterances], "corpora", "leave-one-corpus-out")
    return _each_in_turn(utterances, corpora, seed, hold_out)


_SPEAKER_FOLDS = 5


def speaker_folds(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """Five folds; each corpus's speakers are dealt out in turn, beginning where the last ended."""
    _at_least_two([u.speaker_key for u in utterances], "speakers", "speaker-folds")
    rng = np.random.default_rng(seed)
    fold_of: dict[str, str] = {}
    for corpus in sorted({u.corpus for u in utterances}):
        speakers = sorted({u.speaker_key for u in utterances if u.corpus == corpus})
        for speaker in rng.permutation(speakers):
            fold_of[str(speaker)] = f"speakers-{len(fold_of) % _SPEAKER_FOLDS + 1}"
    groups = [fold_of[u.speaker_key] for u in utterances]
    return _each_in_turn(utterances, groups, seed, hold_out)


def sessions(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """Each session tested once and the next one, in a circle, validating."""
    keys = [u.session_key for u in utterances]
    if None in keys:
        raise ProtocolError(
            f"the protocol session needs the session of every utterance; "
            f"{keys.count(None)} of {len(keys)} have none; use loso instead"
        )
    names = sorted({key for key in keys if key is not None})
    if len(names) < 3:
        raise ProtocolError(
            f"the protocol session needs at least three sessions; found {', '.join(names)}"
        )
    of = np.array(keys)
    return [
        _fold(
            name,
            np.flatnonzero((of != name) & (of != following)),
            np.flatnonzero(of == following),
            np.flatnonzero(of == name),
        )
        for name, following in zip(names, names[1:] + names[:1], strict=True)
    ]


_EMOBOX_RAVDESS = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)


def emobox_ravdess(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """The benchmark's six folds of four actors each."""
    foreign = {u.corpus for u in utterances} - {"ravdess"}
    if foreign:
        raise ProtocolError(
            f"emobox-ravdess splits the corpus ravdess alone; found {', '.join(sorted(foreign))} "
            "besides; leave it out, or make it an anchor"
        )
    fold_of = {
        f"{actor:02d}": f"fold-{number}"
        for number, actors in enumerate(_EMOBOX_RAVDESS, start=1)
        for actor in actors
    }
    missing = sorted(set(fold_of) - {u.speaker for u in utterances})
    if missing:
        raise ProtocolError(
            f"emobox-ravdess needs all 24 actors; actor {', '.join(missing)} missing"
        )
    return _each_in_turn(utterances, [fold_of[u.speaker] for u in utterances], seed, hold_out)


def emobox_clips(corpus: str) -> Split:
    """The benchmark's single split of a corpus, by clip; speakers are in both parts.

    Args:
        corpus: One of those with a list in the folder `emobox`.
    """

    def split(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
        foreign = {u.corpus for u in utterances} - {corpus}
        if foreign:
            raise ProtocolError(
                f"EmoBox's split of {corpus} is of that corpus alone; found "
                f"{', '.join(sorted(foreign))} besides; leave it out, or make it an anchor"
            )
        lines = files("serkit.evaluation").joinpath("emobox", f"{corpus}.txt").read_text("utf-8")
        listed = set(lines.splitlines())
        is_test = np.array([u.audio is not None and u.audio.stem in listed for u in utterances])
        if not is_test.any() or is_test.all():
            raise ProtocolError(
                f"{int(is_test.sum())} of {len(utterances)} clips are in the test part of EmoBox's "
                f"split of {corpus}; expected a fifth: keep the published names of the clips"
            )
        train, validation = hold_out.split(utterances, np.flatnonzero(~is_test), seed=seed)
        return [_fold("emobox", train, validation, np.flatnonzero(is_test))]

    return split


def across(train: frozenset[str], test: frozenset[str]) -> Split:
    """Train on some corpora, test on others."""

    def split(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
        there = {u.corpus for u in utterances}
        unknown = sorted((train | test) - there)
        if unknown:
            raise ProtocolError(
                f"the protocol cross names the corpus {', '.join(unknown)}; "
                f"the utterances are of {', '.join(sorted(there))}"
            )
        learned = np.flatnonzero([u.corpus in train for u in utterances])
        training, validation = hold_out.split(utterances, learned, seed=seed)
        tested = np.flatnonzero([u.corpus in test for u in utterances])
        return [_fold("+".join(sorted(test)), training, validation, tested)]

    return split


def published(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """The split the corpus is published with."""
    found = {u.split for u in utterances}
    if not {"train", "test"} <= found <= {"train", "dev", "test"}:
        said = ", ".join(sorted(str(split or "none") for split in found))
        raise ProtocolError(
            "the protocol fixed needs a published split (train, dev, test) of every utterance; "
            f"found {said}"
        )
    train, validation, test = (
        np.flatnonzero([u.split == name for u in utterances]) for name in ("train", "dev", "test")
    )
    if not len(validation):
        train, validation = hold_out.split(utterances, train, seed=seed)
    return [_fold("published", train, validation, test)]


def _each_in_turn(
    utterances: Sequence[Utterance], groups: Sequence[str], seed: int, hold_out: HoldOut
) -> list[Fold]:
    """Test each group once; train and validate on the others."""
    folds = []
    for name in sorted(set(groups)):
        is_test = np.array([group == name for group in groups])
        train, validation = hold_out.split(utterances, np.flatnonzero(~is_test), seed=seed)
        folds.append(_fold(name, train, validation, np.flatnonzero(is_test)))
    return folds


def _fold(name: str, train: Index, validation: Index, test: Index) -> Fold:
    return Fold(name, np.sort(train), np.sort(validation), np.sort(test))


def _at_least_two(groups: list[str], what: str, protocol: str) -> list[str]:
    if len(set(groups)) < 2:
        raise ProtocolError(
            f"the protocol {protocol} needs at least two {what}; "
            f"found {', '.join(sorted(set(groups))) or 'none'}"
        )
    return groups
