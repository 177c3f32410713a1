"""The model that ships: trained on everything but the speakers that calibrate it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from serkit.corpora import Corpus
from serkit.errors import CorpusError
from serkit.evaluation.folds import Fold
from serkit.evaluation.leak_guard import guard_final, without_copies
from serkit.runtime import Model, Sketch, TrainingCorpus
from serkit.training import Dataset, Epoch, Recipe, fit, typical_of

UNKNOWN = "unknown"
"""The licence of a corpus that says nothing about it."""


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
        recipe: What to do.
        data: Features of all utterances.
        corpora: Where they come from, for the card.
        seed: Of the weights and of the speakers held out.
        learn: What learns; takes the arguments of `fit`.
        on_epoch: Called with each line of the training log.

    Returns:
        The model, on its card the training corpora and what their features look like.

    Raises:
        ProtocolError: There is nobody to hold out, who is held out is learned from too, or a class
            is left without anything to learn from.
    """
    everything = np.arange(len(data))
    training, validation = recipe.hold_out.split(data.utterances, everything, seed=seed)
    if recipe.hold_out.by == "utterance":
        nobody = everything[:0]
        (fold,) = without_copies(
            [Fold(recipe.name, training, validation, nobody)],
            data.utterances,
            data.hashes,
            of_tested=False,
        )
        training = fold.train
    guard_final(recipe.name, training, validation, data.utterances, data.hashes)
    model = learn(recipe, data.rows(training), data.rows(validation), seed=seed, on_epoch=on_epoch)
    return learned_from(model.with_card(typical=typical_of(recipe, data)), corpora, data)


def learned_from(model: Model, corpora: Sequence[Corpus], data: Dataset) -> Model:
    """The model with corpora, and a sketch of their recordings, added to its card.

    Args:
        model: The model.
        corpora: What it learned from besides.
        data: The utterances of them that took part.
    """
    named = {corpus.name: corpus for corpus in model.card.corpora}
    named |= {c.name: _on_card(c, data) for c in corpora if c.name not in named}
    content = dict(zip(data.utterances, data.hashes, strict=False))
    heard = Sketch.of({c.name: [content[u] for u in c.utterances if u in content] for c in corpora})
    return model.with_card(corpora=tuple(named.values()), seen=model.card.seen.joined(heard))


def under_licence(
    corpora: Sequence[Corpus], licence: str, *, commercial_use: bool
) -> tuple[Corpus, ...]:
    """The corpora with a licence stated for those of which none is known, as of a manifest.

    Args:
        corpora: All of them; published ones keep their licence.
        licence: The terms the others are under.
        commercial_use: Whether these allow commercial use.

    Raises:
        CorpusError: The licence of all of them is known.
    """
    if all(corpus.info.licence != UNKNOWN for corpus in corpora):
        known = ", ".join(f"{corpus.name} ({corpus.info.licence})" for corpus in corpora)
        raise CorpusError(
            f"a licence is given for data without one, but that of all corpora is known: {known}"
        )
    stated: dict[str, Any] = {"licence": licence, "commercial_use": commercial_use}
    return tuple(
        replace(c, info=replace(c.info, **stated)) if c.info.licence == UNKNOWN else c
        for c in corpora
    )


def _on_card(corpus: Corpus, data: Dataset) -> TrainingCorpus:
    used = set(corpus.utterances) & set(data.utterances)
    return TrainingCorpus(
        name=corpus.name,
        title=corpus.info.title,
        licence=corpus.info.licence,
        commercial_use=corpus.info.commercial_use,
        utterances=len(used),
        speakers=len({u.speaker_key for u in used}),
    )
