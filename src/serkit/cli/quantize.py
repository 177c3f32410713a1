"""`serkit quantize`: a trained model -> the same in few bits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.progress import tracker
from serkit.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from serkit.runtime import Model
    from serkit.training import Dataset


def quantize(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model: shipped, or a .safetensors file.")
    ],
    corpus: Annotated[
        list[str],
        typer.Option(metavar="NAME[=PATH]", help="What decides the bits; repeatable."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The small model.")],
    protocol: Annotated[
        str,
        typer.Option(
            metavar="P",
            help="Its first fold is used: the validation part decides, the test part is reported.",
        ),
    ] = "speaker-folds",
    search: Annotated[
        str,
        typer.Option(metavar="importance|bytes", help="What decides which layer gives up bits."),
    ] = "importance",
    margin: Annotated[
        float,
        typer.Option(
            help="Fall of accuracy allowed to a layer of importance 1; by bytes, to the network."
        ),
    ] = 0.02,
    alpha: Annotated[
        float, typer.Option(help="Weight of the parameter share in a layer's importance, 0-1.")
    ] = 0.5,
    bits: Annotated[
        int | None, typer.Option(help="Bits of every layer, 1-8, instead of a search.")
    ] = None,
    fine_tuning: Annotated[
        int, typer.Option(help="Epochs of learning on, with rounded weights.", min=0)
    ] = 0,
    per_row: Annotated[
        bool, typer.Option(help="A step for each output, instead of one for a layer.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of fine-tuning.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    max_clip_s: Annotated[
        float | None,
        typer.Option(min=1.0, metavar="S", help="Longest utterance, in seconds; 600 if not given."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="F", help="Write figures and every trial.")
    ] = None,
) -> None:
    """Store a model's weights in 1 to 8 bits, layer by layer as it can bear.

    Corpora are looked for in the folder that SERKIT_CORPORA names.
    """
    try:
        from serkit.compression.quantize import quantize as quantize_model
        from serkit.evaluation import (
            find_protocol,
            guarded_folds,
            learned_from,
            seen_by_content,
            seen_by_name,
            told_apart,
        )
        from serkit.training import MAX_CLIP_S, FeatureCache, HoldOut, Recipe, extract_dataset
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train", "quantising a model") from error
    from dataclasses import asdict

    from serkit.corpora import load_all
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import load, save_model

    refuse_unwritable(out, json_file)
    plan = _plan(
        bits=bits,
        search=search,
        margin=margin,
        alpha=alpha,
        per_row=per_row,
        fine_tuning=fine_tuning,
    )
    full = load(model).model
    labels = full.card.labels
    corpora = load_all(corpus, labels=labels)
    utterances = told_apart(full.card, corpora)
    recipe = Recipe.of_card(full.card) if fine_tuning else None
    data = extract_dataset(
        full.card.features,
        labels,
        utterances,
        augmentation=recipe.augmentation if recipe else None,
        jobs=jobs or os.cpu_count() or 1,
        cache=FeatureCache.default(),
        track=tracker("Extracting features"),
        max_clip_s=max_clip_s or MAX_CLIP_S,
    )
    way = find_protocol(protocol)
    fold = guarded_folds(data, way, HoldOut("speaker", 0.15), seed=seed)[0]
    training, validation, test = (
        data.rows(part) for part in (fold.train, fold.validation, fold.test)
    )
    seen = bool(seen_by_name(full.card, corpora) or seen_by_content(full.card, data.hashes))
    found = quantize_model(
        full,
        plan,
        validation,
        training=training if fine_tuning else None,
        recipe=recipe,
        # On what it has learned the model is too sure: its temperature is then better kept.
        calibrate=not seen,
        seed=seed,
    )
    # Bits, calibration and fine-tuning are learned from them too; figures were the full model's.
    small = learned_from(found.model, corpora, data).with_card(
        figures={},
        recipe={**full.card.recipe, "quantisation": plan.model_dump(exclude_defaults=True)},
    )
    size = save_model(small, out)
    values: dict[str, Any] = {
        "model": full.card.name,
        "bits": found.bits,
        "average_bits": found.average_bits,
        "temperature": small.card.temperature,
        "calibrated": not seen,
        "bytes": size,
        "bytes_before": full.file_bytes,
        "protocol": way.name,
        "fold": fold.name,
        "marks": [
            *(["speaker-dependent"] if way.speaker_dependent else []),
            *(["trained on this corpus"] if seen else []),
        ],
        "validation": {
            "before": _scores(full, validation),
            "after": _scores(found.model, validation),
        },
        "test": {"before": _scores(full, test), "after": _scores(found.model, test)},
        "trials": [asdict(trial) for trial in found.trials],
    }
    if json_file is not None:
        write_atomically(json_file, json.dumps(values, indent=1) + "\n")
    marks = f" ({', '.join(values['marks'])})" if values["marks"] else ""
    kept = (
        "" if values["calibrated"] else "; the temperature is kept, as the model knows the speakers"
    )
    before, after = values["test"]["before"], values["test"]["after"]
    typer.echo(
        f"{out}: {size} bytes (before: {full.file_bytes}), layers of "
        f"{', '.join(map(str, found.bits))} bits, {found.average_bits:.2f} on average\n"
        f"UA {100 * after['ua']:.1f} % (before: {100 * before['ua']:.1f} %) on "
        f"{after['utterances']} utterances of fold {fold.name}{marks}{kept}"
    )


def _plan(**values: Any) -> Any:
    from pydantic import ValidationError

    from serkit.training import Quantisation

    try:
        return Quantisation(**values)
    except ValidationError as error:
        problems = (f"{e['loc'][0]} is {e['input']}: {e['msg']}" for e in error.errors())
        raise RecipeError("; ".join(problems)) from error


def _scores(model: Model, data: Dataset) -> dict[str, float | int]:
    from serkit.evaluation import confusion, unweighted_average_recall, weighted_accuracy

    answers = model.logits(data.features).argmax(axis=1)
    matrix = confusion(data.targets, answers, len(model.card.labels))
    return {
        "accuracy": weighted_accuracy(matrix),
        "ua": unweighted_average_recall(matrix),
        "utterances": len(data),
    }
