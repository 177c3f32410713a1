"""`serkit train`: training of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.models import name_of
from serkit.cli.options import Encoder, Jobs, MaxClip
from serkit.cli.packing import Bits
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.cli.train_fusion import train_fusion
from serkit.cli.train_speech import train_speech
from serkit.cli.training import EpochBar, log_line
from serkit.errors import CorpusError, RecipeError

if TYPE_CHECKING:
    from serkit.training import Epoch


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Shipped recipe or path of a YAML file.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Model file to write; of a speech or fusion recipe, F.onnx.",
        ),
    ],
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="Corpus instead of the recipe's; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of training and of the hold-out.")] = 0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the training log (JSON lines).")
    ] = None,
    jobs: Jobs = 0,
    cache: Annotated[bool, typer.Option(help="Cache the features.")] = True,
    figures: Annotated[
        bool, typer.Option(help="Evaluate under the recipe's protocols, for the card.")
    ] = True,
    dimensions: Annotated[
        bool, typer.Option(help="Learn the recipe's arousal and valence.")
    ] = True,
    max_clip_s: MaxClip = None,
    encoder: Encoder = None,
    full_precision: Annotated[
        bool, typer.Option("--full-precision", help="Skip the recipe's quantisation.")
    ] = False,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name; default: the file's stem.")
    ] = "",
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of your own data, for the card.")
    ] = None,
    commercial_use: Annotated[
        bool, typer.Option("--commercial-use", help="Your data may be used commercially.")
    ] = False,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]",
            help="Speech or fusion recipe: anchor instead of the recipe's; repeatable.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="Speech recipe: fp32, fp16 or int8; fusion: fp32, fp16; default: fp16.",
        ),
    ] = None,
    bits: Bits = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Speech recipe: model to learn from as well."),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Recordings that the teacher alone labels."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Speech recipe: processes that read recordings; default: 0."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Speech recipe: log for TensorBoard.")
    ] = None,
) -> None:
    """Train and evaluate a recipe, and write a model file.

    Corpora without a path are read from the folder named by SERKIT_CORPORA. The training of a
    speech recipe keeps its state in FILE.checkpoint after every epoch: the same command resumes it.
    """
    try:
        from serkit.compression.quantize import learn
        from serkit.evaluation import (
            accept,
            check_acceptance,
            dimension_figures,
            find_protocol,
            fit_acceptance,
            fit_final,
            under_licence,
            with_dimensions,
        )
        from serkit.training import (
            MAX_CLIP_S,
            FeatureCache,
            extract_dataset,
            load_any_recipe,
            load_rated,
            load_utterances,
            make_dataset,
        )
        from serkit.training.fusion import FusionRecipe
        from serkit.training.speech import SpeechRecipe
    except ModuleNotFoundError as error:
        from serkit.errors import MissingExtraError

        raise MissingExtraError(error.name or "torch", "train", "training a model") from error
    from serkit.corpora import files_of
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import TextEncoder, TextRecipe, save_model

    refuse_unwritable(out, log, sources=[recipe, *files_of([*(corpus or ()), *(anchor or ())])])
    if commercial_use and licence is None:
        raise RecipeError("--commercial-use needs --licence")
    loaded = load_any_recipe(recipe)
    of_speech = {
        "bits": bits, "teacher": teacher, "unlabelled": unlabelled, "workers": workers,
        "tensorboard": tensorboard,
    }  # fmt: skip
    if isinstance(loaded, SpeechRecipe):
        _refuse({"encoder": encoder, "full-precision": full_precision}, loaded.name, "this recipe")
        train_speech(
            loaded, out, corpus or [], anchor or [], seed=seed, log=log, jobs=jobs, cache=cache,
            figures=figures, max_clip_s=max_clip_s or MAX_CLIP_S, name=name or name_of(out),
            licence=licence, commercial_use=commercial_use, precision=precision or "fp16",
            bits=bits, teacher=teacher, unlabelled=unlabelled, workers=workers or 0,
            tensorboard=tensorboard,
        )  # fmt: skip
        return
    _refuse(of_speech, loaded.name, "a recipe without an encoder of waveforms")
    if isinstance(loaded, FusionRecipe):
        _refuse({"full-precision": full_precision}, loaded.name, "this recipe")
        train_fusion(
            loaded, out, corpus or [], anchor or [], seed=seed, log=log, jobs=jobs, cache=cache,
            figures=figures, max_clip_s=max_clip_s or MAX_CLIP_S, name=name or name_of(out),
            licence=licence, commercial_use=commercial_use, precision=precision or "fp16",
            encoder=encoder,
        )  # fmt: skip
        return
    of_onnx = {"anchor": anchor, "precision": precision}
    _refuse(of_onnx, loaded.name, "a recipe of a model in NumPy")
    texts = TextEncoder.load(encoder, threads=jobs) if encoder is not None else None
    plan = loaded.bound_to(texts)
    left_out: dict[str, Any] = {"quantisation": None} if full_precision else {}
    left_out |= {} if dimensions else {"dimensions": None}
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
    try:
        sources, rated = load_rated(plan.dimensions) if plan.dimensions else ((), ())
    except CorpusError as error:
        raise CorpusError(f"{error}; or train without dimensions: --no-dimensions") from error
    extraction: dict[str, Any] = {
        "jobs": jobs,
        "cache": FeatureCache.default() if cache else None,
        "track": tracker("Extracting features"),
        "max_clip_s": max_clip_s or MAX_CLIP_S,
    }
    data = make_dataset(plan, utterances, encoder=texts, **extraction)
    check_acceptance(plan, utterances, data.hashes)
    lines: list[str] = []

    def keep(epoch: Epoch) -> None:
        lines.append(log_line(epoch))

    epochs = getattr(plan.optimiser, "max_epochs", 1)
    with EpochBar(epochs, keep) as on_epoch:
        model = fit_final(plan, data, corpora, seed=seed, learn=learn, on_epoch=on_epoch)
    if model.card.typical is None:
        complain(
            f"{len(data)} recordings are too few, or of too few speakers, to detect atypical "
            "input: the model will not warn of it"
        )
    if log is not None:
        write_atomically(log, "".join(lines))
    if plan.acceptance:
        card_figures = accept(
            plan, data, jobs=jobs, track=lambda name: tracker(f"Evaluating: {name}")
        )
        model = model.with_card(figures=card_figures)
    if plan.dimensions is not None and not isinstance(plan.input, TextRecipe):
        labels = sorted({u.label for u in rated})
        ratings = extract_dataset(plan.input, labels, rated, **extraction)
        model = with_dimensions(model, plan.dimensions, ratings, sources)
        heard = sorted({u.corpus for u in rated} & {u.corpus for u in utterances})
        if heard and figures:
            complain(
                f"no figures of {' and '.join(plan.dimensions.names)}: the network was trained on "
                f"{', '.join(heard)}, too"
            )
        elif figures:
            measured = dimension_figures(model, plan.dimensions, ratings)
            model = model.with_card(figures={**model.card.figures, "dimensions": measured})
    model = model.with_card(name=name or name_of(out))
    size = save_model(model, out)
    say(f"{out}: {size} bytes, {model.n_parameters} parameters, {len(data)} recordings")


def _refuse(options: dict[str, Any], name: str, what: str) -> None:
    """Refuse options that do not apply to a recipe."""
    for option, value in options.items():
        if value:
            raise RecipeError(f"--{option} does not apply to {name}, {what}; leave it out")
