"""`serkit timeline`: emotion over time."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

import typer

from serkit.cli.options import Profiles, Providers, Threads
from serkit.cli.progress import late_bar
from serkit.cli.streams import complain
from serkit.cli.timeline_options import (
    AggregationName,
    Dwell,
    Hop,
    Labels,
    MinConfidence,
    Model,
    Pause,
    ProfileName,
    Smoothing,
    SmoothingName,
    TimelineDetector,
    WindowLength,
    recognizer_of,
    settings_of,
    voice_of,
)
from serkit.cli.voice_options import MinSilence, MinSpeech, Pad, Threshold
from serkit.errors import AudioError, PacketError
from serkit.text import printable

if TYPE_CHECKING:
    from serkit.audio import Source
    from serkit.runtime import Timeline

    Answer = tuple[str, Timeline | Exception]

_LONG_S = 600.0
"""Seconds of sound that are processed before a progress bar appears."""

_SHOWN_TIMES = 8
_MOST_STDIN_BYTES = 1 << 33
_PIECE_BYTES = 1 << 20

STDIN = "-"
EACH: Final = "each"


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
    link_sound: Annotated[
        bool,
        typer.Option("--link-sound", help="--report: link the recordings, which must stay there."),
    ] = False,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="N|each", help="Channel of the sound, or each; default: the mean of all."
        ),
    ] = None,
    window: WindowLength = None,
    hop: Hop = None,
    pause: Pause = None,
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
    from serkit.runtime.timeline_report import link_of, write_timeline_report
    from serkit.runtime.timeline_text import WRITERS, refuse_several

    kind = output or _format_of(out)
    if kind is TimelineFormat.table and out is not None:
        raise typer.BadParameter("a table is only printed; choose another", param_hint="--format")
    refuse_several(kind, len(audio))
    if audio.count(STDIN) > 1:
        raise typer.BadParameter("standard input is read only once", param_hint="AUDIO")
    if report is not None and STDIN in audio:
        raise typer.BadParameter("standard input is read only once", param_hint="--report")
    if link_sound and report is None:
        raise typer.BadParameter("there is no --report to link from", param_hint="--link-sound")
    if link_sound and report is not None:
        for file in audio:
            link_of(file, report)
    chosen = _channel_of(channel)
    refuse_unwritable(out, report, sources=[*audio, *([model] if model else [])])
    settings = settings_of(
        window=window, hop=hop, pause=pause, smoothing=smoothing, dwell=dwell,
        aggregation=aggregation, labels=labels, min_confidence=min_confidence,
    )  # fmt: skip
    voice = voice_of(detector, threshold, min_speech_ms, min_silence_ms, pad_ms)
    recognizer = recognizer_of(
        model, profile, profiles, audio, threads=threads, providers=provider or ()
    )
    settings.lengths(recognizer.card.window_s)  # refuses a hop before the first recording
    with late_bar("Recognising: seconds", after=_LONG_S) as on_seconds:
        answers: list[Answer] = []
        for file in audio:
            with ExitStack() as resources:
                try:
                    source = _stdin(resources) if file == STDIN else file
                    found = [
                        recognizer.timeline(
                            source, settings, detector=voice, channel=one, on_seconds=on_seconds
                        )
                        for one in (_channels(source) if chosen == EACH else [chosen])
                    ]
                    answers += [(file, one) for one in found]
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
        read = [(file, file, answer) for file, answer in answers]
        write_timeline_report(report, read, sound="link" if link_sound else "embed")
    for file, problem in failed:
        complain(f"{file}: {problem}")
        if context.find_root().params.get("debug"):
            traceback.print_exception(problem)
    if failed:
        raise typer.Exit(2)


def _channel_of(option: str | None) -> int | Literal["each"] | None:
    """The number from 0 of the channel of the option, `each`, or None for the mean of all."""
    from serkit.audio.reading import MAX_CHANNELS

    if option is None:
        return None
    if option == EACH:
        return EACH
    if not (option.isascii() and option.isdigit() and 1 <= int(option) <= MAX_CHANNELS):
        raise typer.BadParameter(
            f"{option!r:.40} is not a channel; expected 1 to {MAX_CHANNELS}, or {EACH}",
            param_hint="--channel",
        )
    return int(option) - 1


def _channels(source: Source) -> Sequence[int | None]:
    """The channels of a recording; one for all if it consists of packets."""
    from serkit.audio import channel_count
    from serkit.runtime.sources import is_packets

    return [None] if is_packets(source) else range(channel_count(source))


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
            channel = "" if answer.channel is None else f", channel {answer.channel + 1}"
            console.print(Text(printable(file) + channel, "bold"), soft_wrap=True)
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
                *(
                    "" if value is None else f"{round(value, 2) + 0.0:+.2f}"
                    for value in (segment.arousal, segment.valence)
                ),
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
        for code, times in _marked(answer).items():
            console.print(Text(printable(f"! {code}: {times}"), "yellow"), soft_wrap=True)


def _marked(timeline: Timeline) -> dict[str, str]:
    """Where segments have warnings that the whole recording has not, by code."""
    whole = {warning.code for warning in timeline.warnings}
    starts: dict[str, list[str]] = {}
    for segment in timeline.segments:
        for warning in segment.warnings:
            if warning.code not in whole:
                starts.setdefault(warning.code, []).append(minutes(segment.start_s))
    return {
        code: ", ".join(times[:_SHOWN_TIMES]) + (", ..." if len(times) > _SHOWN_TIMES else "")
        for code, times in starts.items()
    }


def minutes(seconds: float) -> str:
    """A time such as `12:03.4`."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"
