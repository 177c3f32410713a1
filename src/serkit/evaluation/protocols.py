"""Protocols: named, cited and seeded ways to split a corpus."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from serkit.adaptation import HoldOut
from serkit.corpora import Utterance, without_tested
from serkit.errors import ProtocolError
from serkit.evaluation import folds as splits
from serkit.evaluation.folds import Fold, Split

SPEAKER_DEPENDENT = "speaker-dependent"
"""Mark on every figure of a protocol that trains on test speakers."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to split utterances into folds.

    Attributes:
        name: Name on the command line.
        title: Title in tables.
        citation: Source of the practice.
        speaker_dependent: Whether training and test share speakers by design; every figure is
            then marked so.
        split: Function of utterances, seed and hold-out that gives the folds.
    """

    name: str
    title: str
    citation: str
    speaker_dependent: bool
    split: Split

    def folds(self, utterances: Sequence[Utterance], *, seed: int, hold_out: HoldOut) -> list[Fold]:
        """Split utterances.

        Args:
            utterances: The utterances.
            seed: Seed of all random choices.
            hold_out: How the validation part is chosen from the training part.

        Raises:
            ProtocolError: The utterances cannot be split this way.
        """
        return self.split(utterances, seed, hold_out)

    def anchored(self, anchors: Sequence[str]) -> Protocol:
        """The same protocol, with some corpora in the training part of every fold only.

        Texts that a fold validates or tests, and episodes of another corpus that it does, are left
        out of them; see `serkit.corpora.without_tested`.

        Args:
            anchors: Names of the corpora.
        """
        if not anchors:
            return self
        held = frozenset(anchors)
        named = "+".join(sorted(held))

        def split(utterances: Sequence[Utterance], seed: int, hold_out: HoldOut) -> list[Fold]:
            unknown = sorted(held - {u.corpus for u in utterances})
            if unknown:
                raise ProtocolError(f"no utterance is of the anchor corpus {', '.join(unknown)}")
            anchor = np.flatnonzero([u.corpus in held for u in utterances])
            others = np.flatnonzero([u.corpus not in held for u in utterances])
            if not len(others):
                raise ProtocolError(f"nothing is left to test: all corpora ({named}) are anchors")
            inner = self.split([utterances[i] for i in others.tolist()], seed, hold_out)
            folds = []
            for fold in inner:
                validation, test = others[fold.validation], others[fold.test]
                tested = [utterances[i] for i in np.concatenate((validation, test)).tolist()]
                kept = set(without_tested([utterances[i] for i in anchor.tolist()], tested))
                apart = np.array([i for i in anchor.tolist() if utterances[i] in kept], np.int64)
                train = np.sort(np.concatenate((others[fold.train], apart)))
                folds.append(Fold(fold.name, train, validation, test))
            return folds

        return replace(
            self,
            name=f"{self.name} anchor={named}",
            title=f"{self.title}, {named} for training only",
            split=split,
        )


_K = 10


def _k_fold(n_folds: int, name: str) -> Protocol:
    return Protocol(
        name,
        f"{n_folds} folds of shuffled clips",
        "usual in papers on speech emotion recognition as “10-fold”",
        speaker_dependent=True,
        split=splits.shuffled_folds(n_folds),
    )


def _emobox_clips(corpus: str, title: str) -> Protocol:
    return Protocol(
        f"emobox-{corpus.replace('_', '-')}",
        f"EmoBox's split of {title}",
        "Ma et al., EmoBox (Interspeech 2024), its only fold: all speakers are in both parts",
        speaker_dependent=True,
        split=splits.emobox_clips(corpus),
    )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "shuffle",
            "random split of clips",
            "Shinde et al. (2024), section 3: 80/10/10",
            speaker_dependent=True,
            split=splits.shuffle,
        ),
        Protocol(
            "loso",
            "leave one speaker out",
            "usual for EmoDB",
            speaker_dependent=False,
            split=splits.leave_one_speaker_out,
        ),
        Protocol(
            "speaker-folds",
            "five folds over speakers",
            "Ismail, III.A: no speaker in training and test",
            speaker_dependent=False,
            split=splits.speaker_folds,
        ),
        Protocol(
            "leave-one-corpus-out",
            "leave one corpus out",
            "Ismail, V.B: a corpus never trained on",
            speaker_dependent=False,
            split=splits.leave_one_corpus_out,
        ),
        _k_fold(_K, "k-fold"),
        Protocol(
            "session",
            "leave one session out",
            "usual for IEMOCAP: three sessions train, one validates, one tests",
            speaker_dependent=False,
            split=splits.sessions,
        ),
        Protocol(
            "emobox-ravdess",
            "EmoBox's six folds of RAVDESS actors",
            "Ma et al., EmoBox (Interspeech 2024)",
            speaker_dependent=False,
            split=splits.emobox_ravdess,
        ),
        _emobox_clips("emodb", "EmoDB"),
        _emobox_clips("crema_d", "CREMA-D"),
        Protocol(
            "fixed",
            "published split",
            "the corpus's own, as of MELD: Poria et al. (2019); its main speakers are in all parts",
            speaker_dependent=True,
            split=splits.published,
        ),
    )
}
"""The protocols that need no argument; `find_protocol` also knows `k-fold:K` and `cross:...`."""

_CROSS_FORM = "cross:train=A+B,test=C"


def find_protocol(name: str) -> Protocol:
    """A protocol by name.

    Args:
        name: One of `PROTOCOLS`, `k-fold:K`, or `cross:train=A+B,test=C`.

    Raises:
        ProtocolError: No protocol has this name; the message lists the known ones.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    kind, _, argument = name.partition(":")
    if kind == "cross":
        return _cross(argument)
    if kind == "k-fold":
        if not re.fullmatch(r"\d{1,3}", argument) or int(argument) < 2:
            raise ProtocolError(
                f"{name!r}: expected the number of folds, at least 2, as in k-fold:5"
            )
        return _k_fold(int(argument), name)
    raise ProtocolError(
        f"no protocol is called {name!r}; there are {', '.join(PROTOCOLS)}, k-fold:K, {_CROSS_FORM}"
    )


def _cross(argument: str) -> Protocol:
    found = re.fullmatch(r"train=([\w+-]+),test=([\w+-]+)", argument)
    if not found:
        raise ProtocolError(f"'cross:{argument}' does not name its corpora; write {_CROSS_FORM}")
    train, test = (frozenset(filter(None, names.split("+"))) for names in found.groups())
    if not train or not test or train & test:
        both = ", ".join(sorted(train & test)) or "nothing"
        raise ProtocolError(
            f"'cross:{argument}': training and test must be other corpora; {both} is in both"
        )
    return Protocol(
        f"cross:{argument}",
        f"trained on {' + '.join(sorted(train))}, tested on {' + '.join(sorted(test))}",
        "Ismail, V.B: a corpus never trained on",
        speaker_dependent=False,
        split=splits.across(train, test),
    )
