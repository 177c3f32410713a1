"""`serkit train`: a recipe and its corpora -> a model file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.models import name_of
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.errors import RecipeError

if TYPE_CHECKING:
    from serkit.training import Epoch


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Shipped recipe or path of a YAML file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file.")],
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="Instead of the recipe's corpora; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and the speakers held out.")] = 0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the training log (JSON lines).")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    cache: Annotated[bool, typer.Option(help="Keep features for the next time.")] = True,
    figures: Annotated[
        bool, typer.Option(help="Evaluate under the recipe's protocols, for the card.")
    ] = True,
    max_clip_s: Annotated[
        float | None,
        typer.Option(min=1.0, metavar="S", help="Longest utterance, in seconds; 600 if not given."),
    ] = None,
    full_precision: Annotated[
        bool,
        typer.Option("--full-precision", help="Leave out the recipe's quantisation."),
    ] = False,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name; default: the file's stem.")
    ] = "",
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of your own data, for the card.")
    ] = None,
    commercial_use: Annotated[
        bool, typer.Option("--commercial-use", help="That licence allows commercial use.")
    ] = False,
) -> None:
    """Train a model by a recipe, evaluate it, and write its file.

    Corpora are looked for in the folder that SERKIT_CORPORA names.
    """
    try:
        from serkit.compression.quantize import learn
        from serkit.evaluation import (
            accept,
            check_acceptance,
            find_protocol,
            fit_acceptance,
            fit_final,
            under_licence,
        )
        from serkit.training import (
            MAX_CLIP_S,
            FeatureCache,
            load_recipe,
            load_utterances,
            make_dataset,
        )
    except ModuleNotFoundError as error:
        from serkit.errors import MissingExtraError

        raise MissingExtraError(error.name or "torch", "train", "training a model") from error
    from serkit.corpora import files_of
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import save_model

    refuse_unwritable(out, log, sources=[recipe, *files_of(corpus or ())])
    if commercial_use and licence is None:
        raise RecipeError("--commercial-use needs --licence")
    plan = load_recipe(recipe)
    left_out: dict[str, Any] = {"quantisation": None} if full_precision else {}
    plan = plan.model_copy(update=left_out if figures else {**left_out, "acceptance": ()})
    for wanted in plan.acceptance:
        find_protocol(wanted.protocol)
    corpora, utterances = load_utterances(plan, corpus or ())
    if licence is not None:
        corpora = under_licence(corpora, licence, commercial_use=commercial_use)
    if corpus:
        plan, notes = fit_acceptance(plan, utterances)
        for note in notes:
            complain(note)
    check_acceptance(plan, utterances)
    n_jobs = jobs or os.cpu_count() or 1
    kept = FeatureCache.default() if cache else None
    data = make_dataset(
        plan,
        utterances,
        jobs=n_jobs,
        cache=kept,
        track=tracker("Extracting features"),
        max_clip_s=max_clip_s or MAX_CLIP_S,
    )
    check_acceptance(plan, utterances, data.hashes)
    lines: list[str] = []

    def keep(epoch: Epoch) -> None:
        import json
        from dataclasses import asdict

        lines.append(json.dumps(asdict(epoch)) + "\n")

    epochs = getattr(plan.optimiser, "max_epochs", 1)
    with _EpochBar(epochs, keep) as on_epoch:
        model = fit_final(plan, data, corpora, seed=seed, learn=learn, on_epoch=on_epoch)
    if model.card.typical is None:
        complain(
            f"{len(data)} recordings are too few, or of too few speakers, to tell what is far from "
            "them: the model will not warn of it"
        )
    if log is not None:
        write_atomically(log, "".join(lines))
    if plan.acceptance:
        found = accept(plan, data, jobs=n_jobs, track=lambda name: tracker(f"Evaluating: {name}"))
        model = model.with_card(figures=found)
    model = model.with_card(name=name or name_of(out))
    size = save_model(model, out)
    say(f"{out}: {size} bytes, {model.n_parameters} parameters, {len(data)} recordings")


class _EpochBar:
    """A progress bar over epochs on a terminal; training may end before it is full."""

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
        said = f"Training (validation UA {epoch.validation_ua:.3f})"
        self._bar.update(self._task, completed=epoch.number, description=said)
