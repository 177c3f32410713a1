"""A recipe under a protocol: every fold and seed trained, tested and kept."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import HoldOut
from serkit.compression.quantize import learn as learn_by_recipe
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.execution import carry_out
from serkit.evaluation.folds import Fold
from serkit.evaluation.leak_guard import guard, require_classes, without_copies
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.run_folder import RunFolder
from serkit.features import Features
from serkit.runtime import softmax
from serkit.training import Dataset, Recipe, one_thread

Track = Callable[[Iterable[FoldResult], int], Iterable[FoldResult]]
Task = tuple[int, Fold]


class Classifier(typing.Protocol):
    """What a learner gives back."""

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Logits `[n, n_labels]` of the features of n recordings."""
        ...


class Learner(typing.Protocol):
    """What learns from the training and the validation part of a fold, and nothing else."""

    def __call__(
        self, recipe: Recipe, training: Dataset, validation: Dataset, *, seed: int
    ) -> Classifier:
        """Learn."""
        ...


def evaluate(
    recipe: Recipe,
    data: Dataset,
    protocol: Protocol,
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    ray_address: str | None = None,
    folder: Path | None = None,
    learn: Learner = learn_by_recipe,
    track: Track | None = None,
) -> Outcome:
    """Train and test a recipe on every fold of a protocol, once a seed.

    Args:
        recipe: What is trained.
        data: Features of all utterances.
        protocol: How they are split; the leak guard is asked first.
        seeds: Each decides a split, where the protocol leaves it to chance, and a training.
        jobs: Processes that work at the same time.
        ray_address: Of the Ray cluster that works instead of local processes.
        folder: Keeps each finished fold; those it holds already are not done again.
        learn: What learns from the parts of a fold, as the recipe says; another one is put to the
            same test with the recipe's labels, hold-out and features.
        track: Wraps the results as they come, to show progress: `track(results, total)`.

    Raises:
        ProtocolError: The data cannot be split this way, the split leaks, the folder is
            another run's, or one is given with a learner that it could not tell from others.
        MissingExtraError: A Ray cluster is asked for, and ray is not installed.
    """
    if not seeds:
        raise ProtocolError("no seed is given; at least one is needed")
    if folder is not None and learn is not learn_by_recipe:
        raise ProtocolError(
            "a run folder keeps folds that serkit's own training learned; leave it out, as it "
            "could not tell another learner's folds from those"
        )
    tasks = [
        (seed, fold)
        for seed in seeds
        for fold in guarded_folds(data, protocol, recipe.hold_out, seed=seed)
    ]
    keeper = (
        None if folder is None else RunFolder.open(folder, recipe.to_dict(), data, protocol, tasks)
    )
    kept = {} if keeper is None else keeper.finished(tasks, len(recipe.labels))
    waiting = [task for task in tasks if _key(task) not in kept]

    def results() -> Iterator[FoldResult]:
        yield from (kept[_key(task)] for task in tasks if _key(task) in kept)
        work = partial(_run, recipe, data, learn)
        for result in carry_out(work, waiting, jobs=jobs, ray_address=ray_address):
            if keeper is not None:
                keeper.keep(result)
            yield result

    found = {(r.seed, r.fold): r for r in (track(results(), len(tasks)) if track else results())}
    return Outcome(
        protocol,
        recipe.labels,
        data.utterances,
        data.targets,
        tuple(found[_key(task)] for task in tasks),
        hashes=data.hashes,
    )


def guarded_folds(data: Dataset, protocol: Protocol, hold_out: HoldOut, *, seed: int) -> list[Fold]:
    """The folds of a protocol, if the leak guard and the classes allow them.

    Raises:
        ProtocolError: The data cannot be split this way, or the split leaks.
    """
    return split_utterances(data.utterances, protocol, hold_out, seed=seed, hashes=data.hashes)


def split_utterances(
    utterances: Sequence[Utterance],
    protocol: Protocol,
    hold_out: HoldOut,
    *,
    seed: int,
    hashes: Sequence[str] = (),
) -> list[Fold]:
    """`guarded_folds` of utterances whose features need not be known yet.

    Args:
        utterances: What is split.
        protocol: How.
        hold_out: How the validation part is chosen.
        seed: Of what the protocol leaves to chance.
        hashes: `content_hash` of each utterance's audio; copies are not noticed if empty.

    Raises:
        ProtocolError: The utterances cannot be split this way, or the split leaks.
    """
    folds = protocol.folds(utterances, seed=seed, hold_out=hold_out)
    if protocol.speaker_dependent or hold_out.by == "utterance":
        folds = without_copies(folds, utterances, hashes, of_tested=protocol.speaker_dependent)
    guard(protocol, folds, utterances, hold_out=hold_out, hashes=hashes)
    require_classes(protocol, folds, utterances)
    return folds


def _key(task: Task) -> tuple[int, str]:
    seed, fold = task
    return seed, fold.name


def _run(recipe: Recipe, data: Dataset, learn: Learner, task: Task) -> FoldResult:
    seed, fold = task
    with one_thread():
        model = learn(recipe, data.rows(fold.train), data.rows(fold.validation), seed=seed)
    probabilities = softmax(model.logits(data.features[fold.test]))
    return FoldResult(seed, fold.name, fold.test, probabilities)
