"""`serkit train` of a recipe of a network on waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.packing import packing
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.cli.training import EpochBar, log_line, utterances_of

if TYPE_CHECKING:
    from serkit.training import Epoch
    from serkit.training.speech import SpeechRecipe


def train_speech(
    plan: SpeechRecipe,
    out: Path,
    specs: Sequence[str],
    anchors: Sequence[str],
    *,
    seed: int,
    log: Path | None,
    jobs: int,
    cache: bool,
    figures: bool,
    max_clip_s: float,
    name: str,
    licence: str | None,
    commercial_use: bool,
    precision: str,
    bits: str | None,
    teacher: str | None,
    unlabelled: Path | None,
    workers: int,
    tensorboard: Path | None,
) -> None:
    """Train a network, evaluate its recipe, and write an ONNX model; see `serkit.cli.train`."""
    from serkit.compression.classifier_export import save_classifier
    from serkit.compression.speech_export import check_precision, export_speech
    from serkit.errors import RecipeError
    from serkit.evaluation import accept, check_acceptance, fit_final_speech
    from serkit.files import write_atomically
    from serkit.runtime import load as load_model
    from serkit.training import FeatureCache
    from serkit.training.speech import (
        Teacher,
        learn_speech,
        make_recordings,
        unlabelled_utterances,
    )
    from serkit.training.speech.processes import Processes

    check_precision(precision)
    packed = packing(bits, int8=precision == "int8", option="--precision int8")
    if unlabelled is not None and teacher is None:
        raise RecipeError("--unlabelled needs --teacher, the model that labels the recordings")
    teaches = (
        None
        if teacher is None
        else Teacher(load_model(teacher), tracker("Listening to the teacher"))
    )
    processes = Processes()
    jobs = jobs if processes.count == 1 else 1
    plan, corpora, utterances = utterances_of(
        plan, specs, anchors, figures=figures and teaches is None, licence=licence,
        commercial_use=commercial_use,
    )  # fmt: skip
    make = partial(
        make_recordings,
        plan,
        jobs=jobs,
        cache=FeatureCache.default() if cache else None,
        max_clip_s=max_clip_s,
    )
    data = make(utterances, track=tracker("Reading recordings"))
    check_acceptance(plan, utterances, data.hashes)
    more = None
    if unlabelled is not None:
        found = unlabelled_utterances(unlabelled)
        more = make(found, track=tracker("Reading recordings without labels"))
    lines: list[str] = []
    board = None
    if tensorboard is not None and processes.first:
        from serkit.training.speech.board import Board

        board = Board(tensorboard)

    def keep(epoch: Epoch) -> None:
        lines.append(log_line(epoch))
        if board is not None:
            board.add(epoch)

    checkpoint = out.with_name(f"{out.name}.checkpoint")
    try:
        with EpochBar(plan.optimiser.max_epochs, keep) as on_epoch:
            model = fit_final_speech(
                plan, data, corpora, seed=seed, teacher=teaches, unlabelled=more,
                learn=partial(
                    learn_speech, workers=workers, checkpoint=checkpoint, on_epoch=on_epoch
                ),
            )  # fmt: skip
        if plan.acceptance:
            card_figures = accept(
                plan, data, jobs=jobs, track=lambda name: tracker(f"Evaluating: {name}")
            )
            model = model.with_card(figures=card_figures)
    except KeyboardInterrupt:
        if checkpoint.exists():
            epochs = "1 epoch" if len(lines) == 1 else f"{len(lines)} epochs"
            complain(f"{checkpoint} keeps {epochs}; the same command goes on from there")
        raise
    if not processes.first:
        return
    model = model.with_card(name=name)
    exported = export_speech(model, precision=precision, packed=packed, recordings=data)
    if log is not None:
        write_atomically(log, "".join(lines))
    size = save_classifier(exported, model.card, out)
    checkpoint.unlink(missing_ok=True)
    say(
        f"{out}: {size} bytes, {exported.description.n_parameters} parameters, {precision}, "
        f"{len(data)} recordings; largest difference to torch {exported.difference:.2g}"
    )
