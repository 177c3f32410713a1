"""Utterances -> the matrix a network learns from."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serkit import corpora
from serkit.audio import SAMPLE_RATE, ContentHash, content_hash, stream
from serkit.corpora import Corpus, Stretch, Utterance, pieces
from serkit.errors import AudioError, CorpusError
from serkit.features import FeatureRecipe, extract
from serkit.training.feature_cache import FeatureCache
from serkit.training.workers import in_processes

if TYPE_CHECKING:  # Testing a finished model reads recordings without the extra `train`.
    from serkit.training.augmentation import Augmentation
    from serkit.training.recipe import Recipe

Samples = NDArray[np.float32]
Extracted = tuple[int, str, NDArray[np.float32]]
Track = Callable[[Iterable[Extracted], int], Iterable[Extracted]]

MAX_CLIP_S = 600.0
"""Longest utterance that is learned from or tested on, in seconds, unless another limit is given:
its samples and frames are held in memory, several times over while features are computed."""

_AT_A_TIME = 32


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Features and what belongs to them, a row an utterance.

    Attributes:
        features: Shape `[n_utterances, n_features]`, float32; or `[n_utterances, n_features,
            n_frames]` where the recipe keeps frames, with NaN beyond the last of a recording.
        copies: Features of the altered copies, shape `[n_copies, n_utterances, ...]`; they take
            part in training alone.
        targets: Index of each label among the recipe's, shape `[n_utterances]`.
        utterances: Where the rows come from.
        hashes: `content_hash` of each recording; empty where the audio was not at hand.
    """

    features: NDArray[np.float32]
    copies: NDArray[np.float32]
    targets: NDArray[np.int64]
    utterances: tuple[Utterance, ...]
    hashes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, index: NDArray[np.int64]) -> Dataset:
        """The rows at `index`."""
        utterances = tuple(self.utterances[i] for i in index)
        hashes = tuple(self.hashes[i] for i in index) if self.hashes else ()
        return Dataset(
            self.features[index], self.copies[:, index], self.targets[index], utterances, hashes
        )

    def joined(self, other: Dataset) -> Dataset:
        """The rows of this, then those of another part of the same data."""
        return Dataset(
            np.concatenate((self.features, other.features)),
            np.concatenate((self.copies, other.copies), axis=1),
            np.concatenate((self.targets, other.targets)),
            self.utterances + other.utterances,
            self.hashes + other.hashes,
        )


def load_utterances(
    recipe: Recipe, specs: Sequence[str] = ()
) -> tuple[tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read the corpora of a recipe and keep the utterances with its labels.

    Args:
        recipe: Names the corpora and labels.
        specs: `NAME[=PATH]` of each corpus; the recipe's own names if empty.

    Raises:
        CorpusError: A corpus is missing, or a label occurs in none of them.
    """
    loaded, kept = corpora.load_labelled(specs or recipe.corpora, labels=recipe.labels)
    missing = [label for label in recipe.labels if all(u.label != label for u in kept)]
    if missing:
        found = sorted({u.label for corpus in loaded for u in corpus.utterances})
        raise CorpusError(
            f"no utterance of {', '.join(c.name for c in loaded)} is labelled "
            f"{', '.join(missing)}, which the recipe {recipe.name} tells apart; "
            f"labels found: {', '.join(found) or 'none'}"
        )
    return loaded, kept


def make_dataset(
    recipe: Recipe,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Dataset:
    """Extract the features of utterances.

    Args:
        recipe: Says which features and labels.
        utterances: With labels among the recipe's.
        jobs: Processes that work at the same time.
        cache: Where features are kept from one call to the next; None for nowhere.
        track: Wraps the results as they come, to show progress: `track(results, total)`.
        max_clip_s: Longest utterance allowed, in seconds.

    Raises:
        CorpusError: A recording cannot be read or is too long; the file is named.
    """
    return extract_dataset(
        recipe.features,
        recipe.labels,
        utterances,
        augmentation=recipe.augmentation,
        jobs=jobs,
        cache=cache,
        track=track,
        max_clip_s=max_clip_s,
    )


def extract_dataset(
    features: FeatureRecipe,
    labels: Sequence[str],
    utterances: Sequence[Utterance],
    *,
    augmentation: Augmentation | None = None,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    track: Track | None = None,
    max_clip_s: float = MAX_CLIP_S,
) -> Dataset:
    """`make_dataset` for features and labels that no training recipe names.

    Args:
        features: What is extracted.
        labels: The classes, in the order of their indices.
        utterances: With labels among these.
        augmentation: Of the altered copies; None for none.
        jobs: As for `make_dataset`.
        cache: As for `make_dataset`.
        track: As for `make_dataset`.
        max_clip_s: As for `make_dataset`.

    Raises:
        CorpusError: A recording cannot be read or is too long; the file is named.
    """
    numbered = list(enumerate(utterances))
    tasks = [numbered[i : i + _AT_A_TIME] for i in range(0, len(numbered), _AT_A_TIME)]
    work = partial(_features_of, features, augmentation, cache, max_clip_s)
    parts = in_processes(work, tasks, jobs) if jobs > 1 else map(work, tasks)
    results = (one for part in parts for one in part)
    extracted = list(track(results, len(utterances)) if track else results)
    extracted.sort(key=lambda one: one[0])
    rows = padded_stack([rows for _, _, rows in extracted], axis=1)
    return Dataset(
        features=rows[0],
        copies=rows[1:],
        targets=np.array([list(labels).index(u.label) for u in utterances], np.int64),
        utterances=tuple(utterances),
        hashes=tuple(content for _, content, _ in extracted),
    )


def read_utterance(utterance: Utterance, *, max_clip_s: float = MAX_CLIP_S) -> Samples:
    """The recording of an utterance, or its part of one: mono at 16 kHz, shape `[n_samples]`.

    Args:
        utterance: With a recording.
        max_clip_s: Longest utterance allowed, in seconds.

    Raises:
        CorpusError: It has none, cannot be read, or lasts longer than `max_clip_s`; the file is
            named.
    """
    return np.concatenate(list(_pieces_of(utterance, max_clip_s)))


def hash_utterance(utterance: Utterance, *, max_clip_s: float = MAX_CLIP_S) -> str:
    """The `content_hash` of an utterance, in memory that does not grow with its length.

    Args:
        utterance: As for `read_utterance`.
        max_clip_s: As for `read_utterance`.

    Raises:
        CorpusError: As `read_utterance`.
    """
    content = ContentHash()
    for piece in _pieces_of(utterance, max_clip_s):
        content.update(piece)
    return content.hexdigest()


def _pieces_of(utterance: Utterance, max_clip_s: float) -> Iterator[Samples]:
    """The recording of an utterance in blocks, at least one; not read beyond the utterance."""
    audio = utterance.audio
    if audio is None:
        raise CorpusError(f"an utterance of {utterance.corpus} has no recording")
    stretch = Stretch.of(utterance)
    n_read = 0

    def blocks() -> Iterator[Samples]:
        nonlocal n_read
        for block in stream(audio):
            n_read += len(block)
            yield block
            if stretch.ends_by(n_read):
                return

    n_given = 0
    try:
        for _, piece in pieces(blocks(), [stretch]):
            n_given += len(piece)
            if n_given > max_clip_s * SAMPLE_RATE:
                raise CorpusError(
                    f"{audio}: an utterance lasts more than {max_clip_s:g} s; expected single "
                    "utterances: give their start and end in a manifest, or raise the limit "
                    "(--max-clip-s)"
                )
            yield piece
    except AudioError as error:
        raise CorpusError(f"{audio}: {error}") from error
    if not n_given:
        raise CorpusError(
            f"{audio} lasts {n_read / SAMPLE_RATE:.3f} s, and an utterance from "
            f"{utterance.start_s or 0.0:g} s on holds no sample of it; correct its times, or leave "
            "it out"
        )


def _features_of(
    recipe: FeatureRecipe,
    augmentation: Augmentation | None,
    cache: FeatureCache | None,
    max_clip_s: float,
    task: Sequence[tuple[int, Utterance]],
) -> list[Extracted]:
    return [
        (number, *_features_of_one(recipe, augmentation, cache, max_clip_s, utterance))
        for number, utterance in task
    ]


def _features_of_one(
    recipe: FeatureRecipe,
    augmentation: Augmentation | None,
    cache: FeatureCache | None,
    max_clip_s: float,
    utterance: Utterance,
) -> tuple[str, NDArray[np.float32]]:
    """Content hash, and features of a recording and its altered copies.

    The features have the shape `[1 + n_copies, n_features]` or, padded with NaN,
    `[1 + n_copies, n_features, n_frames]`.
    """
    samples = read_utterance(utterance, max_clip_s=max_clip_s)
    # Seeded by the name, so that a copy does not depend on what else is read, or in what order.
    stem = utterance.audio.stem if utterance.audio else ""
    seed = zlib.crc32(f"{utterance.speaker_key}/{stem}".encode())
    content = content_hash(samples)

    def compute() -> NDArray[np.float32]:
        rows = [extract(recipe, samples)]
        if augmentation is not None:
            from serkit.training.augmentation import augment

            rng = np.random.default_rng(seed)
            altered = (augment(samples, augmentation, rng) for _ in range(augmentation.copies))
            rows += [extract(recipe, copy) for copy in altered]
        return padded_stack(rows)

    if cache is None:
        return content, compute()
    made_by: dict[str, Any] = {"features": recipe.to_dict()}
    if augmentation is not None:
        from serkit.training.augmentation import AUGMENTATION_VERSION

        made_by |= {
            "augmentation": augmentation.model_dump(mode="json"),
            "version": AUGMENTATION_VERSION,
            "seed": seed,
        }
    return content, cache.get(content, made_by, compute)


def padded_stack(arrays: Sequence[NDArray[np.float32]], axis: int = 0) -> NDArray[np.float32]:
    """Stack arrays whose last axis may differ, with NaN where one is shorter.

    Args:
        arrays: Of like shape but for the last axis.
        axis: Where the new axis goes.
    """
    longest = max(array.shape[-1] for array in arrays)

    def padded(array: NDArray[np.float32]) -> NDArray[np.float32]:
        short = longest - array.shape[-1]
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, short)], constant_values=np.nan)

    return np.stack([padded(array) for array in arrays], axis=axis)
