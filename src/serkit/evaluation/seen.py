"""Whether a model has learned from what it is to be tested on."""

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
# So many recordings of the sketch tell within a quarter how many there are, and end the search.
_ENOUGH = 20
_FEW = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """Recordings that a model has learned from, among others.

    Attributes:
        found: How many are in the sketch on its card.
        heard: How many were looked up.
        estimate: How many of these it has learned from, by the share of each training corpus that
            is in the sketch.
        corpora: The training corpora they are from.
    """

    found: int
    heard: int
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
    """What a model has learned from among recordings, by the sketch on its card.

    Args:
        card: The model's.
        hashes: `serkit.audio.content_hash` of each recording.

    Returns:
        None where the sketch has none of them.
    """
    counts = card.seen.found(hashes)
    if not counts:
        return None
    learned = {corpus.name: corpus.utterances for corpus in card.corpora}
    shares = (
        count * max(1.0, learned.get(name, 0) / len(card.seen.samples[name]))
        for name, count in counts.items()
    )
    found = sum(counts.values())
    estimate = min(len(hashes), max(found, round(sum(shares))))
    return Seen(found, len(hashes), estimate, tuple(counts))


def refuse_seen(
    card: ModelCard,
    tested: Sequence[Corpus],
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> None:
    """Refuse what a model has learned from, before it is asked anything.

    Args:
        card: The model's.
        tested: The corpora.
        utterances: Those of them that are to be tested.
        jobs: Processes that read recordings at the same time.
        track: Wraps the hashes as they come, to show progress: `track(hashes, total)`.
        max_clip_s: Longest utterance allowed, in seconds.

    Raises:
        ProtocolError: It was trained on one of the corpora, or on some of the recordings; the
            message says how many.
        CorpusError: A recording cannot be read; the file is named.
    """
    advice = (
        "figures on that would flatter. Test on something else, evaluate its recipe under a "
        "protocol, or add --allow-seen, and every figure will say so"
    )
    names = seen_by_name(card, tested)
    if names:
        raise ProtocolError(f"{card.name} was trained on {', '.join(names)}; {advice}")
    if not card.seen.samples:
        return
    heard: list[str] = []
    hashes = _hashes(utterances, jobs, max_clip_s)
    for content in track(hashes, len(utterances)) if track else hashes:
        heard.append(content)
        if card.seen.found(heard[-1:]) and sum(card.seen.found(heard).values()) >= _ENOUGH:
            break
    seen = seen_by_content(card, heard)
    if seen is None:
        return
    about = round(seen.estimate * len(utterances) / seen.heard)
    raise ProtocolError(
        f"{card.name} has learned from about {about} of these {len(utterances)} recordings "
        f"({seen.found} of {seen.heard} are in its sketch of {', '.join(seen.corpora)}); {advice}"
    )


def _hashes(utterances: Sequence[Utterance], jobs: int, max_clip_s: float) -> Iterator[str]:
    """Content hashes in an order of chance, as files beside each other are often alike."""
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
