"""`serkit corpus`: utterance counts of a corpus on disk, and its oddities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.options import AsJson, print_json
from serkit.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from serkit.corpora import Corpus, Stats, Survey

app = typer.Typer(help="Inspect a corpus on disk.", no_args_is_help=True)

ODDITIES_SHOWN = 20
SPEAKERS_SHOWN = 30


@app.callback()
def _corpus() -> None:
    """Inspect a corpus on disk."""


@app.command()
def stats(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="NAME[=PATH]",
            help="Corpus; read from the folder $SERKIT_CORPORA unless a path is given.",
        ),
    ],
    as_json: AsJson = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every speaker and every odd file.")
    ] = False,
) -> None:
    """Count utterances by speaker and label, and list odd files."""
    from serkit.corpora import load

    corpus = load(spec)
    survey = _inspected(corpus)
    if as_json:
        print_json(_values(corpus, survey))
    else:
        _print(corpus, survey, everything=everything)


def _inspected(corpus: Corpus) -> Survey:
    """Inspect a corpus, with progress bars if stderr is a terminal."""
    from serkit.audio import SAMPLE_RATE
    from serkit.cli.progress import bar
    from serkit.corpora import audio_files, inspect

    with (
        bar(f"Reading {corpus.name}: files", len(audio_files(corpus))) as on_file,
        bar("seconds of sound") as on_seconds,
    ):
        return inspect(
            corpus,
            on_file=lambda: on_file(1),
            on_samples=lambda n: on_seconds(n / SAMPLE_RATE),
        )


def _values(corpus: Corpus, survey: Survey) -> dict[str, Any]:
    """The counts and oddities as JSON values."""
    table = survey.stats
    return {
        "name": corpus.name,
        "root": str(corpus.root),
        "title": corpus.info.title,
        "licence": corpus.info.licence,
        "commercial_use": corpus.info.commercial_use,
        "expected": corpus.info.expected,
        "utterances": table.total,
        "duration_s": table.duration_s,
        "speakers": {
            speaker: dict(zip(table.labels, row, strict=True))
            for speaker, row in zip(table.speakers, table.counts, strict=True)
        },
        "oddities": [
            {"path": str(oddity.path), "problem": oddity.problem} for oddity in survey.oddities
        ],
    }


def _print(corpus: Corpus, survey: Survey, *, everything: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    table, info = survey.stats, corpus.info
    console.print(
        Text(printable(f"{info.title} ({info.language}), licence: {info.licence}"), "bold")
    )
    console.print(_table(table, len(table.speakers) if everything else SPEAKERS_SHOWN))
    length = "" if table.duration_s is None else f", {table.duration_s / 3600:.2f} h"
    console.print(
        f"{_many(table.total, 'utterance')}{length}, {_many(len(table.speakers), 'speaker')}, "
        f"{_many(len(table.labels), 'class', 'classes')}"
    )
    odd = survey.oddities
    console.print(f"{_many(len(odd), 'oddity', 'oddities')}{':' if odd else ''}")
    for oddity in odd if everything else odd[:ODDITIES_SHOWN]:
        inside = oddity.path.is_relative_to(corpus.root) and oddity.path != corpus.root
        path = oddity.path.relative_to(corpus.root) if inside else oddity.path
        console.print(Text(f"  {printable(f'{path}: {oddity.problem}')}"), soft_wrap=True)
    if not everything and len(odd) > ODDITIES_SHOWN:
        console.print(f"  and {len(odd) - ODDITIES_SHOWN} more (--all shows them)")


def _table(stats: Stats, shown: int) -> Table:
    """Speakers as rows, classes as columns; speakers beyond the largest `shown` are summed up."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = list(zip(stats.speakers, stats.counts, strict=True))
    kept = sorted(rows, key=lambda row: -sum(row[1]))[:shown]
    others = [row[1] for row in rows if row not in kept]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_footer=True)
    totals = [sum(column) for column in zip(*stats.counts, strict=True)]
    # 80 columns: six per class, nine for the sums and edges.
    room = 80 - 9 - 6 * len(stats.labels)
    table.add_column("speaker", footer="all", no_wrap=True, max_width=max(8, min(20, room)))
    for label, total in zip(stats.labels, totals, strict=True):
        # With many classes headings are shortened, numbers never.
        width = max(3, len(str(total)))
        table.add_column(
            Text(printable(label)),
            footer=str(total),
            justify="right",
            overflow="ellipsis",
            min_width=width,
        )
    table.add_column("all", footer=str(stats.total), justify="right")
    for speaker, counts in sorted(kept):
        table.add_row(Text(printable(speaker)), *map(str, counts), str(sum(counts)))
    if others:
        rest = [sum(column) for column in zip(*others, strict=True)]
        table.add_row(f"{len(others)} others", *map(str, rest), str(sum(rest)))
    return table


def _many(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
