"""`serkit evaluate` and `serkit compare`: how good a model or recipe is, and which is better."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.progress import tracker
from serkit.cli.streams import say
from serkit.errors import CorpusError, MissingExtraError, ProtocolError

if TYPE_CHECKING:
    from serkit.evaluation import Outcome
    from serkit.runtime import Model


def evaluate(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|RECIPE",
            help="A model (shipped, or a .safetensors file) tested as it is; or a recipe "
            "(shipped, or a YAML file) trained and tested on every fold.",
        ),
    ],
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="What to test on; repeatable."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="P", help="How to split, such as loso; only for a recipe."),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=PATH]", help="A corpus that only ever trains; repeatable."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Repetitions of a recipe, with seeds 0, 1, ...")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Work on this Ray cluster; local for here.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep finished folds here; a second call goes on."),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Keep features of recipes for the next time.")] = True,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Test a model on recordings of its training.")
    ] = False,
    max_clip_s: Annotated[
        float | None,
        typer.Option(min=1.0, metavar="S", help="Longest utterance, in seconds; 600 if not given."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="F", help="Write all figures.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="F.html", help="Write a page with pictures.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="F", help="Write the tables.")] = None,
    latex: Annotated[Path | None, typer.Option(metavar="F", help="Write the tables.")] = None,
) -> None:
    """Measure a model or a recipe, without fooling anyone.

    Corpora are looked for in the folder that SERKIT_CORPORA names.
    """
    from serkit.corpora import files_of
    from serkit.evaluation import require_free, save_run
    from serkit.evaluation.figures import as_json, figures, tables
    from serkit.evaluation.report import write_report
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import available_models, load_network
    from serkit.runtime.shipped import SUFFIX
    from serkit.training import MAX_CLIP_S

    refuse_unwritable(
        json_file, report, markdown, latex, run / "manifest.json" if run is not None else None,
        sources=[subject, *files_of([*(corpus or ()), *(anchor or ())])],
    )  # fmt: skip
    n_jobs = jobs or os.cpu_count() or 1
    longest_s = max_clip_s or MAX_CLIP_S
    if subject in available_models() or subject.endswith(SUFFIX):
        for given, option in (
            (protocol, "--protocol"),
            (anchor, "--anchor"),
            (seeds, "--seeds"),
            (ray, "--ray"),
        ):
            if given:
                raise ProtocolError(
                    f"{option} is for recipes; {subject} is a trained model, which is tested as "
                    "it is on all utterances"
                )
        if run is not None:
            require_free(run, begun=False)
        model = load_network(subject)
        name = model.card.name
        outcome = _test_model(
            model, corpus or [], n_jobs, allow_seen=allow_seen, max_clip_s=longest_s
        )
        if run is not None:
            save_run(run, outcome, model.card.recipe)
    else:
        try:
            from serkit.evaluation import evaluate as evaluate_recipe
            from serkit.training import FeatureCache, load_recipe, load_utterances, make_dataset
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                error.name or "torch", "train", "evaluating a recipe"
            ) from error
        if run is not None:
            require_free(run)
        recipe = load_recipe(subject)
        name = recipe.name
        if protocol is None:
            raise ProtocolError("a recipe needs --protocol, such as --protocol loso")
        from serkit.corpora import load as load_corpus
        from serkit.evaluation import find_protocol

        anchors = [load_corpus(spec) for spec in anchor or ()]
        held = sorted({u.corpus for loaded in anchors for u in loaded.utterances})
        way = find_protocol(protocol).anchored(held)
        specs = [*(corpus or recipe.corpora), *(anchor or ())]
        _, utterances = load_utterances(recipe, specs)
        kept = FeatureCache.default() if cache else None
        data = make_dataset(
            recipe,
            utterances,
            jobs=n_jobs,
            cache=kept,
            track=tracker("Extracting features"),
            max_clip_s=longest_s,
        )
        outcome = evaluate_recipe(
            recipe,
            data,
            way,
            seeds=range(seeds or 1),
            jobs=n_jobs,
            ray_address=ray,
            folder=run,
            track=tracker("Training and testing"),
        )
    found = figures(outcome)
    made = tables(outcome, found)
    command = shlex.join(["serkit", *sys.argv[1:]])
    for table in made[:1]:
        typer.echo(table.to_markdown(), nl=False)
    if json_file is not None:
        values = {"model": name, "command": command, **as_json(outcome, found)}
        write_atomically(json_file, json.dumps(values, indent=1) + "\n")
    if markdown is not None:
        write_atomically(markdown, "\n".join(table.to_markdown() for table in made))
    if latex is not None:
        write_atomically(latex, "\n".join(table.to_latex() for table in made))
    if report is not None:
        write_report(report, outcome, found, model=name, command=command)


def _test_model(
    model: Model, specs: list[str], jobs: int, *, allow_seen: bool, max_clip_s: float
) -> Outcome:
    from serkit.corpora import load_all
    from serkit.evaluation import evaluate_model, refuse_seen, seen_by_name, told_apart

    if not specs:
        raise CorpusError("a trained model needs --corpus, what to test it on")
    card = model.card
    corpora = load_all(specs, labels=card.labels)
    utterances = told_apart(card, corpora)
    if not allow_seen:
        refuse_seen(
            card,
            corpora,
            utterances,
            jobs=jobs,
            track=tracker("Comparing recordings"),
            max_clip_s=max_clip_s,
        )
    seen = bool(seen_by_name(card, corpora))
    return evaluate_model(
        model,
        utterances,
        seen=seen,
        jobs=jobs,
        track=tracker("Listening"),
        max_clip_s=max_clip_s,
    )


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of one run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of another.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether the second run is better than the first, on the same utterances."""
    from dataclasses import asdict

    from serkit.evaluation import compare as compare_runs
    from serkit.evaluation import load_run

    found = compare_runs(load_run(first), load_run(second))
    if as_json:
        values: dict[str, Any] = {
            **asdict(found),
            "difference": found.difference,
            "verdict": found.verdict,
        }
        typer.echo(json.dumps(values, indent=2))
        return
    interval = "no interval"
    if found.interval is not None:
        low, high = found.interval.low, found.interval.high
        interval = f"95 % interval over speakers [{100 * low:+.1f}, {100 * high:+.1f}]"
    told = [*dict.fromkeys(found.protocols), *found.marks]
    say(
        f"UA {100 * found.first:.1f} % and {100 * found.second:.1f} % ({', '.join(told)}): "
        f"the second is {found.verdict}",
        f"difference {100 * found.difference:+.1f} points, "
        f"{interval}, p = {found.p_value:.4f} (sign flips), "
        f"{found.utterances} utterances of {found.speakers} speakers, "
        f"seed{'s' * (len(found.seeds) > 1)} {', '.join(map(str, found.seeds))}",
    )
    if len(found.seeds) == 1:
        say(
            "one training each: this tells the models apart, not the recipes; evaluate with more "
            "--seeds for that"
        )
