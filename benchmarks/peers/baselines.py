"""Baselines: a support vector machine on features of serkit or on eGeMAPSv02."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from serkit.audio import SAMPLE_RATE, read
from serkit.corpora import Utterance
from serkit.metrics import confusion, unweighted_average_recall
from serkit.training import Dataset, Recipe

Array = NDArray[np.float32]

# Values that are common in work with openSMILE and scikit-learn.
CANDIDATES = (
    {"kernel": "linear", "C": 0.001},
    {"kernel": "linear", "C": 0.01},
    {"kernel": "linear", "C": 0.1},
    {"kernel": "rbf", "C": 1.0},
    {"kernel": "rbf", "C": 10.0},
)


class Svm:
    """A trained pipeline with the interface of a classifier of serkit."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def logits(self, features: Array) -> Array:
        """Decision function, shape `[n, n_labels]`; with two classes, both signs of its column."""
        decisions = self.pipeline.decision_function(features)
        if decisions.ndim == 1:
            decisions = np.stack((-decisions, decisions), axis=1)
        logits: Array = decisions.astype(np.float32)
        return logits


def svm(recipe: Recipe, training: Dataset, validation: Dataset, *, seed: int) -> Svm:
    """Train on both parts, with the kernel and C of highest UA on the validation part."""

    def trained(candidate: dict[str, object], data: Dataset) -> Svm:
        machine = SVC(**candidate, class_weight="balanced", random_state=seed)
        return Svm(make_pipeline(StandardScaler(), machine).fit(data.features, data.targets))

    def score(candidate: dict[str, object]) -> float:
        predicted = trained(candidate, training).logits(validation.features).argmax(axis=1)
        return unweighted_average_recall(
            confusion(validation.targets, predicted, len(recipe.labels))
        )

    return trained(max(CANDIDATES, key=score), training.joined(validation))


def with_egemaps(data: Dataset) -> Dataset:
    """The same utterances with the 88 functionals of eGeMAPSv02 as features."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(_egemaps, np.array_split(np.array(data.utterances, object), 32))
        rows = np.concatenate(list(parts))
    return replace(data, features=rows, copies=rows[None][:0])


def _egemaps(utterances: Sequence[Utterance]) -> Array:
    import opensmile

    smile = opensmile.Smile(
        opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, num_workers=1
    )
    rows = [smile.process_signal(read(u.audio), SAMPLE_RATE).to_numpy()[0] for u in utterances]
    return np.nan_to_num(np.array(rows, np.float32))
