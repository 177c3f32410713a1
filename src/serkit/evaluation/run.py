"""A recipe under a protocol: every fold and seed trained, tested and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from serkit.corpora import Utterance
from serkit.evaluation.leak_guard import guard
from serkit.evaluation.metrics import confusion
from serkit.evaluation.protocols import Fold, Protocol
from serkit.runtime.model import softmax
from serkit.training import Dataset, Recipe, fit, worker_pool

Track = Callable[[Iterable["FoldResult"], int], Iterable["FoldResult"]]


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """What one trained model said about its test utterances.

    Attributes:
        seed: Of the split and the training.
        fold: Name of the fold.
        test: Indices of the utterances tested, shape `[n]`.
        probabilities: Shape `[n, n_labels]`, float32.
    """

    seed: int
    fold: str
    test: NDArray[np.int64]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """All results of a recipe under a protocol.

    Attributes:
        protocol: How it was split.
        labels: The classes.
        utterances: What was split.
        targets: Class of each utterance, shape `[n_utterances]`.
        results: Ordered by seed and fold.
    """

    protocol: Protocol
    labels: tuple[str, ...]
    utterances: tuple[Utterance, ...]
    targets: NDArray[np.int64]
    results: tuple[FoldResult, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(sorted({result.seed for result in self.results}))

    def pooled(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Indices tested with a seed, over all folds, and their probabilities."""
        results = [result for result in self.results if result.seed == seed]
        return (
            np.concatenate([result.test for result in results]),
            np.concatenate([result.probabilities for result in results]),
        )

    def matrix(self, seed: int) -> NDArray[np.int64]:
        """Confusion matrix of a seed over all folds, shape `[n_labels, n_labels]`."""
        test, probabilities = self.pooled(seed)
        return confusion(self.targets[test], probabilities.argmax(axis=1), len(self.labels))


def evaluate(
    recipe: Recipe,
    data: Dataset,
    protocol: Protocol,
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    track: Track | None = None,
) -> Outcome:
    """Train and test a recipe on every fold of a protocol, once a seed.

    Args:
        recipe: What is trained.
        data: Features of all utterances.
        protocol: How they are split; the leak guard is asked first.
        seeds: Each decides a split, where the protocol leaves it to chance, and a training.
        jobs: Processes that work at the same time.
        track: Wraps the results as they come, to show progress: `track(results, total)`.

    Raises:
        ProtocolError: The data cannot be split this way, or the split leaks.
    """
    tasks: list[tuple[int, Fold]] = []
    for seed in seeds:
        folds = protocol.folds(data.utterances, seed=seed, hold_out=recipe.hold_out)
        guard(protocol, folds, data.utterances, hold_out=recipe.hold_out)
        tasks += [(seed, fold) for fold in folds]
    finished = _run_all(partial(_run, recipe, data), tasks, jobs)
    results = list(track(finished, len(tasks)) if track else finished)
    return Outcome(protocol, recipe.labels, data.utterances, data.targets, tuple(results))


def _run_all(
    work: Callable[[tuple[int, Fold]], FoldResult], tasks: list[tuple[int, Fold]], jobs: int
) -> Iterator[FoldResult]:
    if jobs == 1:
        yield from map(work, tasks)
        return
    with worker_pool(jobs) as pool:
        yield from pool.map(work, tasks)


def _run(recipe: Recipe, data: Dataset, task: tuple[int, Fold]) -> FoldResult:
    seed, fold = task
    model = fit(recipe, data.rows(fold.train), data.rows(fold.validation), seed=seed)
    probabilities = softmax(model.logits(data.features[fold.test]))
    return FoldResult(seed, fold.name, fold.test, probabilities)
