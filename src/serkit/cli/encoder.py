"""`serkit encoder`: text encoders from pretrained transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serkit.cli.options import AsJson, print_json
from serkit.cli.streams import say
from serkit.errors import MissingExtraError, ModelError

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Text encoders from pretrained transformers."
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="ID|DIR",
        help="Id on the Hugging Face hub, folder, or roberta-base, mobilebert, bert-medium, "
        "bert-tiny.",
    ),
]


@app.command("export")
def export(
    source: Source,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")],
    precision: Annotated[
        str, typer.Option(metavar="P", help="fp32, fp16 (weights) or int8.")
    ] = "fp32",
    pooling: Annotated[
        str, typer.Option(metavar="P", help="mean of the tokens, or cls, the first.")
    ] = "mean",
    layers: Annotated[
        str, typer.Option(metavar="N,N", help="Layers to concatenate; -1 is the last.")
    ] = "-1",
    max_tokens: Annotated[int, typer.Option(metavar="N", help="Tokens of a text used.")] = 32,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the encoder; default: the source's.")
    ] = "",
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence; default: that on its card.")
    ] = None,
) -> None:
    """Write the folder of an encoder, which runs without torch."""
    try:
        from serkit.compression.encoder_export import export_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "encoders", "exporting an encoder") from error
    from serkit.files import refuse_unwritable
    from serkit.runtime.text_encoder import DESCRIPTION

    try:
        numbers = [int(number) for number in layers.split(",")]
    except ValueError:
        raise ModelError(f"layers is {layers!r}; expected numbers such as -1,-2") from None
    refuse_unwritable(out / DESCRIPTION)
    exported = export_encoder(
        source, out, precision=precision, pooling=pooling, layers=numbers,
        max_tokens=max_tokens, name=name, licence=licence,
    )  # fmt: skip
    encoder = exported.encoder
    say(
        f"{out}: {encoder.file_bytes} bytes, {encoder.width} numbers per text; largest difference "
        f"to torch {exported.difference:.2g}, where they are about {exported.scale:.2g}"
    )


@app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an encoder.")],
    as_json: AsJson = False,
) -> None:
    """Show the description of an encoder, with its digest."""
    from serkit.runtime import TextEncoder

    encoder = TextEncoder.load(folder)
    values = encoder.description.to_dict() | {
        "digest": encoder.digest,
        "file_bytes": encoder.file_bytes,
    }
    if as_json:
        print_json(values)
        return
    width = max(map(len, values))
    say(*(f"{key:<{width}}  {value}" for key, value in values.items()))
