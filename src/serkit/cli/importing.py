"""`serkit import`: pretrained classifiers of sound as models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.models import name_of
from serkit.cli.options import AsJson, print_json
from serkit.cli.packing import Bits, packing
from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from serkit.evaluation.importing import Imported


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="ID|DIR", help="Classifier of sound: id on the Hugging Face hub, or folder."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="F.onnx", help="The model.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights and activations of 8 bits.")
    ] = False,
    bits: Bits = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="THEIRS=OURS", help="Name of an output in serkit; repeatable."),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW,HIGH",
            help="Range of a model of arousal, valence, dominance; default: 0,1.",
        ),
    ] = None,
    window_s: Annotated[
        float | None,
        typer.Option("--window", metavar="S", help="Length of a window in seconds; default: 8."),
    ] = None,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=PATH]",
            help="Corpus: half of its speakers calibrate, the others are reported; repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the division of the speakers.")] = 0,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Model name; default: the file's stem.")
    ] = "",
    allow_pickle: Annotated[
        bool,
        typer.Option("--allow-pickle", help="Read pickled weights of a source that you trust."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model of a pretrained classifier of sound, which runs without torch.

    Families: HuBERT, wav2vec 2.0, WavLM, data2vec, UniSpeech, SEW, Whisper's encoder, AST. Code of
    a repository is never run, and pickled weights are refused.
    """
    try:
        from serkit.evaluation.importing import import_classifier
        from serkit.training.pretrained_audio import load_audio
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "import", "importing a model") from error
    from serkit.corpora import files_of
    from serkit.files import refuse_unwritable, write_atomically

    folder = Path(source).expanduser()
    inside = list(folder.iterdir()) if folder.is_dir() else []
    refuse_unwritable(out, sources=[*inside, *files_of(calibrate or [])])
    changes, scale = _changes(label or []), _range(value_range)
    packed = packing(bits, int8=int8, option="--int8")
    pretrained = load_audio(source, allow_pickle=allow_pickle)
    imported = import_classifier(
        pretrained, name=name or name_of(out), changes=changes, value_range=scale,
        window_s=window_s, int8=int8, packed=packed, corpora=calibrate or [], seed=seed,
        path=out, track=tracker("Recognising"),
    )  # fmt: skip
    write_atomically(out, imported.content)
    if as_json:
        print_json(_values(imported))
    else:
        say(*_lines(imported, out))
        if imported.outcome is not None:
            _print_table(imported)
    for warning in _warnings(imported, calibrated=bool(calibrate)):
        complain(f"warning: {warning}")


def _changes(specs: list[str]) -> dict[str, str]:
    changes = {}
    for spec in specs:
        theirs, _, ours = (part.strip() for part in spec.rpartition("="))
        if not theirs or not ours or theirs in changes:
            raise ModelError(f"--label is {spec!r}; expected THEIRS=OURS, each output once")
        changes[theirs] = ours
    return changes


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ModelError(f"--range is {text!r}; expected LOW,HIGH such as 1,7") from None
    return low, high


def _lines(imported: Imported, out: Path) -> list[str]:
    card, exported = imported.card, imported.exported
    origin = card.origin
    assert origin is not None  # noqa: S101  # of every imported model
    ours = card.labels + card.dimensions
    width = max(map(len, imported.theirs))
    corpora = ", ".join(corpus.title for corpus in card.corpora) or "not stated on its card"
    return [
        f"{origin.source}: {origin.architecture}, {exported.description.n_parameters:,} parameters",
        f"licence: {origin.licence or 'unknown'}; base model: {origin.base_model or 'unknown'}; "
        f"trained on: {corpora}",
        *(
            f"  {theirs:<{width}}  {'->' if theirs != label else '  '} {label}"
            for theirs, label in zip(imported.theirs, ours, strict=True)
        ),
        f"{out}: {len(imported.content)} bytes, {exported.description.precision}; largest "
        f"difference to torch {exported.difference:.2g}"
        + f", mean difference of probabilities {exported.probability_difference:.2g}"
        * bool(card.labels),
    ]


def _print_table(imported: Imported) -> None:
    from serkit.evaluation.figures import figures, tables

    outcome = imported.outcome
    assert outcome is not None  # noqa: S101
    say(f"temperature {imported.card.temperature:.3f}")
    typer.echo(tables(outcome, figures(outcome))[0].to_markdown(), nl=False)


def _values(imported: Imported) -> dict[str, Any]:
    from dataclasses import asdict

    card, exported = imported.card, imported.exported
    return {
        "model": card.name,
        "origin": asdict(card.origin) if card.origin else None,
        "outputs": dict(zip(imported.theirs, card.labels + card.dimensions, strict=True)),
        "corpora": [asdict(corpus) for corpus in card.corpora],
        **asdict(exported.description),
        "bytes": len(imported.content),
        "difference": exported.difference,
        "probability_difference": exported.probability_difference,
        "temperature": card.temperature,
        "figures": card.figures,
    }


def _warnings(imported: Imported, *, calibrated: bool) -> list[str]:
    from serkit.corpora import ADDED_EMOTIONS, EMOTIONS

    card = imported.card
    warnings = []
    unknown = [label for label in card.labels if label not in (*EMOTIONS, *ADDED_EMOTIONS)]
    if unknown:
        warnings.append(
            f"no emotions of serkit: {', '.join(unknown)}; rename them with --label THEIRS=OURS"
        )
    if card.labels and not calibrated:
        warnings.append(
            "the probabilities are not calibrated; add --calibrate CORPUS to fit a temperature"
        )
    if not calibrated and imported.exported.description.precision == "int8":
        warnings.append(
            "int8 was calibrated on one synthesised sentence; add --calibrate CORPUS for speech "
            "such as yours"
        )
    return warnings
