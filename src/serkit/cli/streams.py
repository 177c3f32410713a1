"""Output of the commands: escaped lines, kept apart from the output of C libraries."""

from __future__ import annotations

import os
import sys

import typer

from serkit.text import printable


def say(*lines: str) -> None:
    """Print lines to stdout, with control characters escaped: names in them may be untrusted."""
    for line in lines:
        typer.echo(printable(line))


def complain(message: object) -> None:
    """Print one line to stderr, prefixed with `serkit:`."""
    typer.echo(f"serkit: {printable(message)}", err=True)


def signed(value: float | None) -> str:
    """A value for a table, such as `-0.25`; empty for None."""
    return "" if value is None else f"{round(value, 2) + 0.0:+.2f}"


def keep_libraries_quiet() -> None:
    """Discard what C libraries write to descriptors 1 and 2, in this process and its workers.

    libsndfile and mpg123 report damaged files there, which would corrupt JSON output. Python's
    `stdout` and `stderr` keep their destinations; characters they cannot encode are escaped.
    """
    silence = os.open(os.devnull, os.O_WRONLY)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        try:
            stream.flush()
            own = os.dup(descriptor)
        except (OSError, ValueError, AttributeError):  # closed by the parent process
            continue
        stream = os.fdopen(
            own, "w", encoding=stream.encoding, errors="backslashreplace", buffering=1
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)  # rich measures the terminal by it
        os.dup2(silence, descriptor)
    os.close(silence)
