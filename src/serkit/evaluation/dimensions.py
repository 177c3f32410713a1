"""Arousal, valence and dominance of a trained model: learned for the file, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.adaptation import HoldOut, softmax
from serkit.circumplex import arousal_valence
from serkit.corpora import Corpus
from serkit.evaluation.final import training_corpus
from serkit.evaluation.protocols import find_protocol
from serkit.evaluation.run import guarded_folds
from serkit.metrics import clustered_intervals, concordance, correlation, moments, per_speaker
from serkit.runtime import Model
from serkit.training import Dataset, Dimensions, fit_dimensions, ratings_of

PROTOCOL = "speaker-folds"

_PLACED = {"arousal": 0, "valence": 1}
"""Places of the dimensions in the results of `arousal_valence`."""


def with_dimensions(
    model: Model, plan: Dimensions, data: Dataset, corpora: Sequence[Corpus]
) -> Model:
    """Add a layer of dimensions to a trained model, learned from all ratings.

    Args:
        model: The model; its logits and embeddings stay as they are.
        plan: The dimensions.
        data: Features of utterances with ratings.
        corpora: Their corpora, for the card.
    """
    _, embeddings = model.logits_and_embeddings(data.features)
    speakers = [u.speaker_key for u in data.utterances]
    fitted = fit_dimensions(plan, embeddings, ratings_of(plan, data.utterances), speakers)
    return replace(model, dimensions=fitted.layer).with_card(
        dimensions=plan.names,
        dimension_corpora=tuple(training_corpus(corpus, data) for corpus in corpora),
    )


def dimension_figures(model: Model, plan: Dimensions, data: Dataset) -> dict[str, Any]:
    """Agreement with the ratings of held-out speakers, beside the circumplex of the scores.

    Only the layer is learned again in each of five folds over speakers, with its penalty: the
    network must not have been trained on these speakers.

    Args:
        model: The model, with or without a layer.
        plan: The dimensions.
        data: Features of utterances with ratings.

    Returns:
        JSON values for `ModelCard.figures`: of each dimension the concordance correlation
        coefficient and Pearson's, with 95 % intervals over speakers, of the learned values and of
        the circumplex, and the interval of the difference of the concordances.

    Raises:
        CorpusError: There are too few speakers.
        ProtocolError: The folds leak.
    """
    logits, embeddings = model.logits_and_embeddings(data.features)
    speakers = [u.speaker_key for u in data.utterances]
    ratings = ratings_of(plan, data.utterances)
    learned = np.zeros_like(ratings)
    penalties = []
    protocol = find_protocol(PROTOCOL)
    for fold in guarded_folds(data, protocol, HoldOut("speaker", 0.1), seed=0):
        training = np.concatenate((fold.train, fold.validation))
        fitted = fit_dimensions(
            plan, embeddings[training], ratings[training], [speakers[i] for i in training]
        )
        penalties.append(fitted.penalty)
        learned[fold.test] = np.clip(fitted.layer(embeddings[fold.test]), -1.0, 1.0)
    placed, n_unplaced = _placed(model, logits)
    rows = []
    for i, name in enumerate(plan.names):
        values = {"learned": learned[:, i]}
        if name in _PLACED:
            values["circumplex"] = placed[:, _PLACED[name]]
        rows.append({"dimension": name} | _agreement(ratings[:, i], values, speakers))
    return {
        "protocol": PROTOCOL,
        "title": f"{protocol.title}, the layer of the dimensions alone",
        "seed": 0,
        "corpora": list(plan.corpora),
        "utterances": len(data),
        "speakers": len(set(speakers)),
        "penalties": penalties,
        "unplaced": n_unplaced,
        "rows": rows,
    }


def _placed(model: Model, logits: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    """Places of the scores in the circumplex `[n, 2]`, its centre for those without; their number.

    Args:
        model: The model.
        logits: Its calibrated logits, shape `[n, n_labels]`.
    """
    places = np.zeros((len(logits), 2))
    n_unplaced = 0
    for row, probabilities in zip(places, softmax(logits), strict=True):
        scores = dict(zip(model.card.labels, map(float, probabilities), strict=True))
        arousal, valence = arousal_valence(scores)
        if arousal is None or valence is None:
            n_unplaced += 1
        else:
            row[:] = arousal, valence
    return places, n_unplaced


def _agreement(
    truth: NDArray[np.float64], values: dict[str, NDArray[np.float64]], speakers: Sequence[str]
) -> dict[str, Any]:
    """Figures of several predictions of the same values."""

    def sums(index: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([moments(truth[index], one[index]) for one in values.values()])

    def metrics(total: NDArray[np.float64]) -> list[float]:
        found = [(concordance(one), correlation(one)) for one in total]
        difference = [found[0][0] - found[1][0]] if len(found) > 1 else []
        return [*(value for pair in found for value in pair), *difference]

    _, by_speaker = per_speaker(speakers, sums)
    names = [f"{name}_{metric}" for name in values for metric in ("ccc", "pearson")]
    names += ["difference_ccc"] * (len(values) > 1)
    figures: dict[str, Any] = {}
    intervals = clustered_intervals(metrics, by_speaker)
    for name, value, interval in zip(
        names, metrics(by_speaker.sum(axis=0)), intervals, strict=True
    ):
        figures[name] = None if np.isnan(value) else round(value, 4)
        figures[f"{name}_interval"] = interval and [round(interval.low, 4), round(interval.high, 4)]
    return figures
