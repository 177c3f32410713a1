"""How a corpus is split: protocols with a name, a citation and a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.training import HoldOut

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


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to split.

    Attributes:
        name: As given on the command line.
        title: As written in tables.
        citation: Whose practice it is.
        speaker_dependent: Whether speakers are meant to be in training and test alike; every
            figure it produces carries that mark.
        split: Utterances, seed and what to hold out -> folds.
    """

    name: str
    title: str
    citation: str
    speaker_dependent: bool
    split: Callable[[Sequence[Utterance], int, HoldOut], list[Fold]]

    def folds(self, utterances: Sequence[Utterance], *, seed: int, hold_out: HoldOut) -> list[Fold]:
        """Split utterances.

        Args:
            utterances: What there is.
            seed: Of what the protocol leaves to chance.
            hold_out: How the validation part is chosen from the training part.

        Raises:
            ProtocolError: The utterances cannot be split this way.
        """
        return self.split(utterances, seed, hold_out)


def _shuffle(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    n = len(utterances)
    n_held = max(1, round(hold_out.share * n))
    if n < 3 * n_held:
        raise ProtocolError(f"{n} utterances are too few to be split at random into three")
    order = np.random.default_rng(seed).permutation(n)
    test, validation, train = np.split(order, [n_held, 2 * n_held])
    return [_fold("shuffle", train, validation, test)]


def _leave_one_speaker_out(
    utterances: Sequence[Utterance], seed: int, hold_out: HoldOut
) -> list[Fold]:
    speakers = _at_least_two([u.speaker_key for u in utterances], "speaker", "loso")
    return [_without(utterances, speakers, name, seed, hold_out) for name in sorted(set(speakers))]


def _leave_one_corpus_out(
    utterances: Sequence[Utterance], seed: int, hold_out: HoldOut
) -> list[Fold]:
    corpora = _at_least_two([u.corpus for u in utterances], "corpus", "leave-one-corpus-out")
    return [_without(utterances, corpora, name, seed, hold_out) for name in sorted(set(corpora))]


_SPEAKER_FOLDS = 5


def _speaker_folds(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
    """Five folds; each corpus's speakers are dealt out in turn, beginning where the last ended."""
    _at_least_two([u.speaker_key for u in utterances], "speaker", "speaker-folds")
    rng = np.random.default_rng(seed)
    fold_of: dict[str, str] = {}
    for corpus in sorted({u.corpus for u in utterances}):
        speakers = sorted({u.speaker_key for u in utterances if u.corpus == corpus})
        for speaker in rng.permutation(speakers):
            fold_of[str(speaker)] = f"speakers-{len(fold_of) % _SPEAKER_FOLDS + 1}"
    groups = [fold_of[u.speaker_key] for u in utterances]
    return [_without(utterances, groups, name, seed, hold_out) for name in sorted(set(groups))]


def _without(
    utterances: Sequence[Utterance], groups: Sequence[str], name: str, seed: int, hold_out: HoldOut
) -> Fold:
    """Test one group; train and validate on the speakers of the others."""
    is_test = np.array([group == name for group in groups])
    train, validation = hold_out.split(utterances, np.flatnonzero(~is_test), seed=seed)
    return _fold(name, train, validation, np.flatnonzero(is_test))


def _fold(name: str, train: Index, validation: Index, test: Index) -> Fold:
    return Fold(name, np.sort(train), np.sort(validation), np.sort(test))


def _at_least_two(groups: list[str], what: str, protocol: str) -> list[str]:
    if len(set(groups)) < 2:
        raise ProtocolError(
            f"the protocol {protocol} needs at least two {what}s; "
            f"found {', '.join(sorted(set(groups))) or 'none'}"
        )
    return groups


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "shuffle",
            "random split of clips",
            "Shinde et al. (2024), section 3: 80/10/10",
            speaker_dependent=True,
            split=_shuffle,
        ),
        Protocol(
            "loso",
            "leave one speaker out",
            "usual for EmoDB",
            speaker_dependent=False,
            split=_leave_one_speaker_out,
        ),
        Protocol(
            "speaker-folds",
            "five folds over speakers",
            "Ismail, III.A: no speaker in training and test",
            speaker_dependent=False,
            split=_speaker_folds,
        ),
        Protocol(
            "leave-one-corpus-out",
            "leave one corpus out",
            "Ismail, V.B: a corpus never trained on",
            speaker_dependent=False,
            split=_leave_one_corpus_out,
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """A protocol by name.

    Raises:
        ProtocolError: There is none; the message lists those there are.
    """
    if name not in PROTOCOLS:
        raise ProtocolError(f"no protocol is called {name!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
