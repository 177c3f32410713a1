"""`serkit quantize`: quantisation of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.models import name_of
from serkit.cli.options import AsJson, Encoder, Jobs, MaxClip, print_json
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from serkit.evaluation import Shrunk
    from serkit.runtime import Model


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Shipped model or path of a file.")],
    corpus: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[=PATH]", help="Corpus to choose bits and calibrate on; repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The quantised model.")],
    protocol: Annotated[
        str,
        typer.Option(
            metavar="P",
            help="Split of the corpus: the validation part of its first fold chooses the bits, "
            "the test part is reported.",
        ),
    ] = "speaker-folds",
    search: Annotated[
        str, typer.Option(metavar="importance|bytes", help="Search for the bits of each layer.")
    ] = "importance",
    margin: Annotated[
        float,
        typer.Option(
            help="Allowed loss of accuracy: per layer of importance 1, or for the whole network "
            "in a search by bytes."
        ),
    ] = 0.02,
    alpha: Annotated[
        float, typer.Option(help="Weight of the parameter share in a layer's importance, 0-1.")
    ] = 0.5,
    bits: Annotated[
        int | None, typer.Option(help="Bits of every layer, 1-8, instead of a search.")
    ] = None,
    fine_tuning: Annotated[
        int, typer.Option(help="Epochs of training with quantised weights.", min=0)
    ] = 0,
    per_row: Annotated[
        bool, typer.Option(help="One quantisation step per output instead of one per layer.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and of fine-tuning.")] = 0,
    jobs: Jobs = 0,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name; default: the file's stem.")
    ] = "",
    max_clip_s: MaxClip = None,
    encoder: Encoder = None,
    as_json: AsJson = False,
) -> None:
    """Quantise a model's weights to 1 to 8 bits per layer.

    Corpora without a path are read from the folder named by SERKIT_CORPORA.
    """
    try:
        from serkit.evaluation import find_protocol, shrink
        from serkit.training import (
            MAX_CLIP_S,
            FeatureCache,
            Recipe,
            embed_dataset,
            extract_dataset,
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train", "quantising a model") from error
    from serkit.corpora import as_texts, files_of, load_labelled
    from serkit.files import refuse_unwritable
    from serkit.runtime import TextEncoder, TextRecipe, load_network, save_model

    refuse_unwritable(out, sources=[model, *files_of(corpus)])
    plan = _plan(
        bits=bits,
        search=search,
        margin=margin,
        alpha=alpha,
        per_row=per_row,
        fine_tuning=fine_tuning,
    )
    full = load_network(model)
    split = find_protocol(protocol)
    corpora, utterances = load_labelled(corpus, labels=full.card.labels)
    recipe = Recipe.of_card(full.card) if fine_tuning else None
    cache, track = FeatureCache.default(), tracker("Extracting features")
    if isinstance(full.card.input, TextRecipe):
        corpora, utterances = as_texts(corpora, utterances)
        texts = TextEncoder.load(encoder, threads=jobs) if encoder is not None else None
        data = embed_dataset(
            full.card.input, full.card.labels, utterances, encoder=texts, cache=cache, track=track
        )
    else:
        data = extract_dataset(
            full.recipe,
            full.card.labels,
            utterances,
            augmentation=recipe.augmentation if recipe else None,
            jobs=jobs,
            cache=cache,
            track=track,
            max_clip_s=max_clip_s or MAX_CLIP_S,
        )
    shrunk = shrink(full, plan, data, corpora, split, recipe=recipe, seed=seed)
    small = shrunk.model.with_card(name=name or name_of(out))
    size = save_model(small, out)
    if as_json:
        print_json(_values(full, small, size, split.name, shrunk))
    else:
        say(*_lines(full, small, size, out, shrunk))
    for warning in shrunk.warnings:
        complain(f"warning: {warning}")


def _lines(full: Model, small: Model, size: int, out: Path, shrunk: Shrunk) -> tuple[str, ...]:
    (before, after), chosen = shrunk.test, shrunk.quantised
    marks = f" ({', '.join(shrunk.marks)})" if shrunk.marks else ""
    return (
        f"{out}: {size} bytes (before: {full.file_bytes}), layers of "
        f"{', '.join(map(str, chosen.bits))} bits, {chosen.average_bits:.2f} on average",
        f"UA {100 * after.ua:.1f} % (before: {100 * before.ua:.1f} %), ECE {100 * after.ece:.1f} % "
        f"(before: {100 * before.ece:.1f} %) on {after.utterances} utterances of fold "
        f"{shrunk.fold}{marks}",
        f"temperature {small.card.temperature:.3f} (before: {full.card.temperature:.3f}), "
        f"calibrated on {shrunk.calibrated_on}",
    )


def _values(full: Model, small: Model, size: int, protocol: str, shrunk: Shrunk) -> dict[str, Any]:
    """The result as JSON values, with all trials of the search."""
    from dataclasses import asdict

    def before_and_after(pair: tuple[Any, Any]) -> dict[str, Any]:
        return dict(zip(("before", "after"), map(asdict, pair), strict=True))

    chosen = shrunk.quantised
    return {
        "model": small.card.name,
        "made_of": full.card.name,
        "bits": chosen.bits,
        "average_bits": chosen.average_bits,
        "temperature": {"before": full.card.temperature, "after": small.card.temperature},
        "calibrated_on": shrunk.calibrated_on,
        "bytes": size,
        "bytes_before": full.file_bytes,
        "protocol": protocol,
        "fold": shrunk.fold,
        "marks": shrunk.marks,
        "warnings": shrunk.warnings,
        "validation": before_and_after(shrunk.validation),
        "test": before_and_after(shrunk.test),
        "trials": [asdict(trial) for trial in chosen.trials],
    }


def _plan(**values: Any) -> Any:
    from pydantic import ValidationError

    from serkit.training import Quantisation

    try:
        return Quantisation(**values)
    except ValidationError as error:
        problems = (f"{e['loc'][0]} is {e['input']}: {e['msg']}" for e in error.errors())
        raise RecipeError("; ".join(problems)) from error
