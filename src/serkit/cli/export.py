"""`serkit export`: a model for another target."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.streams import say


class Target(StrEnum):
    """What a model is exported to."""

    C = "c"


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model: shipped, or a .safetensors file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the files.")],
    to: Annotated[Target, typer.Option(help="c: one C99 header and source.")] = Target.C,
) -> None:
    """Write a model as source code that takes its features and gives its probabilities."""
    from serkit.compression import export_c
    from serkit.files import write_atomically
    from serkit.runtime import load

    found = export_c(load(model).model)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / f"{found.name}.h", found.header)
    write_atomically(out / f"{found.name}.c", found.source)
    say(
        f"{out / found.name}.c, {found.name}.h: {found.constant_bytes} bytes of constants (flash), "
        f"{found.buffer_bytes} bytes of buffers (RAM)"
    )
