"""The figures on a model's card: its recipe, evaluated under the protocols that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from serkit.corpora import Utterance, base_name
from serkit.errors import ProtocolError
from serkit.evaluation.outcome import FoldResult
from serkit.evaluation.protocols import Protocol, find_protocol
from serkit.evaluation.run import Data, evaluate, split_utterances
from serkit.evaluation.summary import summary
from serkit.training import Acceptance, AnyRecipe, Recipe
from serkit.training.fusion import FusionRecipe
from serkit.training.speech import RecordingsRecipe, SpeechRecipe

RecipeT = TypeVar("RecipeT", Recipe, SpeechRecipe, FusionRecipe)


def protocol_of(recipe: AnyRecipe, name: str) -> Protocol:
    """A protocol by name, in which the anchors of the recipe are for training only.

    Raises:
        ProtocolError: No protocol has this name.
    """
    anchors = recipe.anchors if isinstance(recipe, RecordingsRecipe) else ()
    return find_protocol(name).anchored([base_name(anchor) for anchor in anchors])


def accept(
    recipe: AnyRecipe,
    data: Data,
    *,
    jobs: int = 1,
    track: Callable[[str], Callable[[Iterable[FoldResult], int], Iterable[FoldResult]]]
    | None = None,
) -> dict[str, Any]:
    """Evaluate a recipe under each protocol it names.

    Args:
        recipe: The recipe.
        data: Features of all its utterances.
        jobs: Number of parallel processes.
        track: Function from a protocol's name to a wrapper of its results that shows progress.

    Returns:
        JSON values for `ModelCard.figures`: UA with its interval, ECE and counts per protocol and
        corpus.

    Raises:
        ProtocolError: A protocol is unknown, cannot be carried out, or leaks.
    """
    protocols = []
    for wanted in recipe.acceptance:
        outcome = evaluate(
            recipe,
            data,
            protocol_of(recipe, wanted.protocol),
            seeds=range(wanted.seeds),
            jobs=jobs,
            track=track(wanted.protocol) if track else None,
        )
        protocols.append(summary(outcome))
    return {"protocols": protocols}


def check_acceptance(
    recipe: AnyRecipe, utterances: Sequence[Utterance], hashes: Sequence[str] = ()
) -> None:
    """Check before training that a recipe's hold-out and protocols fit some utterances.

    Args:
        recipe: The recipe.
        utterances: All utterances it is trained on.
        hashes: `content_hash` of each utterance's audio; if empty, copies are not detected.

    Raises:
        ProtocolError: No speaker can be held out, or a protocol is unknown, does not fit the
            utterances, or leaks.
    """
    recipe.hold_out.split(utterances, np.arange(len(utterances)), seed=0)
    for wanted in recipe.acceptance:
        _check(recipe, wanted, utterances, hashes)


def fit_acceptance(recipe: RecipeT, utterances: Sequence[Utterance]) -> tuple[RecipeT, list[str]]:
    """Replace those protocols of a recipe that do not fit the user's own data.

    The replacement is `loso` for up to ten speakers and `speaker-folds` for more, or `session` if
    speakers share sessions.

    Args:
        recipe: A recipe written for other corpora.
        utterances: The user's utterances.

    Returns:
        The recipe, and one line per replaced protocol with the reason and the replacement.

    Raises:
        ProtocolError: A protocol is unknown, or no speaker can be held out.
    """
    check_acceptance(recipe.model_copy(update={"acceptance": ()}), utterances)
    kept: list[Acceptance] = []
    notes = []
    for wanted in recipe.acceptance:
        protocol_of(recipe, wanted.protocol)
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
    fitted: RecipeT = recipe.model_copy(update={"acceptance": tuple(kept)})
    return fitted, notes


_MAX_LOSO_SPEAKERS = 10
"""With more speakers, `speaker-folds` replaces `loso`."""


def _fitting(
    recipe: AnyRecipe, wanted: Acceptance, utterances: Sequence[Utterance]
) -> Acceptance | None:
    few = len({u.speaker_key for u in utterances}) <= _MAX_LOSO_SPEAKERS
    for name in ("loso" if few else "speaker-folds", "session"):
        other = wanted.model_copy(update={"protocol": name})
        try:
            _check(recipe, other, utterances)
        except ProtocolError:
            continue
        return other
    return None


def _check(
    recipe: AnyRecipe,
    wanted: Acceptance,
    utterances: Sequence[Utterance],
    hashes: Sequence[str] = (),
) -> None:
    protocol = protocol_of(recipe, wanted.protocol)
    for seed in range(wanted.seeds):
        split_utterances(utterances, protocol, recipe.hold_out, seed=seed, hashes=hashes)
