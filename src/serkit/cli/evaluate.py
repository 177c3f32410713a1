"""`serkit evaluate` and `serkit compare`: evaluation of models and recipes, comparison of runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.options import AsJson, Encoder, Jobs, MaxClip, print_json
from serkit.cli.progress import tracker
from serkit.cli.streams import say
from serkit.errors import CorpusError, MissingExtraError, ProtocolError, RecipeError

if TYPE_CHECKING:
    from serkit.evaluation import Outcome
    from serkit.training import Dataset
    from serkit.training.fusion import FusionData
    from serkit.training.speech import Recordings


def evaluate(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RECIPE",
            help="Model (shipped, or a .safetensors or .onnx file) to test on all recordings; or "
            "recipe (shipped, or a YAML file) to train and test on every fold.",
        ),
    ],
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="Corpus to test on; repeatable."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(metavar="P", help="Split of a recipe's data, such as loso.")
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]", help="Corpus of a recipe to train on only; repeatable."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Repetitions of a recipe, with seeds 0, 1, ...")
    ] = None,
    jobs: Jobs = 0,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Ray cluster to train a recipe on; local starts one."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for finished folds; resumes the run in it."),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Cache the features of recipes.")] = True,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Test a model on its training recordings.")
    ] = False,
    max_clip_s: MaxClip = None,
    encoder: Encoder = None,
    as_json: AsJson = False,
    report: Annotated[
        Path | None, typer.Option(metavar="F.html", help="Write an HTML page with plots.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the tables as Markdown.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the tables as LaTeX.")
    ] = None,
) -> None:
    """Evaluate a model or a recipe.

    Corpora without a path are read from the folder named by SERKIT_CORPORA.
    """
    from serkit.corpora import files_of
    from serkit.evaluation.figures import as_json as figures_as_json
    from serkit.evaluation.figures import figures as figures_of
    from serkit.evaluation.figures import tables
    from serkit.evaluation.report import write_report
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import is_model
    from serkit.training import MAX_CLIP_S

    refuse_unwritable(
        report, markdown, latex, run / "manifest.json" if run is not None else None,
        sources=[subject, *files_of([*(corpus or ()), *(anchor or ())])],
    )  # fmt: skip
    longest_s = max_clip_s or MAX_CLIP_S
    if is_model(subject):
        given = {"protocol": protocol, "anchor": anchor, "seeds": seeds, "ray": ray}
        for option, value in given.items():
            if value:
                raise ProtocolError(
                    f"--{option} applies to recipes only; {subject} is a trained model, which is "
                    "tested on all utterances"
                )
        name, outcome = _test_model(
            subject, corpus or [], run, jobs=jobs, allow_seen=allow_seen, max_clip_s=longest_s,
            encoder=encoder,
        )  # fmt: skip
    else:
        name, outcome = _test_recipe(
            subject, corpus or [], anchor or [], protocol, run,
            seeds=seeds or 1, jobs=jobs, ray=ray, cache=cache, max_clip_s=longest_s,
            encoder=encoder,
        )  # fmt: skip
    figures = figures_of(outcome)
    pages = tables(outcome, figures)
    command = shlex.join(["serkit", *sys.argv[1:]])
    if markdown is not None:
        write_atomically(markdown, "\n".join(table.to_markdown() for table in pages))
    if latex is not None:
        write_atomically(latex, "\n".join(table.to_latex() for table in pages))
    if report is not None:
        write_report(report, outcome, figures, model=name, command=command)
    if as_json:
        print_json({"model": name, "command": command, **figures_as_json(outcome, figures)})
    else:
        typer.echo(pages[0].to_markdown(), nl=False)


def _test_model(
    subject: str,
    specs: list[str],
    run: Path | None,
    *,
    jobs: int,
    allow_seen: bool,
    max_clip_s: float,
    encoder: Path | None,
) -> tuple[str, Outcome]:
    """Name and outcome of a trained model."""
    from serkit.corpora import as_texts, load_labelled
    from serkit.evaluation import (
        evaluate_model,
        refuse_seen,
        require_free,
        save_run,
        seen_by_name,
    )
    from serkit.runtime import load

    if not specs:
        raise CorpusError("a trained model needs --corpus, the corpus to test it on")
    if run is not None:
        require_free(run, begun=False)
    recognizer = load(subject) if encoder is None else load(subject, encoder=encoder)
    card = recognizer.card
    corpora, utterances = load_labelled(specs, labels=card.labels)
    if encoder is not None:
        corpora, utterances = as_texts(corpora, utterances)
    if not allow_seen:
        refuse_seen(
            card,
            corpora,
            utterances,
            jobs=jobs,
            track=tracker("Comparing recordings"),
            max_clip_s=max_clip_s,
        )
    outcome = evaluate_model(
        recognizer,
        utterances,
        seen=bool(seen_by_name(card, corpora)),
        jobs=jobs,
        track=tracker("Recognising"),
        max_clip_s=max_clip_s,
    )
    if run is not None:
        save_run(run, outcome, card.recipe)
    return card.name, outcome


def _test_recipe(
    subject: str,
    specs: list[str],
    anchors: list[str],
    protocol: str | None,
    run: Path | None,
    *,
    seeds: int,
    jobs: int,
    ray: str | None,
    cache: bool,
    max_clip_s: float,
    encoder: Path | None,
) -> tuple[str, Outcome]:
    """Name and outcome of a recipe."""
    try:
        from serkit.evaluation import evaluate, find_protocol, protocol_of, require_free
        from serkit.training import (
            FeatureCache,
            load_any_recipe,
            load_utterances,
            make_dataset,
        )
        from serkit.training.fusion import FusionRecipe, make_fusion_data
        from serkit.training.speech import (
            RecordingsRecipe,
            SpeechRecipe,
            load_recordings,
            make_recordings,
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train", "evaluating a recipe") from error
    from serkit.corpora import load
    from serkit.runtime import TextEncoder

    if run is not None:
        require_free(run)
    texts = TextEncoder.load(encoder, threads=jobs) if encoder is not None else None
    recipe = load_any_recipe(subject)
    if protocol is None:
        raise ProtocolError("a recipe needs --protocol, such as --protocol loso")
    only_train = tuple(sorted({u.corpus for spec in anchors for u in load(spec).utterances}))
    store = FeatureCache.default() if cache else None
    data: Dataset | Recordings | FusionData
    if isinstance(recipe, RecordingsRecipe) and only_train:
        recipe = recipe.model_copy(update={"anchors": only_train})
    if isinstance(recipe, SpeechRecipe):
        if texts is not None:
            raise RecipeError(f"the recipe {recipe.name} takes no text; leave the encoder out")
        split = protocol_of(recipe, protocol)
        _, utterances = load_recordings(recipe, specs, anchors)
        data = make_recordings(
            recipe, utterances, jobs=jobs, cache=store, track=tracker("Reading recordings"),
            max_clip_s=max_clip_s,
        )  # fmt: skip
    elif isinstance(recipe, FusionRecipe):
        recipe = recipe.bound_to(texts)
        split = protocol_of(recipe, protocol)
        _, utterances = load_recordings(recipe, specs, anchors)
        data = make_fusion_data(
            recipe, utterances, jobs=jobs, cache=store, track=tracker("Coding log-mel"),
            max_clip_s=max_clip_s, encoder=texts,
        )  # fmt: skip
    else:
        recipe = recipe.bound_to(texts)
        split = find_protocol(protocol).anchored(only_train)
        _, utterances = load_utterances(recipe, [*(specs or recipe.corpora), *anchors])
        data = make_dataset(
            recipe, utterances, jobs=jobs, cache=store, track=tracker("Extracting features"),
            max_clip_s=max_clip_s, encoder=texts,
        )  # fmt: skip
    outcome = evaluate(
        recipe,
        data,
        split,
        seeds=range(seeds),
        jobs=jobs,
        ray_address=ray,
        folder=run,
        track=tracker("Training and testing"),
    )
    return recipe.name, outcome


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of one run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of another run.")],
    as_json: AsJson = False,
) -> None:
    """Compare the UA of two runs on the same utterances."""
    from dataclasses import asdict

    from serkit.evaluation import compare as compare_runs
    from serkit.evaluation import load_run

    result = compare_runs(load_run(first), load_run(second))
    if as_json:
        print_json(asdict(result) | {"difference": result.difference, "verdict": result.verdict})
        return
    interval = "no interval"
    if result.interval is not None:
        low, high = result.interval.low, result.interval.high
        interval = f"95 % interval over speakers [{100 * low:+.1f}, {100 * high:+.1f}]"
    names = [*dict.fromkeys(result.protocols), *result.marks]
    say(
        f"UA {100 * result.first:.1f} % and {100 * result.second:.1f} % ({', '.join(names)}): "
        f"the second is {result.verdict}",
        f"difference {100 * result.difference:+.1f} points, "
        f"{interval}, p = {result.p_value:.4f} (sign flips), "
        f"{result.utterances} utterances of {result.speakers} speakers, "
        f"seed{'s' * (len(result.seeds) > 1)} {', '.join(map(str, result.seeds))}",
    )
    if len(result.seeds) == 1:
        say("one seed: this compares two trained models, not their recipes; add --seeds for that")
