"""Evaluation of a recipe under a protocol: training and test on every fold, once per seed."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import HoldOut, softmax
from serkit.compression.quantize import learn as learn_by_recipe
from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.execution import carry_out
from serkit.evaluation.folds import Fold
from serkit.evaluation.leak_guard import guard, require_classes, without_copies
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import Protocol
from serkit.evaluation.run_folder import RunFolder
from serkit.training import AnyRecipe, Dataset, one_thread
from serkit.training.fusion import FusionData, FusionRecipe, learn_fusion
from serkit.training.speech import Recordings, SpeechRecipe, learn_speech

Data = Dataset | Recordings | FusionData
"""What a recipe of any kind is trained on."""

Track = Callable[[Iterable[FoldResult], int], Iterable[FoldResult]]
Task = tuple[int, Fold]


class Classifier(typing.Protocol):
    """A trained classifier."""

    def logits(self, features: Any) -> NDArray[np.float32]:
        """Logits, shape `[n, n_labels]`, of the `features` of the data of n recordings."""
        ...


class Learner(typing.Protocol):
    """A training function, given the training and validation parts of a fold."""

    def __call__(self, recipe: Any, training: Any, validation: Any, *, seed: int) -> Classifier:
        """Train a classifier."""
        ...


def evaluate(
    recipe: AnyRecipe,
    data: Data,
    protocol: Protocol,
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    ray_address: str | None = None,
    folder: Path | None = None,
    learn: Learner | None = None,
    track: Track | None = None,
) -> Outcome:
    """Train and test a recipe on every fold of a protocol, once per seed.

    Args:
        recipe: The recipe.
        data: Features of all utterances; for a recipe of a network on waveforms, their recordings;
            for one on log-mel and text, both of these.
        protocol: The protocol that splits them; the leak guard checks every fold first.
        seeds: Seeds of the splits, if the protocol is random, and of the trainings.
        jobs: Number of local processes.
        ray_address: Address of a Ray cluster to use instead of local processes.
        folder: Folder that keeps each finished fold; folds in it are not trained again. The
            training of a network on waveforms also keeps its last epoch there.
        learn: Training function; by default that of the recipe. Another one, such as a baseline,
            is tested with the recipe's labels, hold-out and features.
        track: Wrapper of the results that shows progress: `track(results, total)`.

    Raises:
        ProtocolError: The protocol does not fit the data, the split leaks, the folder holds
            another run, or `folder` is given together with `learn`.
        MissingExtraError: `ray_address` is given, and ray is not installed.
    """
    if not seeds:
        raise ProtocolError("no seeds; expected at least one")
    if folder is not None and learn is not None:
        raise ProtocolError(
            "a run folder identifies a run by its recipe, which another learner is not part of; "
            "leave the folder out"
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
        work = partial(_run, recipe, data, learn or learner_of(recipe, folder))
        for result in carry_out(work, waiting, jobs=jobs, ray_address=ray_address):
            if keeper is not None:
                keeper.keep(result)
            yield result

    done = {(r.seed, r.fold): r for r in (track(results(), len(tasks)) if track else results())}
    return Outcome(
        protocol,
        recipe.labels,
        data.utterances,
        data.targets,
        tuple(done[_key(task)] for task in tasks),
        hashes=data.hashes,
    )


def learner_of(recipe: AnyRecipe, folder: Path | None = None) -> Learner:
    """The training function of a recipe.

    Args:
        recipe: The recipe.
        folder: Folder of the run, for the checkpoints of networks on waveforms; None for none.
    """
    if isinstance(recipe, SpeechRecipe):
        return partial(learn_speech, checkpoints=None if folder is None else folder / "checkpoints")
    return learn_fusion if isinstance(recipe, FusionRecipe) else learn_by_recipe


def guarded_folds(data: Data, protocol: Protocol, hold_out: HoldOut, *, seed: int) -> list[Fold]:
    """The folds of a protocol, checked for leaks and absent classes.

    Raises:
        ProtocolError: The protocol does not fit the data, or the split leaks.
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
    """`guarded_folds` of utterances without features.

    Args:
        utterances: The utterances.
        protocol: The protocol that splits them.
        hold_out: How the validation part is chosen.
        seed: Seed of the split.
        hashes: `content_hash` of each utterance's audio; if empty, copies are not detected.

    Raises:
        ProtocolError: The protocol does not fit the utterances, or the split leaks.
    """
    folds = protocol.folds(utterances, seed=seed, hold_out=hold_out)
    # Two people who say the same few words are no error in a corpus of texts.
    of_texts = any(u.audio is None for u in utterances)
    if protocol.speaker_dependent or of_texts or hold_out.by != "speaker":
        of_tested = protocol.speaker_dependent or of_texts
        folds = without_copies(folds, utterances, hashes, of_tested=of_tested)
    guard(protocol, folds, utterances, hold_out=hold_out, hashes=hashes)
    require_classes(protocol, folds, utterances)
    return folds


def _key(task: Task) -> tuple[int, str]:
    seed, fold = task
    return seed, fold.name


def _run(recipe: AnyRecipe, data: Data, learn: Learner, task: Task) -> FoldResult:
    seed, fold = task
    with one_thread():
        model = learn(recipe, data.rows(fold.train), data.rows(fold.validation), seed=seed)
    probabilities = softmax(model.logits(data.features[fold.test]))
    return FoldResult(seed, fold.name, fold.test, probabilities)
