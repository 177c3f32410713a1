"""The figures on a model's card: its recipe under the protocols the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import find_protocol
from serkit.evaluation.run import evaluate, split_utterances
from serkit.metrics import (
    confusion,
    expected_calibration_error,
    speaker_interval,
    unweighted_average_recall,
)
from serkit.training import Acceptance, Dataset, Recipe


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


def check_acceptance(
    recipe: Recipe, utterances: Sequence[Utterance], hashes: Sequence[str] = ()
) -> None:
    """Find out before any training that a recipe cannot be carried out on some utterances.

    Args:
        recipe: Says who is held out, and names the protocols.
        utterances: All of them.
        hashes: `content_hash` of each utterance's audio; copies are not noticed if empty.

    Raises:
        ProtocolError: Nobody can be held out, or a protocol is unknown, cannot be carried out, or
            leaks.
    """
    recipe.hold_out.split(utterances, np.arange(len(utterances)), seed=0)
    for wanted in recipe.acceptance:
        _check(recipe, wanted, utterances, hashes)


def fit_acceptance(recipe: Recipe, utterances: Sequence[Utterance]) -> tuple[Recipe, list[str]]:
    """Replace the protocols of a recipe that its author chose for other corpora.

    What cannot be carried out on these utterances gives way to one that can: `loso` up to ten
    speakers and `speaker-folds` above, or `session` where speakers share sessions.

    Args:
        recipe: Of somebody else.
        utterances: Of one's own.

    Returns:
        The recipe, and a line for each protocol replaced, which says why and by what.

    Raises:
        ProtocolError: A protocol is unknown, or nobody can be held out.
    """
    check_acceptance(recipe.model_copy(update={"acceptance": ()}), utterances)
    kept: list[Acceptance] = []
    notes = []
    for wanted in recipe.acceptance:
        find_protocol(wanted.protocol)
        try:
            _check(recipe, wanted, utterances)
        except ProtocolError as error:
            other = _fitting(recipe, wanted, utterances)
            speakers = len({u.speaker_key for u in utterances})
            notes.append(
                f"{wanted.protocol} does not fit this data ({error}): "
                + (
                    f"evaluated by {other.protocol} over its {speakers} speakers"
                    if other
                    else f"no figures, as no other protocol fits its {speakers} speakers"
                )
            )
            kept += [other] if other and other not in kept else []
        else:
            kept.append(wanted)
    return recipe.model_copy(update={"acceptance": tuple(kept)}), notes


_MOST_LEFT_OUT = 10
"""More speakers than this are not left out one by one."""


def _fitting(
    recipe: Recipe, wanted: Acceptance, utterances: Sequence[Utterance]
) -> Acceptance | None:
    few = len({u.speaker_key for u in utterances}) <= _MOST_LEFT_OUT
    for name in ("loso" if few else "speaker-folds", "session"):
        other = wanted.model_copy(update={"protocol": name})
        try:
            _check(recipe, other, utterances)
        except ProtocolError:
            continue
        return other
    return None


def _check(
    recipe: Recipe, wanted: Acceptance, utterances: Sequence[Utterance], hashes: Sequence[str] = ()
) -> None:
    protocol = find_protocol(wanted.protocol)
    for seed in range(wanted.seeds):
        split_utterances(utterances, protocol, recipe.hold_out, seed=seed, hashes=hashes)


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
