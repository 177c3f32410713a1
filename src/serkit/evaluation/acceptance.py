"""The figures on a model's card: its recipe under the protocols the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from serkit.evaluation.metrics import (
    confusion,
    expected_calibration_error,
    speaker_interval,
    unweighted_average_recall,
)
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import find_protocol
from serkit.evaluation.run import evaluate, guarded_folds
from serkit.training import Dataset, Recipe


def accept(
    recipe: Recipe,
    data: Dataset,
    *,
    jobs: int = 1,
    track: Callable[[str], Callable[[Iterable[FoldResult], int], Iterable[FoldResult]]]
    | None = None,
) -> dict[str, Any]:
    """Evaluate a recipe under each protocol it names.

    Args:
        recipe: What was trained.
        data: Features of all its utterances.
        jobs: Processes that work at the same time.
        track: Given a protocol's name, what wraps its results to show progress.

    Returns:
        JSON values for `ModelCard.figures`: per protocol and corpus UA with its interval,
        calibration error and counts.

    Raises:
        ProtocolError: A protocol is unknown, cannot be carried out, or leaks.
    """
    protocols = []
    for wanted in recipe.acceptance:
        outcome = evaluate(
            recipe,
            data,
            find_protocol(wanted.protocol),
            seeds=range(wanted.seeds),
            jobs=jobs,
            track=track(wanted.protocol) if track else None,
        )
        protocols.append(summary(outcome))
    return {"protocols": protocols}


def check_acceptance(recipe: Recipe, data: Dataset) -> None:
    """Find out before any training that a protocol of a recipe cannot be carried out.

    Args:
        recipe: Names the protocols.
        data: Of all its utterances.

    Raises:
        ProtocolError: A protocol is unknown, cannot be carried out, or leaks.
    """
    for wanted in recipe.acceptance:
        protocol = find_protocol(wanted.protocol)
        for seed in range(wanted.seeds):
            guarded_folds(data, protocol, recipe.hold_out, seed=seed)


def summary(outcome: Outcome) -> dict[str, Any]:
    """Figures of an outcome, a row a corpus, as JSON values.

    UA and calibration error are means over the seeds; the interval resamples the speakers of
    the mean over seeds.
    """
    protocol = outcome.protocol
    corpora = sorted({outcome.utterances[i].corpus for r in outcome.results for i in r.test})
    rows = [_row(outcome, corpus) for corpus in corpora]
    result = {
        "protocol": protocol.name,
        "title": outcome.title,
        "citation": protocol.citation,
        "speaker_dependent": protocol.speaker_dependent,
        "seeds": list(outcome.seeds),
        "rows": rows,
    }
    if len(rows) > 1:
        result["mean_ua"] = _rounded(np.mean([row["ua"] for row in rows]))
    return result


def _row(outcome: Outcome, corpus: str) -> dict[str, Any]:
    n_labels = len(outcome.labels)
    uas, errors, targets, predictions, speakers = [], [], [], [], []
    for seed in outcome.seeds:
        test, probabilities = outcome.pooled(seed)
        here = np.array([outcome.utterances[i].corpus == corpus for i in test])
        test, probabilities = test[here], probabilities[here]
        truth, predicted = outcome.targets[test], probabilities.argmax(axis=1)
        uas.append(unweighted_average_recall(confusion(truth, predicted, n_labels)))
        errors.append(expected_calibration_error(truth, probabilities))
        targets.append(truth)
        predictions.append(predicted)
        speakers += [outcome.utterances[i].speaker_key for i in test]
    interval = speaker_interval(
        unweighted_average_recall,
        np.concatenate(targets),
        np.concatenate(predictions),
        speakers,
        n_labels,
    )
    return {
        "corpus": corpus,
        "ua": _rounded(np.mean(uas)),
        "ua_sd": _rounded(np.std(uas, ddof=1)) if len(uas) > 1 else None,
        "ua_interval": [_rounded(interval.low), _rounded(interval.high)] if interval else None,
        "ece": _rounded(np.mean(errors)),
        "utterances": len(targets[0]),
        "speakers": len(set(speakers)),
    }


def _rounded(figure: float | np.floating[Any]) -> float:
    """To a thousandth of a per cent: a card is part of a small file."""
    return round(float(figure), 5)
