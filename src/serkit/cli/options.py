"""Options that several commands share."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

Jobs = Annotated[
    int,
    typer.Option(
        min=0, help="Processes; 0 for one per core.", callback=lambda n: n or os.cpu_count() or 1
    ),
]
MaxClip = Annotated[
    float | None,
    typer.Option(min=1.0, metavar="S", help="Longest utterance, in seconds; default: 600."),
]
Encoder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the encoder of a recipe or model of text."),
]
Profiles = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="SERKIT_PROFILES",
        show_envvar=False,
        help="Folder of the profiles; default: SERKIT_PROFILES, or in your data folder.",
    ),
]
Threads = Annotated[int, typer.Option(min=0, help="Threads of an ONNX model; 0 for one per core.")]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        metavar="P",
        help="Accelerator of an ONNX model: cuda, tensorrt, coreml, nnapi, ...; repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Format(StrEnum):
    """Output formats."""

    table = "table"
    json = "json"
    csv = "csv"


def print_json(values: Any) -> None:
    """Print JSON values to stdout."""
    typer.echo(json.dumps(values, indent=2))
