"""`serkit predict --text`: the emotion of each line of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.cli.options import Format, print_json
from serkit.errors import ModelError
from serkit.text import printable, shortened

if TYPE_CHECKING:
    from serkit.runtime import TextPrediction

    Answer = tuple[str, TextPrediction]

MAX_BYTES = 64 << 20
"""Size of a file of lines, at most."""

_MOST_COLUMNS = 7
_SHOWN = 60


def predict_text(
    texts: Sequence[str],
    file: Path | None,
    *,
    audio: Sequence[str],
    model: str | None,
    encoder: Path | None,
    labels: Sequence[str] | None,
    min_confidence: float | None,
    output: Format,
    report: Path | None,
    profile: str | None,
) -> None:
    """Print the emotion of lines of text.

    Args:
        texts: Lines of one dialogue.
        file: File of dialogues.
        audio: Recordings, which are refused.
        model: The model.
        encoder: Folder of its encoder.
        labels: Labels to restrict the predictions to.
        min_confidence: Probability below which no label is printed.
        output: Output format.
        report: Path of a report, which is refused.
        profile: Name of a profile, which is refused.

    Raises:
        ModelError: An option is missing or refused, or the model cannot be used.
        OSError: The file cannot be read.
    """
    given = {"a recording": audio, "--report": report, "--profile": profile}
    if other := next((name for name, value in given.items() if value), None):
        raise ModelError(f"{other} is given together with text; expected one or the other")
    if model is None or encoder is None:
        missing = "--model" if model is None else "--encoder"
        raise ModelError(
            f"text needs {missing}: a model trained on text (serkit train) and the folder of its "
            "encoder (serkit encoder export)"
        )
    from serkit.runtime import load

    dialogues = ([list(texts)] if texts else []) + (_dialogues(file) if file is not None else [])
    recognizer = load(model, encoder=encoder)
    answers = [
        answer
        for lines in dialogues
        for answer in zip(
            lines,
            recognizer.dialogue(lines, labels=labels, min_confidence=min_confidence),
            strict=True,
        )
    ]
    if output is Format.json:
        print_json([_json_object(*answer) for answer in answers])
    elif output is Format.csv:
        _print_csv(answers, recognizer.labels)
    else:
        _print_table(answers, recognizer.labels)


def _dialogues(path: Path) -> list[list[str]]:
    """The dialogues of a file: lines, separated by empty lines."""
    from serkit.files import read_bounded

    content = read_bounded(path, MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ModelError(
            f"{path} is not UTF-8: byte 0x{content[error.start]:02x} in line {line}; save it as "
            "UTF-8"
        ) from error
    dialogues: list[list[str]] = [[]]
    # Only these end a line: str.splitlines also splits at form feeds and others.
    for one in text.replace("\r\n", "\n").split("\n"):
        if one.strip():
            dialogues[-1].append(one)
        elif dialogues[-1]:
            dialogues.append([])
    return [lines for lines in dialogues if lines]


def _json_object(line: str, answer: TextPrediction) -> dict[str, Any]:
    values = {
        "text": line,
        "label": answer.label,
        "scores": {name: round(p, 6) for name, p in answer.scores.items()},
        "model": answer.model,
        "warnings": [{"code": w.code, "message": w.message} for w in answer.warnings],
    }
    return values if answer.reason is None else {**values, "reason": answer.reason}


def _print_csv(answers: Sequence[Answer], labels: Sequence[str]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")

    def write(*cells: object) -> None:
        writer.writerow(map(printable, cells))

    write("text", "label", *labels, "model", "reason", "warnings")
    for line, answer in answers:
        write(
            line,
            answer.label or "",
            *(f"{answer.scores[name]:.6f}" if name in answer.scores else "" for name in labels),
            answer.model,
            answer.reason or "",
            ";".join(warning.code for warning in answer.warnings),
        )


def _print_table(answers: Sequence[Answer], labels: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=max(100, Console().width))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("text", overflow="fold", min_width=20)
    asked = [name for name in labels if any(name in answer.scores for _, answer in answers)]
    grid = asked if len(asked) <= _MOST_COLUMNS else []
    for name in ("emotion", *(grid or ["probability"])):
        table.add_column(Text(printable(name)), no_wrap=True)
    for line, answer in answers:
        label = Text(printable(answer.label), "bold") if answer.label else Text("none", "dim")
        if answer.warnings:
            label.append(" !", "yellow")
        best = max(answer.scores.values(), default=None)
        cells = [f"{answer.scores[n]:.2f}" if n in answer.scores else "" for n in grid]
        cells = cells or ["" if best is None else f"{best:.2f}"]
        table.add_row(Text(printable(shortened(line, _SHOWN))), label, *cells)
    console.print(table)
    for line, answer in answers:
        shown = printable(shortened(line, _SHOWN))
        if answer.reason:
            console.print(Text(f"{shown}: {printable(answer.reason)}", "dim"), soft_wrap=True)
        for warning in answer.warnings:
            console.print(Text(f"! {shown}: {printable(warning)}", "yellow"), soft_wrap=True)
