"""A recipe under a protocol: every fold and seed trained, tested and kept."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE, content_hash
from serkit.compression.quantize import learn as learn_by_recipe
from serkit.corpora import Utterance
from serkit.errors import AudioError, CorpusError, ProtocolError
from serkit.evaluation.execution import carry_out
from serkit.evaluation.folds import Fold
from serkit.evaluation.leak_guard import guard, require_classes, without_copies
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.run_folder import RunFolder
from serkit.runtime import Model, Recognizer
from serkit.runtime.model import softmax
from serkit.training import Dataset, HoldOut, Recipe, one_thread, read_utterance

Track = Callable[[Iterable[FoldResult], int], Iterable[FoldResult]]
Task = tuple[int, Fold]
Answer = tuple[int, str, tuple[float, ...]]

_AT_A_TIME = 32


class Classifier(typing.Protocol):
    """What a learner gives back."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs before the softmax, `[n, n_labels]`, of features `[n, n_features]`."""
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


AS_IS = Protocol(
    "as-is",
    "trained model as it is",
    "no training: the file as its users have it",
    speaker_dependent=False,
    split=lambda *_: [],
)


def evaluate_model(
    model: Model,
    utterances: Sequence[Utterance],
    *,
    seen: bool,
    jobs: int = 1,
    track: Callable[[Iterable[Answer], int], Iterable[Answer]] | None = None,
) -> Outcome:
    """Test a trained model on utterances as its users have it, long recordings in windows.

    A silent recording, which the model gives no label, counts as all labels alike.

    Args:
        model: The model.
        utterances: With labels among the model's.
        seen: Whether it was trained on a corpus of theirs; every figure then says so.
        jobs: Processes that work at the same time.
        track: Wraps the answers as they come, to show progress: `track(answers, total)`.

    Raises:
        CorpusError: A recording cannot be read or is too short to be judged; the file is named.
    """
    numbered = list(enumerate(utterances))
    # The model travels with every task, so a task is more than one utterance.
    tasks = [numbered[i : i + _AT_A_TIME] for i in range(0, len(numbered), _AT_A_TIME)]
    work = partial(_answers, Recognizer(model))
    answers = (answer for part in carry_out(work, tasks, jobs=jobs) for answer in part)
    found = sorted(track(answers, len(utterances)) if track else answers)
    labels = model.card.labels
    result = FoldResult(
        0,
        "everything",
        np.arange(len(utterances)),
        np.array([scores for _, _, scores in found], np.float32),
    )
    targets = np.array([labels.index(u.label) for u in utterances], np.int64)
    hashes = tuple(content for _, content, _ in found)
    return Outcome(AS_IS, labels, tuple(utterances), targets, (result,), hashes, seen)


def trained_on(model: Model, corpora: Iterable[str]) -> tuple[str, ...]:
    """Those of some corpora that a model's card says it was trained on.

    A selection of a corpus, as `emodb_4class` is of `emodb`, counts as that corpus.
    """
    learned = {corpus.name for corpus in model.card.corpora}
    return tuple(
        name
        for name in sorted(set(corpora))
        if any(other == name or other.startswith(f"{name}_") for other in learned)
    )


def guarded_folds(data: Dataset, protocol: Protocol, hold_out: HoldOut, *, seed: int) -> list[Fold]:
    """The folds of a protocol, if the leak guard and the classes allow them.

    Raises:
        ProtocolError: The data cannot be split this way, or the split leaks.
    """
    folds = protocol.folds(data.utterances, seed=seed, hold_out=hold_out)
    if protocol.speaker_dependent or hold_out.by == "utterance":
        folds = without_copies(
            folds, data.utterances, data.hashes, of_tested=protocol.speaker_dependent
        )
    guard(protocol, folds, data.utterances, hold_out=hold_out, hashes=data.hashes)
    require_classes(protocol, folds, data.utterances)
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


def _answers(recognizer: Recognizer, task: Sequence[tuple[int, Utterance]]) -> list[Answer]:
    return [_answer(recognizer, number, utterance) for number, utterance in task]


def _answer(recognizer: Recognizer, number: int, utterance: Utterance) -> Answer:
    samples = read_utterance(utterance)
    try:
        scores = recognizer((samples, SAMPLE_RATE)).scores
    except AudioError as error:
        raise CorpusError(f"{utterance.audio}: {error}") from error
    alike = 1.0 / len(recognizer.labels)
    in_order = tuple(scores.get(label, alike) for label in recognizer.labels)
    return number, content_hash(samples), in_order
