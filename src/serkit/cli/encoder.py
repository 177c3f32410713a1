"""`serkit encoder`: text encoders from pretrained transformers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.options import AsJson, print_json
from serkit.cli.streams import complain, say
from serkit.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from serkit.training.encoder_tuning import Check

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
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="New folder.")],
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
    """Write the folder of an encoder, which runs without torch.

    An existing encoder is never replaced: models trained with it need it.
    """
    try:
        from serkit.compression.encoder_export import export_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            error.name or "torch", "encoders", "exporting an encoder"
        ) from error
    from serkit.files import new_folder

    try:
        numbers = [int(number) for number in layers.split(",")]
    except ValueError:
        raise ModelError(f"layers is {layers!r}; expected numbers such as -1,-2") from None
    with new_folder(out) as folder:
        exported = export_encoder(
            source, folder, precision=precision, pooling=pooling, layers=numbers,
            max_tokens=max_tokens, name=name, licence=licence,
        )  # fmt: skip
    encoder = exported.encoder
    say(
        f"{out}: {encoder.file_bytes} bytes, {encoder.width} numbers per text; largest difference "
        f"to torch {exported.difference:.2g}, smallest cosine similarity {exported.cosine:.4f}"
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


@app.command("tune")
def tune(
    source: Source,
    corpus: Annotated[list[str], typer.Option(metavar="NAME[=PATH]", help="Corpus; repeatable.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="New folder, for encoder export.")
    ],
    labels: Annotated[
        str | None, typer.Option(metavar="A,B", help="Classes; default: all of the corpus.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="P", help="Split of one fold: trained, stopped and tested on.")
    ] = "fixed",
    apart_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]",
            help="Leave out the texts and episodes of this corpus's dev and test splits.",
        ),
    ] = None,
    stop_at: Annotated[
        float | None,
        typer.Option(metavar="S", help="Stop at this share of the final weighted F1, as 0.8."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum number of epochs.")] = 5,
    learning_rate: Annotated[float, typer.Option(metavar="R", help="Peak.")] = 5e-5,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per step.")] = 32,
    pooling: Annotated[str, typer.Option(metavar="P", help="mean or cls.")] = "mean",
    speaker: Annotated[
        bool, typer.Option("--speaker", help="Begin each text with the name of its speaker.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a transformer end to end, and report its figures.

    Ctrl-C leaves nothing behind: the folder is written at the end, in one step.
    """
    try:
        from serkit.evaluation import evaluate_tuning, find_protocol
        from serkit.training.encoder_tuning import Tuning
        from serkit.training.pretrained import load_pretrained, save_pretrained
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "encoders", "tuning an encoder") from error
    from serkit.corpora import as_texts, load, load_labelled, without_tested
    from serkit.corpora.emotions import in_order
    from serkit.evaluation.figures import as_json as figures_as_json
    from serkit.evaluation.figures import figures as figures_of
    from serkit.evaluation.figures import tables
    from serkit.files import new_folder

    with new_folder(out) as folder:
        loaded = [load(spec) for spec in corpus]
        names = (
            [label.strip() for label in labels.split(",")]
            if labels is not None
            else list(in_order(u.label for one in loaded for u in one.utterances))
        )
        _, utterances = as_texts(*load_labelled(corpus, labels=names))
        for spec in apart_from or ():
            held = [u for u in load(spec).utterances if u.split in ("dev", "test")]
            utterances = without_tested(utterances, held)
        plan = Tuning(
            learning_rate=learning_rate, batch_size=batch_size, max_epochs=epochs,
            pooling=pooling, stop_at=stop_at,
        )  # fmt: skip
        tuned, outcome = evaluate_tuning(
            load_pretrained(source), utterances, names, find_protocol(protocol),
            plan=plan, speaker=speaker, seed=seed, on_check=_print_check,
        )  # fmt: skip
        save_pretrained(tuned.pretrained, folder)
    figures = figures_of(outcome)
    if as_json:
        checks = [asdict(check) for check in tuned.checks]
        print_json({"checks": checks, **figures_as_json(outcome, figures)})
        return
    say(
        f"{out}: weighted F1 of {100 * tuned.weighted_f1:.1f} % on the validation part, "
        f"{100 * tuned.final:.1f} % at convergence; tested:"
    )
    typer.echo(tables(outcome, figures)[0].to_markdown(), nl=False)


def _print_check(check: Check) -> None:
    complain(
        f"epoch {check.epoch:.2f}{' again' if check.second else ''}: loss {check.train_loss:.3f}, "
        f"validation weighted F1 {100 * check.weighted_f1:.1f} %"
    )
