"""`serkit predict`: the emotion of each recording."""

from __future__ import annotations

import errno
import os
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from serkit.audio.formats import SUFFIXES
from serkit.cli.folders import with_folders
from serkit.cli.options import Encoder, Format, Profiles, Providers, Threads
from serkit.cli.personal import profile_of
from serkit.cli.predict_text import predict_text
from serkit.cli.progress import late_bar, progress
from serkit.cli.streams import complain
from serkit.errors import ModelError, ProfileError
from serkit.text import printable

if TYPE_CHECKING:
    from serkit.runtime import Prediction

    Answer = tuple[str, Prediction | Exception]


# Seconds of sound that are processed before a progress bar appears.
_LONG_S = 120.0


def predict(
    context: typer.Context,
    audio: Annotated[
        list[str] | None, typer.Argument(metavar="AUDIO...", help="Recordings, or folders of them.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="M",
            help="Shipped model or path of a file; tiny, or tiny-mel for .smel, if not given.",
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B", help="Restrict the prediction to these labels.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(metavar="P", help="Print no label below this probability.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Recognise this user's voice (see serkit profile)."),
    ] = None,
    profiles: Profiles = None,
    report: Annotated[
        Path | None, typer.Option(metavar="F.html", help="Write an HTML report with pictures.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Line of a dialogue, instead of AUDIO; repeatable."),
    ] = None,
    text_file: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Lines of dialogues; an empty line begins a new one."),
    ] = None,
    encoder: Encoder = None,
    threads: Threads = 0,
    provider: Providers = None,
    ray: Annotated[
        bool,
        typer.Option("--ray", help="Recognise on the Ray cluster of RAY_ADDRESS; default: local."),
    ] = False,
) -> None:
    """Recognise the emotion of recordings, or of lines of text.

    A recording that cannot be read is reported on stderr; the others are still
    classified, and the exit code is 2.
    """
    asked = labels.split(",") if labels is not None else None
    wanted = [label.strip() for label in asked] if asked is not None else None
    if text or text_file is not None:
        predict_text(
            text or [], text_file, audio=audio or [], model=model, encoder=encoder, labels=wanted,
            min_confidence=min_confidence, output=output, report=report, profile=profile,
        )  # fmt: skip
        return
    if not audio:
        raise typer.BadParameter("expected a recording, or --text", param_hint="AUDIO...")
    if ray and profile is not None:
        raise ProfileError("--profile is for one user's recordings; use it without --ray")
    if encoder is not None:
        raise ModelError("--encoder is for text; expected --text or --text-file")
    from serkit.files import refuse_unwritable
    from serkit.runtime import Prediction, default_model, load

    if report is not None and report.suffix.lower() in (*SUFFIXES, ".smel"):
        raise OSError(
            errno.EINVAL,
            "has the suffix of an audio file; expected F.html",
            str(report),
        )
    audio = with_folders(audio)
    refuse_unwritable(report, sources=[*audio, *([model] if model else [])])
    if profile is None:
        loaded = partial(
            load, model or default_model(audio), threads=threads, providers=provider or ()
        )
        recognizer = loaded()
    else:
        known = profile_of(profile, profiles, model, threads=threads, providers=provider or ())
        recognizer = known.model.with_profile(known)
    with late_bar("Recognising: seconds", after=_LONG_S) as on_seconds:
        if ray:
            from serkit.cluster import LOCAL
            from serkit.runtime.ray_data import predict_on_ray

            answers = predict_on_ray(
                audio, loaded, address=os.environ.get("RAY_ADDRESS", LOCAL), labels=wanted,
                min_confidence=min_confidence,
            )  # fmt: skip
        else:
            answers = recognizer.predict_many(
                audio, labels=wanted, min_confidence=min_confidence, on_seconds=on_seconds
            )
        paired = zip(audio, answers, strict=True)
        done: list[Answer] = list(progress(paired, total=len(audio), what="Recognising"))
    names = list(recognizer.labels)
    {Format.table: _print_table, Format.json: _print_json, Format.csv: _print_csv}[output](
        done, names
    )
    if report is not None:
        from serkit.runtime.report import write_report

        with late_bar("Drawing: seconds", after=_LONG_S) as on_seconds:
            shown = progress(done, total=len(done), what="Drawing")
            write_report(report, shown, backend=recognizer.backend, on_seconds=on_seconds)
    failed = [(file, answer) for file, answer in done if not isinstance(answer, Prediction)]
    for file, error in failed:
        complain(f"{file}: {error}")
        if context.find_root().params.get("debug"):
            traceback.print_exception(error)
    if failed:
        raise typer.Exit(2)


def _print_json(answers: list[Answer], labels: list[str]) -> None:
    import json

    typer.echo(json.dumps([_json_object(*answer) for answer in answers], indent=2))


def _json_object(file: str, answer: Prediction | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"file": file, "error": str(answer)}
    from serkit.runtime.timeline_text import prediction_object

    return {"file": file, **prediction_object(answer)}


def _print_csv(answers: list[Answer], labels: list[str]) -> None:
    import csv
    import sys

    from serkit.runtime.affect import UNKNOWN

    writer = csv.writer(sys.stdout, lineterminator="\n")

    def write(*cells: object) -> None:
        writer.writerow(map(printable, cells))

    affect = UNKNOWN.to_dict()
    write("file", "label", *labels, *affect, "duration_s", "model", "reason", "warnings", "error")
    for file, answer in answers:
        if isinstance(answer, Exception):
            write(file, *("" for _ in range(len(labels) + len(affect) + 5)), answer)
            continue
        write(
            file,
            answer.label or "",
            *(f"{answer.scores[name]:.6f}" if name in answer.scores else "" for name in labels),
            *(
                f"{value:.6f}" if isinstance(value, float) else value or ""
                for value in answer.affect.to_dict().values()
            ),
            f"{answer.duration_s:.6f}",
            answer.model,
            answer.reason or "",
            ";".join(warning.code for warning in answer.warnings),
            "",
        )


# With more labels than this, one column per label would not fit a terminal.
_MOST_COLUMNS = 5
# On narrower terminals lines wrap, since a narrower table would cut names.
_NARROWEST = 72


def _print_table(answers: list[Answer], labels: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=max(_NARROWEST, Console().width))
    asked = [n for n in labels if any(n in getattr(a, "scores", ()) for _, a in answers)]
    grid = len(asked) <= _MOST_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold", min_width=12)
    for name in ("emotion", *(asked if grid else ("probability", "then")), "seconds"):
        side: Literal["left", "right"] = "left" if name in ("emotion", "then") else "right"
        table.add_column(Text(printable(name)), justify=side, no_wrap=True)
    for shown, (_, answer) in zip(_short_names(answers), answers, strict=True):
        if isinstance(answer, Exception):
            table.add_row(Text(printable(shown)), Text("error", "red"))
            continue
        label = Text(printable(answer.label), "bold") if answer.label else Text("none", "dim")
        if answer.warnings:
            label.append(" !", "yellow")
        cells = _grid_cells(answer, asked) if grid else _ranked_cells(answer)
        table.add_row(Text(printable(shown)), label, *cells, f"{answer.duration_s:.2f}")
    console.print(table)
    for file, answer in answers:
        if not isinstance(answer, Exception) and answer.reason:
            console.print(Text(printable(f"{file}: {answer.reason}"), "dim"), soft_wrap=True)
        for warning in getattr(answer, "warnings", ()):
            console.print(Text(printable(f"! {file}: {warning}"), "yellow"), soft_wrap=True)


def _short_names(answers: list[Answer]) -> list[str]:
    """File names if they are distinct, else the paths as given."""
    names = [Path(file).name for file, _ in answers]
    return names if len(set(names)) == len(names) else [file for file, _ in answers]


def _grid_cells(answer: Prediction, asked: list[str]) -> list[str]:
    return [f"{answer.scores[name]:.2f}" if name in answer.scores else "" for name in asked]


def _ranked_cells(answer: Prediction) -> list[str]:
    ranked = sorted(answer.scores.items(), key=lambda item: -item[1])
    first = f"{ranked[0][1]:.2f}" if ranked else ""
    return [first, printable(", ".join(f"{name} {p:.2f}" for name, p in ranked[1:3]))]
