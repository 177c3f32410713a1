"""`serkit models`: the shipped models and their cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.options import AsJson

app = typer.Typer(help="List the shipped models, or show a model's card.", rich_markup_mode=None)


def name_of(file: Path) -> str:
    """Default name of a model: the stem of its file."""
    return file.stem.encode("utf-8", "replace").decode()


@app.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> None:
    """List the shipped models, or show a model's card."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from serkit.runtime import available_models, load_backend

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "emotions", "KB", "commercial use"):
        table.add_column(column, justify="right" if column == "KB" else "left")
    for name in available_models():
        model = load_backend(name)
        free = all(corpus.commercial_use for corpus in model.card.corpora)
        table.add_row(
            name,
            " ".join(model.card.labels),
            f"{model.file_bytes / 1000:.1f}",
            "yes" if free else "no",
        )
    Console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Shipped model, or path of a file.")],
    as_json: AsJson = False,
) -> None:
    """Show a model's card: figures, size, training corpora and their licences."""
    from serkit.runtime import load_described
    from serkit.runtime.card_text import card_as_json, card_as_text

    model = load_described(name)
    typer.echo(card_as_json(model) if as_json else card_as_text(model))
