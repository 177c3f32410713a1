"""The final model: trained on all data except the speakers that calibrate it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from serkit.corpora import Corpus, base_name
from serkit.errors import CorpusError
from serkit.evaluation.folds import Fold, Index
from serkit.evaluation.leak_guard import guard_final, without_copies
from serkit.evaluation.run import Data
from serkit.runtime import Model, Sketch, TrainingCorpus
from serkit.training import AnyRecipe, Dataset, Epoch, Recipe, fit, speakers_of, typical_of
from serkit.training.fusion import FusionData, FusionRecipe, TrainedFusion, learn_fusion
from serkit.training.speech import (
    Recordings,
    RecordingsRecipe,
    SpeechModel,
    SpeechRecipe,
    Teacher,
    learn_speech,
)

AnyModel = TypeVar("AnyModel", Model, SpeechModel, TrainedFusion)

UNKNOWN = "unknown"
"""The licence of a corpus without a stated one."""


def fit_final(
    recipe: Recipe,
    data: Dataset,
    corpora: Sequence[Corpus],
    *,
    seed: int = 0,
    learn: Callable[..., Model] = fit,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Model:
    """Train on all data except the speakers held out for early stopping and calibration.

    Args:
        recipe: The recipe.
        data: Features of all utterances.
        corpora: Their corpora, for the card.
        seed: Seed of the training and of the hold-out.
        learn: Training function with the signature of `fit`.
        on_epoch: Called with each line of the training log.

    Returns:
        The model, with its training corpora, their typical features and their speakers on the card.

    Raises:
        ProtocolError: No speaker can be held out, training and validation share a recording, or a
            class has no training utterance.
    """
    training, validation = _parts(recipe, data, seed)
    model = learn(recipe, data.rows(training), data.rows(validation), seed=seed, on_epoch=on_epoch)
    model = model.with_card(
        typical=typical_of(recipe, data), speakers=speakers_of(recipe, data, seed=seed)
    )
    return learned_from(model, corpora, data)


def fit_final_speech(
    recipe: SpeechRecipe,
    data: Recordings,
    corpora: Sequence[Corpus],
    *,
    seed: int = 0,
    teacher: Teacher | None = None,
    unlabelled: Recordings | None = None,
    learn: Callable[..., SpeechModel] = learn_speech,
) -> SpeechModel:
    """`fit_final` of a network on waveforms.

    Args:
        recipe: The recipe; its anchors are only trained on.
        data: The recordings of all utterances.
        corpora: Their corpora, for the card.
        seed: Seed of the training and of the hold-out.
        teacher: A model whose probabilities the network learns too; its training corpora are added
            to the card.
        unlabelled: Recordings that only the teacher labels.
        learn: Training function with the signature of `learn_speech`.

    Returns:
        The model, with its training corpora on the card.

    Raises:
        ProtocolError: As `fit_final`.
    """
    training, validation = _parts(recipe, data, seed)
    lesson = data.rows(training)
    if unlabelled is not None:
        lesson = lesson.joined(unlabelled)
    soft = None if teacher is None else teacher.log_probabilities(recipe.labels, lesson)
    model = learn(recipe, lesson, data.rows(validation), seed=seed, teacher=soft)
    if teacher is not None:
        card = teacher.card
        model = model.with_card(corpora=card.corpora, seen=card.seen)
    return learned_from(model, corpora, data)


def fit_final_fusion(
    recipe: FusionRecipe,
    data: FusionData,
    corpora: Sequence[Corpus],
    *,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainedFusion:
    """`fit_final` of a network on log-mel and text.

    Args:
        recipe: The recipe, bound to its encoder; its anchors are only trained on.
        data: Log-mel and text of all utterances.
        corpora: Their corpora, for the card.
        seed: Seed of the training and of the hold-out.
        on_epoch: Called with each line of the training log.

    Returns:
        The model, with its training corpora on the card.

    Raises:
        ProtocolError: As `fit_final`.
    """
    training, validation = _parts(recipe, data, seed)
    parts = data.rows(training), data.rows(validation)
    model = learn_fusion(recipe, *parts, seed=seed, on_epoch=on_epoch)
    return learned_from(model, corpora, data)


def _parts(recipe: AnyRecipe, data: Data, seed: int) -> tuple[Index, Index]:
    """Indices of the training and of the validation part; anchors are in the former."""
    anchors = recipe.anchors if isinstance(recipe, RecordingsRecipe) else ()
    held = {base_name(anchor) for anchor in anchors}
    is_anchor = np.array([u.corpus in held for u in data.utterances])
    everything = np.flatnonzero(~is_anchor)
    training, validation = recipe.hold_out.split(data.utterances, everything, seed=seed)
    training = np.sort(np.concatenate((training, np.flatnonzero(is_anchor))))
    if recipe.hold_out.by != "speaker":
        nobody = everything[:0]
        (fold,) = without_copies(
            [Fold(recipe.name, training, validation, nobody)],
            data.utterances,
            data.hashes,
            of_tested=False,
        )
        training = fold.train
    guard_final(recipe.name, training, validation, data.utterances, data.hashes)
    return training, validation


def learned_from(model: AnyModel, corpora: Sequence[Corpus], data: Data) -> AnyModel:
    """Add training corpora and a sketch of their recordings to a model's card.

    Args:
        model: The model.
        corpora: The corpora to add.
        data: The utterances of these corpora that were used.
    """
    named = {corpus.name: corpus for corpus in model.card.corpora}
    named |= {c.name: training_corpus(c, data) for c in corpora if c.name not in named}
    content = dict(zip(data.utterances, data.hashes, strict=False))
    new = Sketch.of({c.name: [content[u] for u in c.utterances if u in content] for c in corpora})
    return model.with_card(corpora=tuple(named.values()), seen=model.card.seen.joined(new))


def under_licence(
    corpora: Sequence[Corpus], licence: str, *, commercial_use: bool
) -> tuple[Corpus, ...]:
    """State the licence of those corpora that have none, such as manifests.

    Args:
        corpora: All corpora; published ones keep their licence.
        licence: Licence of the others.
        commercial_use: Whether it allows commercial use.

    Raises:
        CorpusError: All corpora have a licence already.
    """
    if all(corpus.info.licence != UNKNOWN for corpus in corpora):
        known = ", ".join(f"{corpus.name} ({corpus.info.licence})" for corpus in corpora)
        raise CorpusError(
            f"a licence is given for data without one, but all corpora have one: {known}"
        )
    stated: dict[str, Any] = {"licence": licence, "commercial_use": commercial_use}
    return tuple(
        replace(c, info=replace(c.info, **stated)) if c.info.licence == UNKNOWN else c
        for c in corpora
    )


def training_corpus(corpus: Corpus, data: Data) -> TrainingCorpus:
    """A corpus as on a card, with the numbers of its utterances and speakers in the data."""
    learned = set(data.utterances)
    used = [u for u in corpus.utterances if u in learned]  # a line may be said twice in a dialogue
    return TrainingCorpus(
        name=corpus.name,
        title=corpus.info.title,
        licence=corpus.info.licence,
        commercial_use=corpus.info.commercial_use,
        utterances=len(used),
        speakers=len({u.speaker_key for u in used}),
    )
