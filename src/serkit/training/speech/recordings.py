"""Recordings of utterances, preprocessed and read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, content_hash
from serkit.corpora import Corpus, Utterance
from serkit.runtime.inputs import Waveform
from serkit.training.data import MAX_CLIP_S, read_utterance, select_utterances
from serkit.training.feature_cache import FeatureCache
from serkit.training.speech.recipe import MIN_CLIP_S, Preprocessing, RecordingsRecipe, SpeechRecipe
from serkit.training.workers import Track, for_each

Samples = NDArray[np.float32]
Index = NDArray[np.int64]

UNLABELLED = -1
"""Target of a recording without a label, which only a teacher can teach."""

_AT_A_TIME = 32


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Preprocessed recordings, one per utterance; they are not held in memory.

    Attributes:
        utterances: The utterances.
        targets: Index of each label in the recipe's labels, or `UNLABELLED`, shape `[n]`.
        hashes: `content_hash` of each recording.
        lengths: Samples of each after preprocessing, shape `[n]`.
        preprocessing: The preprocessing.
        cache: Cache of the preprocessed samples; None to read the files every time.
        max_clip_s: Longest accepted utterance, in seconds.
    """

    utterances: tuple[Utterance, ...]
    targets: Index
    hashes: tuple[str, ...]
    lengths: Index
    preprocessing: Preprocessing
    cache: FeatureCache | None = None
    max_clip_s: float = MAX_CLIP_S

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def features(self) -> Recordings:
        """What a classifier takes: the recordings themselves."""
        return self

    def __getitem__(self, index: Index) -> Recordings:
        return self.rows(index)

    def rows(self, index: Index) -> Recordings:
        """The recordings at `index`."""
        return Recordings(
            tuple(self.utterances[i] for i in index),
            self.targets[index],
            tuple(self.hashes[i] for i in index),
            self.lengths[index],
            self.preprocessing,
            self.cache,
            self.max_clip_s,
        )

    def of(self, corpus: str) -> Recordings:
        """The recordings of a corpus."""
        return self.rows(np.flatnonzero([u.corpus == corpus for u in self.utterances]))

    def joined(self, other: Recordings) -> Recordings:
        """These recordings, then those of another set with the same preprocessing."""
        return Recordings(
            self.utterances + other.utterances,
            np.concatenate((self.targets, other.targets)),
            self.hashes + other.hashes,
            np.concatenate((self.lengths, other.lengths)),
            self.preprocessing,
            self.cache,
            self.max_clip_s,
        )

    def samples(self, i: int) -> Samples:
        """The preprocessed recording `i`, mono at 16 kHz, shape `[n_samples]`, float32.

        Raises:
            CorpusError: It cannot be read; the message names the file.
        """

        def compute() -> list[Samples]:
            recording = read_utterance(self.utterances[i], max_clip_s=self.max_clip_s)
            return [prepared(recording, self.preprocessing)]

        return _cached(self.cache, self.hashes[i], self.preprocessing, compute)


def prepared(samples: Samples, plan: Preprocessing) -> Samples:
    """Preprocess a recording and cut it off after `max_s`; pad it if it is very short.

    Args:
        samples: Mono at 16 kHz, shape `[n_samples]`, float32.
        plan: Settings.

    Returns:
        Shape `[n]`, float32.
    """
    samples = waveform_of(plan).prepared(samples)[: plan.max_samples]
    return np.pad(samples, (0, max(0, round(MIN_CLIP_S * SAMPLE_RATE) - len(samples))))


def waveform_of(plan: Preprocessing) -> Waveform:
    """The preprocessing as the input on a card."""
    return Waveform(plan.trim_db, plan.pre_emphasis, plan.peak)


def load_recordings(
    recipe: RecordingsRecipe, specs: Sequence[str] = (), anchors: Sequence[str] = ()
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read the corpora of a recipe and keep the utterances with its labels.

    Args:
        recipe: The recipe.
        specs: `NAME[=PATH]` of each corpus; the recipe's corpora if empty.
        anchors: `NAME[=PATH]` of each anchor; the recipe's anchors if empty.

    Returns:
        The corpora, anchors last, and the utterances.

    Raises:
        CorpusError: A corpus is missing, or a label occurs in none of them.
    """
    wanted = [*(specs or recipe.corpora), *(anchors or recipe.anchors)]
    return select_utterances(recipe.name, recipe.labels, wanted, merges=recipe.merges)


def make_recordings(
    recipe: SpeechRecipe,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Recordings:
    """Read and preprocess the recordings of utterances.

    Args:
        recipe: The recipe, with labels and preprocessing.
        utterances: Utterances; a label that is not of the recipe counts as none.
        jobs: Number of processes.
        cache: Cache of the preprocessed samples; None for no cache.
        track: Wraps the results to show progress: `track(results, total)`.
        max_clip_s: Longest accepted utterance, in seconds.

    Raises:
        CorpusError: A recording cannot be read or is too long; the message names the file.
    """
    work = partial(_read, recipe.preprocessing, cache, max_clip_s)
    found = for_each(work, utterances, jobs, at_a_time=_AT_A_TIME, track=track)
    labels = {label: i for i, label in enumerate(recipe.labels)}
    return Recordings(
        tuple(utterances),
        np.array([labels.get(u.label, UNLABELLED) for u in utterances], np.int64),
        tuple(content for content, _ in found),
        np.array([length for _, length in found], np.int64),
        recipe.preprocessing,
        cache,
        max_clip_s,
    )


def _read(
    plan: Preprocessing, cache: FeatureCache | None, max_clip_s: float, utterance: Utterance
) -> tuple[str, int]:
    """Content hash and length of a recording, which is put into the cache."""
    samples = read_utterance(utterance, max_clip_s=max_clip_s)
    content = content_hash(samples)
    return content, len(_cached(cache, content, plan, lambda: [prepared(samples, plan)]))


def _cached(
    cache: FeatureCache | None,
    content: str,
    plan: Preprocessing,
    compute: Callable[[], list[Samples]],
) -> Samples:
    settings = {"waveform": asdict(waveform_of(plan)), "max_s": plan.max_s, "version": 1}
    (samples,) = compute() if cache is None else cache.get(content, settings, compute)
    return samples
