"""What the kinds of `serkit train` have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from serkit.cli.streams import complain

if TYPE_CHECKING:
    from serkit.corpora import Corpus, Utterance
    from serkit.training import Epoch
    from serkit.training.fusion import FusionRecipe
    from serkit.training.speech import SpeechRecipe

    Plan = TypeVar("Plan", SpeechRecipe, FusionRecipe)


def utterances_of(
    plan: Plan,
    specs: Sequence[str],
    anchors: Sequence[str],
    *,
    figures: bool,
    licence: str | None,
    commercial_use: bool,
) -> tuple[Plan, tuple[Corpus, ...], tuple[Utterance, ...]]:
    """Read the corpora of a recipe of a network on recordings.

    Args:
        plan: The recipe.
        specs: `NAME[=PATH]` of each corpus; the recipe's if empty.
        anchors: `NAME[=PATH]` of each anchor; the recipe's if empty.
        figures: Whether to evaluate the recipe.
        licence: Licence of own data, for the card.
        commercial_use: Whether they may be used commercially.

    Returns:
        The recipe with these anchors and with the protocols that fit these corpora, the corpora and
        the utterances.

    Raises:
        CorpusError: A corpus is missing, or a label occurs in none of them.
        ProtocolError: A protocol of the recipe does not fit the utterances.
    """
    from serkit.corpora import load
    from serkit.evaluation import check_acceptance, fit_acceptance, under_licence
    from serkit.training.speech import load_recordings

    if anchors:
        names = {u.corpus for spec in anchors for u in load(spec).utterances}
        plan = plan.model_copy(update={"anchors": tuple(sorted(names))})
    if not figures:
        plan = plan.model_copy(update={"acceptance": ()})
    corpora, utterances = load_recordings(plan, specs, anchors)
    if licence is not None:
        corpora = under_licence(corpora, licence, commercial_use=commercial_use)
    if specs or anchors:
        plan, notes = fit_acceptance(plan, utterances)
        for note in notes:
            complain(note)
    check_acceptance(plan, utterances)
    return plan, corpora, utterances


def log_line(epoch: Epoch) -> str:
    """A line of the training log, as JSON."""
    return json.dumps(asdict(epoch)) + "\n"


class EpochBar:
    """A progress bar over epochs on a terminal; early stopping may end it before it is full."""

    def __init__(self, total: int, keep: Callable[[Epoch], None]) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._keep = keep
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("Training", total=total)

    def __enter__(self) -> Callable[[Epoch], None]:
        self._bar.start()
        return self._on_epoch

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _on_epoch(self, epoch: Epoch) -> None:
        self._keep(epoch)
        description = f"Training (validation UA {epoch.validation_ua:.3f})"
        self._bar.update(self._task, completed=epoch.number, description=description)
