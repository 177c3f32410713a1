"""What the command prints: one line a line, and apart from what C libraries print."""

from __future__ import annotations

import os
import sys

import typer

from serkit.text import printable


def say(*lines: str) -> None:
    """Print lines to stdout. Names in them may come from strangers, and are shown escaped."""
    for line in lines:
        typer.echo(printable(line))


def complain(message: object) -> None:
    """Print one line to stderr, as from serkit."""
    typer.echo(f"serkit: {printable(message)}", err=True)


def keep_libraries_quiet() -> None:
    """Send what C libraries write to descriptors 1 and 2 nowhere, in this process and its workers.

    libsndfile and mpg123 report damaged files there, in the midst of JSON. Python's `stdout` and
    `stderr` go on where they went before. What they cannot encode they write with backslashes.
    """
    silence = os.open(os.devnull, os.O_WRONLY)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        try:
            stream.flush()
            own = os.dup(descriptor)
        except (OSError, ValueError, AttributeError):  # closed by whoever started this
            continue
        again = os.fdopen(
            own, "w", encoding=stream.encoding, errors="backslashreplace", buffering=1
        )
        setattr(sys, name, again)
        setattr(sys, f"__{name}__", again)  # which rich measures the terminal by
        os.dup2(silence, descriptor)
    os.close(silence)
