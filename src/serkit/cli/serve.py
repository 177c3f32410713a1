"""`serkit serve`: the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from serkit.errors import MissingExtraError


def serve(
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address to listen on; default: 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port, 0 for any; default: 8757.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="M", help="Shipped model or file; repeatable."),
    ] = None,
    asr: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="none, pocketsphinx, faster-whisper=MODEL or transformers=MODEL; default: none.",
        ),
    ] = None,
    fusion: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Model of speech and text (ONNX).")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Text encoder of --fusion.")
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of bearer tokens, one per line.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate chain.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Private key.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of settings, YAML or TOML.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any setting of --print-config; repeatable."
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as a file for --config.")
    ] = False,
) -> None:
    """Serve recordings and streams over HTTP and WebSocket.

    Settings come from flags, then SERKIT_SERVE_NAME variables, then the file.
    """
    try:
        from serkit.serving.settings import settings_of
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "server", "serkit serve") from error
    named = {
        "host": host, "port": port, "models": tuple(model) if model else None, "asr": asr,
        "tokens": tokens, "tls_certificate": tls_certificate, "tls_key": tls_key,
        "fusion": fusion, "encoder": encoder,
    }  # fmt: skip
    given = {name: value for name, value in named.items() if value is not None}
    settings = settings_of(_pairs(setting or []) | given, config)
    if print_config:
        typer.echo(settings.model_dump_json(indent=2))
        return
    from serkit.serving.server import serve as run

    run(settings)


def _pairs(settings: list[str]) -> dict[str, Any]:
    pairs = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r:.80} is not NAME=VALUE", param_hint="--set")
        pairs[name.strip()] = value
    return pairs
