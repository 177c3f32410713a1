"""Check that a trained model is not tested on recordings of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from serkit import corpora
from serkit.corpora import Corpus, Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.execution import carry_out
from serkit.runtime import ModelCard
from serkit.training.data import MAX_CLIP_S, hash_utterance

Track = Callable[[Iterable[str], int], Iterable[str]]

_AT_A_TIME = 32
# This many hits in the sketch estimate the total within a quarter, and end the search.
_ENOUGH_HITS = 20
# Up to this many recordings are hashed in one process.
_FEW = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """Recordings of a model's training among other recordings.

    Attributes:
        hits: Number of recordings in the sketch on the model's card.
        checked: Number of recordings looked up.
        estimate: Estimated number of these in the training data, by the share of each training
            corpus that the sketch holds.
        corpora: Training corpora of the hits.
    """

    hits: int
    checked: int
    estimate: int
    corpora: tuple[str, ...]


def seen_by_name(card: ModelCard, tested: Iterable[Corpus]) -> tuple[str, ...]:
    """Names of the tested corpora that are among a model's training corpora.

    A published corpus is recognised by its name, as another copy of it may be resampled or
    transcoded. A manifest's name identifies nothing, so it counts only against training corpora
    without a sketch on the card.

    Args:
        card: The model's card.
        tested: The corpora to test on.
    """
    found: set[str] = set()
    for corpus in tested:
        published = corpus.name in corpora.names() and corpus.root.is_dir()
        learned = {c.name for c in card.corpora if published or c.name not in card.seen.samples}
        learned |= {corpora.base_name(name) for name in learned}
        found |= learned & {u.corpus for u in corpus.utterances}
    return tuple(sorted(found))


def seen_by_content(card: ModelCard, hashes: Sequence[str]) -> Seen | None:
    """Look recordings up in the sketch on a model's card.

    Args:
        card: The model's card.
        hashes: `serkit.audio.content_hash` of each recording.

    Returns:
        The recordings found; None if the sketch holds none of them.
    """
    counts = card.seen.found(hashes)
    if not counts:
        return None
    learned = {corpus.name: corpus.utterances for corpus in card.corpora}
    shares = (
        count * max(1.0, learned.get(name, 0) / len(card.seen.samples[name]))
        for name, count in counts.items()
    )
    hits = sum(counts.values())
    estimate = min(len(hashes), max(hits, round(sum(shares))))
    return Seen(hits, len(hashes), estimate, tuple(counts))


def refuse_seen(
    card: ModelCard,
    tested: Sequence[Corpus],
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> None:
    """Refuse to test a model on recordings of its training.

    Args:
        card: The model's card.
        tested: The corpora to test on.
        utterances: Their utterances to test on.
        jobs: Number of processes that read recordings.
        track: Wrapper of the hashes that shows progress: `track(hashes, total)`.
        max_clip_s: Longest accepted utterance, in seconds.

    Raises:
        ProtocolError: The model was trained on one of the corpora, or on some of the recordings;
            the message says how many.
        CorpusError: A recording cannot be read; the message names the file.
    """
    advice = (
        "figures on training data are optimistic. Test on other data, evaluate the recipe under a "
        "protocol, or add --allow-seen, which marks every figure"
    )
    names = seen_by_name(card, tested)
    if names:
        raise ProtocolError(f"{card.name} was trained on {', '.join(names)}; {advice}")
    if not card.seen.samples:
        return
    checked: list[str] = []
    hashes = _hashes(utterances, jobs, max_clip_s)
    for content in track(hashes, len(utterances)) if track else hashes:
        checked.append(content)
        is_hit = bool(card.seen.found(checked[-1:]))
        if is_hit and sum(card.seen.found(checked).values()) >= _ENOUGH_HITS:
            break
    seen = seen_by_content(card, checked)
    if seen is None:
        return
    about = round(seen.estimate * len(utterances) / seen.checked)
    raise ProtocolError(
        f"{card.name} was trained on about {about} of these {len(utterances)} recordings "
        f"({seen.hits} of {seen.checked} are in its sketch of {', '.join(seen.corpora)}); {advice}"
    )


def _hashes(utterances: Sequence[Utterance], jobs: int, max_clip_s: float) -> Iterator[str]:
    """Content hashes in random order, as neighbouring files are often of one speaker."""
    order = np.random.default_rng(0).permutation(len(utterances)).tolist()
    tasks = [
        [utterances[i] for i in order[start : start + _AT_A_TIME]]
        for start in range(0, len(order), _AT_A_TIME)
    ]
    work = partial(_contents, max_clip_s)
    parts = carry_out(work, tasks, jobs=1 if len(order) <= _FEW else jobs)
    return (content for part in parts for content in part)


def _contents(max_clip_s: float, utterances: Sequence[Utterance]) -> list[str]:
    return [hash_utterance(utterance, max_clip_s=max_clip_s) for utterance in utterances]
