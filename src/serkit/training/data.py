"""Utterances -> the matrix a network learns from."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from serkit import corpora
from serkit.audio import SAMPLE_RATE, read
from serkit.corpora import Corpus, Utterance
from serkit.errors import AudioError, CorpusError
from serkit.features import FeatureRecipe, extract
from serkit.training.augmentation import Augmentation, augment
from serkit.training.recipe import Recipe
from serkit.training.workers import worker_pool

Track = Callable[[Iterable[NDArray[np.float32]], int], Iterable[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Features and what belongs to them, a row an utterance.

    Attributes:
        features: Shape `[n_utterances, n_features]`, float32.
        copies: Features of the altered copies, shape `[n_copies, n_utterances, n_features]`;
            they take part in training alone.
        targets: Index of each label among the recipe's, shape `[n_utterances]`.
        utterances: Where the rows come from.
    """

    features: NDArray[np.float32]
    copies: NDArray[np.float32]
    targets: NDArray[np.int64]
    utterances: tuple[Utterance, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def rows(self, index: NDArray[np.int64]) -> Dataset:
        """The rows at `index`."""
        utterances = tuple(self.utterances[i] for i in index)
        return Dataset(self.features[index], self.copies[:, index], self.targets[index], utterances)


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
    loaded = tuple(corpora.load(spec) for spec in specs or recipe.corpora)
    kept = tuple(u for corpus in loaded for u in corpus.utterances if u.label in recipe.labels)
    missing = [label for label in recipe.labels if all(u.label != label for u in kept)]
    if missing:
        raise CorpusError(
            f"no utterance of {', '.join(c.name for c in loaded)} is labelled "
            f"{', '.join(missing)}, which the recipe {recipe.name} tells apart"
        )
    return loaded, kept


def make_dataset(
    recipe: Recipe,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    track: Track | None = None,
) -> Dataset:
    """Extract the features of utterances.

    Args:
        recipe: Says which features and labels.
        utterances: With labels among the recipe's.
        jobs: Processes that work at the same time.
        track: Wraps the results as they come, to show progress: `track(results, total)`.

    Raises:
        CorpusError: A recording cannot be read; the file is named.
    """
    compute = partial(_features_of, recipe.features, recipe.augmentation)
    with worker_pool(jobs) if jobs > 1 else nullcontext() as pool:
        results = pool.map(compute, utterances, chunksize=32) if pool else map(compute, utterances)
        rows = np.stack(list(track(results, len(utterances)) if track else results), axis=1)
    return Dataset(
        features=rows[0],
        copies=rows[1:],
        targets=np.array([recipe.labels.index(u.label) for u in utterances], np.int64),
        utterances=tuple(utterances),
    )


def _features_of(
    recipe: FeatureRecipe, augmentation: Augmentation | None, utterance: Utterance
) -> NDArray[np.float32]:
    """Features of a recording and of its altered copies, shape `[1 + n_copies, n_features]`."""
    if utterance.audio is None:
        raise CorpusError(f"an utterance of {utterance.corpus} has no recording")
    try:
        samples = read(utterance.audio)
    except AudioError as error:
        raise CorpusError(f"{utterance.audio}: {error}") from error
    if utterance.start_s is not None or utterance.end_s is not None:
        start = round((utterance.start_s or 0.0) * SAMPLE_RATE)
        end = None if utterance.end_s is None else round(utterance.end_s * SAMPLE_RATE)
        samples = samples[start:end]
    rows = [extract(recipe, samples)]
    if augmentation is not None:
        # Seeded by the name, so that a copy does not depend on what else is read, or in what order.
        seed = zlib.crc32(f"{utterance.speaker_key}/{utterance.audio.stem}".encode())
        rng = np.random.default_rng(seed)
        altered = (augment(samples, augmentation, rng) for _ in range(augmentation.copies))
        rows += [extract(recipe, copy) for copy in altered]
    return np.stack(rows)
