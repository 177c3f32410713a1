"""`serkit export`: models as source code."""

from __future__ import annotations

import errno
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.streams import say


class Target(StrEnum):
    """Targets of an export."""

    C = "c"


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Shipped model or path of a file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")],
    to: Annotated[Target, typer.Option(help="c: a C99 header and source file.")] = Target.C,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Export a model as source code: features in, probabilities out."""
    from serkit.compression import export_c
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime import load_network

    exported = export_c(load_network(model))
    texts = {f"{exported.name}.h": exported.header, f"{exported.name}.c": exported.source}
    files = {out / name: text for name, text in texts.items()}
    for path in files:
        if path.exists() and not force:
            raise FileExistsError(
                errno.EEXIST,
                "exists; choose another folder, or add --force to replace it",
                str(path),
            )
    refuse_unwritable(*files)
    for path, text in files.items():
        write_atomically(path, text)
    say(
        f"{out / exported.name}.c, {exported.name}.h: {exported.constant_bytes} bytes of constants "
        f"(flash), {exported.buffer_bytes} bytes of buffers (RAM)"
    )
