"""`serkit predict`: the emotion of each recording."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.progress import progress

if TYPE_CHECKING:
    from serkit.runtime import Prediction

    Answer = tuple[str, Prediction | Exception]


class Format(StrEnum):
    """How the answers are written."""

    table = "table"
    json = "json"
    csv = "csv"


def predict(
    audio: Annotated[list[str], typer.Argument(metavar="AUDIO...", help="Recordings.")],
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="M", help="Shipped model or path of a file.")
    ] = "tiny",
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
    labels: Annotated[
        str | None, typer.Option(metavar="A,B", help="Restrict the answer to these emotions.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(metavar="P", help="Give no label below this probability.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="F.html", help="Also write a page with pictures.")
    ] = None,
) -> None:
    """Recognise the emotion of recordings.

    A recording that cannot be read gets one line on stderr; the others still get their
    answers, and the exit code is then 2.
    """
    from serkit.runtime import Prediction, load

    recognizer = load(model)
    answers = recognizer.predict_many(
        audio,
        labels=[label.strip() for label in labels.split(",")] if labels is not None else None,
        min_confidence=min_confidence,
    )
    paired = zip(audio, answers, strict=True)
    done: list[Answer] = list(progress(paired, total=len(audio), what="Recognising"))
    names = list(recognizer.labels)
    {Format.table: _print_table, Format.json: _print_json, Format.csv: _print_csv}[output](
        done, names
    )
    if report is not None:
        from serkit.runtime.report import write_report

        shown = progress(done, total=len(done), what="Drawing")
        write_report(report, shown, model=recognizer.model)
    failed = [(file, answer) for file, answer in done if not isinstance(answer, Prediction)]
    for file, error in failed:
        typer.echo(f"serkit: {file}: {error}", err=True)
    if failed:
        raise typer.Exit(2)


def _print_json(answers: list[Answer], labels: list[str]) -> None:
    import json

    typer.echo(json.dumps([_json_object(*answer) for answer in answers], indent=2))


def _json_object(file: str, answer: Prediction | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"file": file, "error": str(answer)}
    values = {
        "file": file,
        "label": answer.label,
        "scores": {name: round(p, 6) for name, p in answer.scores.items()},
        "duration_s": round(answer.duration_s, 6),
        "model": answer.model,
    }
    return values if answer.reason is None else {**values, "reason": answer.reason}


def _print_csv(answers: list[Answer], labels: list[str]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "label", *labels, "duration_s", "model", "reason", "error"])
    for file, answer in answers:
        if isinstance(answer, Exception):
            writer.writerow([file, "", *("" for _ in labels), "", "", "", answer])
            continue
        scores = (f"{answer.scores[name]:.6f}" if name in answer.scores else "" for name in labels)
        writer.writerow(
            [
                file,
                answer.label or "",
                *scores,
                f"{answer.duration_s:.6f}",
                answer.model,
                answer.reason or "",
                "",
            ]
        )


def _print_table(answers: list[Answer], labels: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    asked = [n for n in labels if any(n in getattr(a, "scores", ()) for _, a in answers)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    table.add_column("emotion")
    for name in asked:
        table.add_column(name, justify="right")
    table.add_column("seconds", justify="right")
    notes = []
    for file, answer in answers:
        if isinstance(answer, Exception):
            table.add_row(Text(file), Text("error", "red"), *("" for _ in asked), "")
            continue
        if answer.reason:
            notes.append(f"{file}: {answer.reason}")
        scores = (
            Text(f"{p:.2f}" if p is not None else "", "bold" if name == answer.label else "")
            for name, p in ((name, answer.scores.get(name)) for name in asked)
        )
        label = Text(answer.label, "bold") if answer.label else Text("none", "dim")
        table.add_row(Text(file), label, *scores, f"{answer.duration_s:.2f}")
    console = Console()
    console.print(table)
    for note in notes:
        console.print(Text(note, "dim"), soft_wrap=True)
