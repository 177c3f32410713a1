"""`serkit timeline`: emotion over time."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from serkit.cli.options import Profiles, Providers, Threads
from serkit.cli.personal import profile_of
from serkit.cli.progress import late_bar
from serkit.cli.streams import complain, signed
from serkit.cli.voice_options import MinSilence, MinSpeech, Pad, Threshold, detector_of
from serkit.errors import AudioError, PacketError
from serkit.text import printable

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector
    from serkit.runtime import Recognizer, Timeline, TimelineSettings

    Answer = tuple[str, Timeline | Exception]

_LONG_S = 600.0
"""Seconds of sound that are processed before a progress bar appears."""

_MOST_STDIN_BYTES = 1 << 33
_PIECE_BYTES = 1 << 20

STDIN = "-"


class TimelineFormat(StrEnum):
    """Output formats."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    srt = "srt"
    vtt = "vtt"
    textgrid = "textgrid"
    rttm = "rttm"


class SmoothingName(StrEnum):
    """Kinds of smoothing."""

    off = "off"
    median = "median"
    hmm = "hmm"


class AggregationName(StrEnum):
    """Weights of windows."""

    mean = "mean"
    duration = "duration"
    confidence = "confidence"


OFF = "off"

TimelineDetector = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="bands; silero (needs the extra vad); or off, to classify everything.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="M", help="Shipped model or path of a file."),
]
WindowLength = Annotated[
    float | None, typer.Option("--window", metavar="S", help="Seconds; default: by the model.")
]
Hop = Annotated[
    float | None,
    typer.Option("--hop", metavar="S", help="Seconds from window to window; default: a window."),
]
Pause = Annotated[
    float, typer.Option("--pause", metavar="S", help="Shortest pause that ends a segment.")
]
Smoothing = Annotated[SmoothingName, typer.Option(help="Smoothing over time.")]
Dwell = Annotated[float, typer.Option(metavar="S", help="hmm: expected duration of an emotion.")]
Labels = Annotated[
    str | None, typer.Option(metavar="A,B", help="Restrict the answers to these labels.")
]
MinConfidence = Annotated[
    float | None, typer.Option(metavar="P", help="Give no label below this probability.")
]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Recognise this user's voice (see profile)."),
]


def timeline(
    context: typer.Context,
    audio: Annotated[
        list[str], typer.Argument(metavar="AUDIO...", help="Recordings; - for standard input.")
    ],
    model: Model = None,
    output: Annotated[
        TimelineFormat | None,
        typer.Option(
            "--format", "-f", help="How to write; default: by the suffix of --output, or table."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="F.html", help="Write an HTML report to look at and listen to."),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Channel of the sound; default: the mean of all."),
    ] = None,
    window: WindowLength = None,
    hop: Hop = None,
    pause: Pause = 1.0,
    smoothing: Smoothing = SmoothingName.off,
    dwell: Dwell = 10.0,
    aggregation: Annotated[
        AggregationName, typer.Option(help="Weight of a window in the overall answer.")
    ] = AggregationName.duration,
    detector: TimelineDetector = "bands",
    threshold: Threshold = None,
    min_speech_ms: MinSpeech = None,
    min_silence_ms: MinSilence = None,
    pad_ms: Pad = None,
    labels: Labels = None,
    min_confidence: MinConfidence = None,
    profile: ProfileName = None,
    profiles: Profiles = None,
    threads: Threads = 0,
    provider: Providers = None,
) -> None:
    """Recognise emotion over time.

    A recording that cannot be read is reported on stderr; the others are still
    written, and the exit code is 2.
    """
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime.timeline_text import WRITERS

    kind = output or _format_of(out)
    if kind is TimelineFormat.table and out is not None:
        raise typer.BadParameter("a table is only printed; choose another", param_hint="--format")
    if report is not None and STDIN in audio:
        raise typer.BadParameter("standard input is read only once", param_hint="--report")
    refuse_unwritable(out, report, sources=[*audio, *([model] if model else [])])
    settings = settings_of(
        window=window, hop=hop, pause=pause, smoothing=smoothing, dwell=dwell,
        aggregation=aggregation, labels=labels, min_confidence=min_confidence,
    )  # fmt: skip
    voice = voice_of(detector, threshold, min_speech_ms, min_silence_ms, pad_ms)
    recognizer = recognizer_of(
        model, profile, profiles, audio, threads=threads, providers=provider or ()
    )
    with late_bar("Recognising: seconds", after=_LONG_S) as on_seconds:
        answers: list[Answer] = []
        for file in audio:
            with ExitStack() as resources:
                try:
                    source = _stdin(resources) if file == STDIN else file
                    found = recognizer.timeline(
                        source,
                        settings,
                        detector=voice,
                        channel=None if channel is None else channel - 1,
                        on_seconds=on_seconds,
                    )
                    answers.append((file, found))
                except (AudioError, PacketError) as error:
                    answers.append((file, error))
    failed = [(file, answer) for file, answer in answers if isinstance(answer, Exception)]
    if kind is TimelineFormat.table:
        _print_table(answers)
    elif len(failed) < len(answers) or kind in (TimelineFormat.json, TimelineFormat.csv):
        text = WRITERS[kind](answers)
        if out is None:
            sys.stdout.write(text)
        else:
            write_atomically(out, text)
    if report is not None:
        from serkit.runtime.timeline_report import write_timeline_report

        read = [(file, file, answer) for file, answer in answers]
        write_timeline_report(report, read, channel=None if channel is None else channel - 1)
    for file, problem in failed:
        complain(f"{file}: {problem}")
        if context.find_root().params.get("debug"):
            traceback.print_exception(problem)
    if failed:
        raise typer.Exit(2)


def recognizer_of(
    model: str | None,
    profile: str | None,
    profiles: Path | None,
    audio: list[str],
    *,
    threads: int = 0,
    providers: Sequence[str] = (),
) -> Recognizer:
    """The model of the options, for the user they name.

    Raises:
        ModelError: There is no such model.
        ProfileError: There is no such profile, or it belongs to another model.
    """
    from serkit.runtime import default_model, load

    if profile is None:
        return load(model or default_model(audio), threads=threads, providers=providers)
    known = profile_of(profile, profiles, model, threads=threads, providers=providers)
    return known.model.with_profile(known)


def voice_of(
    detector: str,
    threshold: float | None,
    min_speech_ms: float | None,
    min_silence_ms: float | None,
    pad_ms: float | None,
) -> VoiceDetector | None:
    """The detector of the options; None if it is off.

    Raises:
        AudioError: As `detector_of`, or an option is given although it is off.
        MissingExtraError: As `detector_of`.
    """
    given = (threshold, min_speech_ms, min_silence_ms, pad_ms)
    if detector != OFF:
        return detector_of(detector, *given)
    if any(value is not None for value in given):
        raise AudioError("options of voice activity are given, but --detector is off")
    return None


def settings_of(
    *,
    window: float | None,
    hop: float | None,
    pause: float,
    smoothing: SmoothingName,
    dwell: float,
    aggregation: AggregationName = AggregationName.duration,
    labels: str | None,
    min_confidence: float | None,
) -> TimelineSettings:
    """The settings of the options.

    Raises:
        AudioError: A length is out of range.
        ModelError: `min_confidence` is not in 0-1.
    """
    from serkit.runtime import TimelineSettings

    return TimelineSettings(
        window_s=window,
        hop_s=hop,
        pause_s=pause,
        smoothing=smoothing.value,
        dwell_s=dwell,
        aggregation=aggregation.value,
        labels=None if labels is None else tuple(name.strip() for name in labels.split(",")),
        min_confidence=min_confidence,
    )


def _format_of(out: Path | None) -> TimelineFormat:
    """The format of a file by its suffix; a table without a file."""
    if out is None:
        return TimelineFormat.table
    kinds = [kind for kind in TimelineFormat if kind is not TimelineFormat.table]
    for kind in kinds:
        if out.suffix.lower() == f".{kind}":
            return kind
    raise typer.BadParameter(
        f"the suffix of {out.name} is not a format; expected --format, or one of "
        f"{', '.join(kinds)}",
        param_hint="--output",
    )


def _stdin(resources: ExitStack) -> BinaryIO:
    """Standard input as a file that can be read again, as headers may follow what they describe.

    Raises:
        AudioError: It is too long.
    """
    copy = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    while piece := sys.stdin.buffer.read(_PIECE_BYTES):
        if copy.tell() + len(piece) > _MOST_STDIN_BYTES:
            raise AudioError(f"standard input is longer than {_MOST_STDIN_BYTES:,} bytes")
        copy.write(piece)
    copy.seek(0)
    return copy


def _print_table(answers: list[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=max(72, Console().width))
    for file, answer in answers:
        if isinstance(answer, Exception):
            continue
        if len(answers) > 1:
            console.print(Text(printable(file), "bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("start", "end", "emotion", "probability", "arousal", "valence"):
            table.add_column(name, justify="left" if name == "emotion" else "right", no_wrap=True)
        for segment in answer.segments:
            label = Text(printable(segment.label)) if segment.label else Text("none", "dim")
            if segment.warnings:
                label.append(" !", "yellow")
            table.add_row(
                minutes(segment.start_s),
                minutes(segment.end_s),
                label,
                f"{segment.confidence:.2f}" if segment.scores else "",
                *map(signed, (segment.arousal, segment.valence)),
            )
        console.print(table)
        overall = answer.overall
        verdict = printable(overall.label or f"no label: {overall.reason}")
        ranked = sorted(overall.scores.items(), key=lambda item: -item[1])[:4]
        scores = ", ".join(f"{printable(name)} {p:.2f}" for name, p in ranked)
        line = f"overall: {verdict} ({scores})" if scores else f"overall: {verdict}"
        console.print(Text(line, "bold"), soft_wrap=True)
        for warning in answer.warnings:
            console.print(Text(printable(f"! {warning}"), "yellow"), soft_wrap=True)


def minutes(seconds: float) -> str:
    """A time such as `12:03.4`."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"
