"""The `serkit` command."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from serkit.cli import codec, corpus, encoder, models, profile
from serkit.cli.evaluate import compare, evaluate
from serkit.cli.export import export
from serkit.cli.importing import import_model
from serkit.cli.listen import listen
from serkit.cli.predict import predict
from serkit.cli.quantize import quantize
from serkit.cli.send import send
from serkit.cli.serve import serve
from serkit.cli.streams import complain, keep_libraries_quiet, say
from serkit.cli.timeline import timeline
from serkit.cli.train import train
from serkit.cli.vad import vad
from serkit.errors import SerkitError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Speech emotion recognition that fits the edge.",
)
app.command("predict")(predict)
app.command("timeline")(timeline)
app.command("listen")(listen)
app.command("vad")(vad)
app.command("serve")(serve)
app.command("send")(send)
app.command("train")(train)
app.command("quantize")(quantize)
app.command("export")(export)
app.command("import")(import_model)
app.command("evaluate")(evaluate)
app.command("compare")(compare)
app.add_typer(models.app, name="models")
app.command("encode")(codec.encode)
app.command("decode")(codec.decode)
app.add_typer(codec.app, name="codec")
app.add_typer(corpus.app, name="corpus")
app.add_typer(encoder.app, name="encoder")
app.add_typer(profile.app, name="profile")

_INTERRUPTED = 130

_debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from serkit import __version__

        say(f"serkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    global _debug
    _debug = debug


def main() -> None:
    """Run a command; a `SerkitError` or `OSError` is one line on stderr and exit code 2."""
    if "--debug" not in sys.argv[1:]:
        keep_libraries_quiet()
    try:
        app()
    except (SerkitError, OSError) as error:
        if _debug:
            raise
        complain(_message(error))
        sys.exit(2)
    except SystemExit as error:
        if error.code == _INTERRUPTED:
            complain("interrupted")
        raise
    finally:
        _end_workers()


def _message(error: Exception) -> str:
    """The message of an error; an `OSError` as `file: reason`, without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _end_workers() -> None:
    """Terminate worker processes, which the interpreter would otherwise wait for."""
    if "concurrent.futures.process" in sys.modules:
        from multiprocessing import active_children

        for worker in active_children():
            worker.terminate()
