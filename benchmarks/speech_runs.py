"""The values of a finished run that the tables of Ismail have; shared by two benchmarks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from serkit.evaluation import AROUSAL, VALENCE, Outcome, regroup, share_within
from serkit.evaluation.figures import corpus_figures
from serkit.metrics import (
    confusion,
    f1s,
    macro_f1,
    recalls,
    unweighted_average_recall,
    weighted_accuracy,
)


def run_values(outcome: Outcome) -> dict[str, Any]:
    """Figures with intervals over speakers, mean and SD over folds, confusion, arousal, valence.

    Args:
        outcome: A run that tests one corpus.
    """
    (figures,) = corpus_figures(outcome)
    matrix = sum(outcome.matrix(seed) for seed in outcome.seeds)
    return {
        "protocol": outcome.protocol.name,
        "labels": list(outcome.labels),
        "utterances": figures.utterances,
        "speakers": len(figures.speakers),
        "figures": {
            key: {
                "value": figure.value,
                "sd_over_seeds": figure.sd,
                "interval": [figure.interval.low, figure.interval.high]
                if figure.interval
                else None,
            }
            for key, figure in figures.headlines.items()
        },
        "folds": _over_folds(outcome),
        "confusion": matrix.tolist(),
        "recalls": dict(zip(outcome.labels, recalls(matrix).tolist(), strict=True)),
        "affect": {
            name: _regrouped(matrix, outcome.labels, groups)
            for name, groups in (("arousal", AROUSAL), ("valence", VALENCE))
        },
        "classes": Counter(u.label for u in outcome.utterances),
    }


def _over_folds(outcome: Outcome) -> dict[str, Any]:
    """Each figure per fold, with mean and standard deviation, as in Table I."""
    rows: dict[str, list[float]] = {}
    for result in outcome.results:
        answers = result.probabilities.argmax(axis=1)
        matrix = confusion(outcome.targets[result.test], answers, len(outcome.labels))
        values = {
            "wa": weighted_accuracy(matrix),
            "ua": unweighted_average_recall(matrix),
            "macro_f1": macro_f1(matrix),
            **dict(zip(outcome.labels, f1s(matrix).tolist(), strict=True)),
        }
        for key, value in values.items():
            rows.setdefault(key, []).append(value)
    return {
        key: {
            "values": values,
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        }
        for key, values in rows.items()
    }


def _regrouped(matrix: Any, labels: tuple[str, ...], groups: Any) -> dict[str, Any]:
    names, counts = regroup(matrix, labels, groups)
    return {
        "groups": list(names),
        "confusion": counts.tolist(),
        "recalls": recalls(counts).tolist(),
        "errors_inside": share_within(matrix, labels, groups),
    }
