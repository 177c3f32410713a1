"""`serkit export`: a model for another target."""

from __future__ import annotations

import errno
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
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a model as source code that takes its features and gives its probabilities."""
    from serkit.compression import export_c
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import load_network

    found = export_c(load_network(model))
    files = {out / f"{found.name}.h": found.header, out / f"{found.name}.c": found.source}
    for path in files:
        if path.exists() and not force:
            raise FileExistsError(
                errno.EEXIST, "exists; name another folder, or add --force to replace it", str(path)
            )
    refuse_unwritable(*files)
    for path, text in files.items():
        write_atomically(path, text)
    say(
        f"{out / found.name}.c, {found.name}.h: {found.constant_bytes} bytes of constants (flash), "
        f"{found.buffer_bytes} bytes of buffers (RAM)"
    )
