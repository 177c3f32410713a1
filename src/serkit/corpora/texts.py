"""Utterances as texts: the same text recognised, corpora without their sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from serkit.corpora.friends import episode
from serkit.corpora.utterances import Corpus, Utterance
from serkit.errors import CorpusError

_FEW_WORDS = 6


def text_key(text: str) -> str:
    """The text without case and repeated white space; equal keys are the same text."""
    return " ".join(text.split()).casefold()


def text_hash(utterance: Utterance) -> str:
    """Hash of a text, in the form of `serkit.audio.content_hash`: 32 hexadecimal digits.

    A text of fewer than six words, which many people say, is hashed with its corpus, session and
    speaker; longer ones are recognised in any corpus.
    """
    key = text_key(utterance.text or "")
    if key.count(" ") + 1 < _FEW_WORDS:
        key = f"{utterance.session_key}|{utterance.speaker_key}|{key}"
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()


def dialogues(
    utterances: Sequence[Utterance],
) -> list[tuple[list[int], list[Utterance]]]:
    """Group utterances by session and split; one without a session is a dialogue of its own.

    Args:
        utterances: Utterances in the order in which they were said.

    Returns:
        Indices and utterances of each dialogue.
    """
    groups: dict[object, list[int]] = {}
    for i, u in enumerate(utterances):
        groups.setdefault(i if u.session is None else (u.session_key, u.split), []).append(i)
    return [(index, [utterances[i] for i in index]) for index in groups.values()]


def as_texts(
    corpora: Sequence[Corpus], utterances: Sequence[Utterance]
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Corpora and a selection of their utterances without recordings.

    Args:
        corpora: The corpora.
        utterances: Some of their utterances.

    Raises:
        CorpusError: A selected utterance has no text.
    """
    for utterance in utterances:
        if utterance.text is None:
            raise CorpusError(
                f"an utterance of {utterance.corpus} has no text"
                + (f" ({utterance.audio.name})" if utterance.audio else "")
                + ", which a recipe or model of text needs; choose a corpus with transcripts"
            )
    silent = tuple(
        replace(corpus, utterances=tuple(map(_without_audio, corpus.utterances)))
        for corpus in corpora
    )
    return silent, tuple(map(_without_audio, utterances))


def without_tested(
    utterances: Sequence[Utterance], tested: Iterable[Utterance]
) -> tuple[Utterance, ...]:
    """Leave out what a test would repeat: texts tested, and episodes tested in another corpus.

    Args:
        utterances: Utterances to train on, as EmoryNLP's.
        tested: Utterances of the validation and test parts, as those of MELD.

    Returns:
        The utterances that are left, in order.
    """
    held = list(tested)
    texts = {text_key(u.text) for u in held if u.text is not None}
    episodes = {(episode(u), u.corpus) for u in held} - {(None, u.corpus) for u in held}
    corpora_of: dict[str | None, set[str]] = {}
    for name, corpus in episodes:
        corpora_of.setdefault(name, set()).add(corpus)
    return tuple(
        u
        for u in utterances
        if not (u.text is not None and text_key(u.text) in texts)
        and not corpora_of.get(episode(u), set()) - {u.corpus}
    )


def _without_audio(utterance: Utterance) -> Utterance:
    return replace(utterance, audio=None, start_s=None, end_s=None)
