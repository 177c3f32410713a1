"""`serkit quantize`: a trained model -> the same in few bits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from serkit.cli.models import name_of
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.errors import MissingExtraError, RecipeError


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
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name; default: the file's stem.")
    ] = "",
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
        from serkit.evaluation import find_protocol, shrink, told_apart
        from serkit.training import MAX_CLIP_S, FeatureCache, Recipe, extract_dataset
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train", "quantising a model") from error
    from dataclasses import asdict

    from serkit.corpora import files_of, load_all
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import load_network, save_model

    refuse_unwritable(out, json_file, sources=[model, *files_of(corpus)])
    plan = _plan(
        bits=bits,
        search=search,
        margin=margin,
        alpha=alpha,
        per_row=per_row,
        fine_tuning=fine_tuning,
    )
    full = load_network(model)
    way = find_protocol(protocol)
    corpora = load_all(corpus, labels=full.card.labels)
    utterances = told_apart(full.card, corpora)
    recipe = Recipe.of_card(full.card) if fine_tuning else None
    data = extract_dataset(
        full.recipe,
        full.card.labels,
        utterances,
        augmentation=recipe.augmentation if recipe else None,
        jobs=jobs or os.cpu_count() or 1,
        cache=FeatureCache.default(),
        track=tracker("Extracting features"),
        max_clip_s=max_clip_s or MAX_CLIP_S,
    )
    found = shrink(full, plan, data, corpora, way, recipe=recipe, seed=seed)
    small = found.model.with_card(name=name or name_of(out))
    size = save_model(small, out)
    (before, after), chosen = found.test, found.quantised
    if json_file is not None:
        values: dict[str, Any] = {
            "model": small.card.name,
            "made_of": full.card.name,
            "bits": chosen.bits,
            "average_bits": chosen.average_bits,
            "temperature": {"before": full.card.temperature, "after": small.card.temperature},
            "calibrated_on": found.calibrated_on,
            "bytes": size,
            "bytes_before": full.file_bytes,
            "protocol": way.name,
            "fold": found.fold,
            "marks": found.marks,
            "warnings": found.warnings,
            "validation": dict(zip(_WHEN, map(asdict, found.validation), strict=True)),
            "test": dict(zip(_WHEN, map(asdict, found.test), strict=True)),
            "trials": [asdict(trial) for trial in chosen.trials],
        }
        write_atomically(json_file, json.dumps(values, indent=1) + "\n")
    marks = f" ({', '.join(found.marks)})" if found.marks else ""
    say(
        f"{out}: {size} bytes (before: {full.file_bytes}), layers of "
        f"{', '.join(map(str, chosen.bits))} bits, {chosen.average_bits:.2f} on average",
        f"UA {100 * after.ua:.1f} % (before: {100 * before.ua:.1f} %), ECE {100 * after.ece:.1f} % "
        f"(before: {100 * before.ece:.1f} %) on {after.utterances} utterances of fold "
        f"{found.fold}{marks}",
        f"temperature {small.card.temperature:.3f} (before: {full.card.temperature:.3f}), by "
        f"{found.calibrated_on}",
    )
    for warning in found.warnings:
        complain(f"warning: {warning}")


_WHEN = ("before", "after")


def _plan(**values: Any) -> Any:
    from pydantic import ValidationError

    from serkit.training import Quantisation

    try:
        return Quantisation(**values)
    except ValidationError as error:
        problems = (f"{e['loc'][0]} is {e['input']}: {e['msg']}" for e in error.errors())
        raise RecipeError("; ".join(problems)) from error
