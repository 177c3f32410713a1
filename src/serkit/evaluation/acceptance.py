"""The figures on a model's card: its recipe under the protocols the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from serkit.corpora import Utterance
from serkit.errors import ProtocolError
from serkit.evaluation.figures import Figures, corpus_figures
from serkit.evaluation.outcome import FoldResult, Outcome
from serkit.evaluation.protocols import find_protocol
from serkit.evaluation.run import evaluate, split_utterances
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
    """UA and ECE of each tested corpus, as `figures` gives them, in JSON values for a card."""
    protocol = outcome.protocol
    rows = [_row(found) for found in corpus_figures(outcome)]
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


def _row(found: Figures) -> dict[str, Any]:
    ua, ece = found.headlines["ua"], found.headlines["ece"]
    return {
        "corpus": found.name,
        "ua": _rounded(ua.value),
        "ua_sd": _rounded(ua.sd),
        "ua_interval": [_rounded(ua.interval.low), _rounded(ua.interval.high)]
        if ua.interval
        else None,
        "ece": _rounded(ece.value),
        "utterances": found.utterances,
        "speakers": len(found.speakers),
    }


def _rounded(value: float | np.floating[Any] | None) -> float | None:
    """To five decimals, as a card is part of a small file."""
    return None if value is None else round(float(value), 5)
