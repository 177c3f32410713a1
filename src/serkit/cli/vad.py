"""`serkit vad`: where recordings have speech."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serkit.cli.options import Format
from serkit.cli.progress import late_bar
from serkit.cli.streams import complain
from serkit.cli.voice_options import (
    Detector,
    MinSilence,
    MinSpeech,
    Pad,
    Threshold,
    detector_of,
)
from serkit.errors import AudioError
from serkit.text import printable

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector, VoiceSegment

# Seconds of sound that are processed before a progress bar appears.
_LONG_S = 600.0


@dataclass
class Answer:
    """What was found in a recording.

    Attributes:
        file: Its path as given.
        segments: Stretches of speech, in order.
        duration_s: Its length in seconds; as far as it could be read.
        truncated: What is missing of it; None if it is whole.
        error: Why it could not be read; None if it could.
    """

    file: str
    segments: list[VoiceSegment] = field(default_factory=list)
    duration_s: float = 0.0
    truncated: str | None = None
    error: AudioError | None = None

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return sum(segment.duration_s for segment in self.segments)


def vad(
    context: typer.Context,
    audio: Annotated[list[str], typer.Argument(metavar="AUDIO...", help="Recordings.")],
    detector: Detector = "bands",
    threshold: Threshold = None,
    min_speech_ms: MinSpeech = None,
    min_silence_ms: MinSilence = None,
    pad_ms: Pad = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
) -> None:
    """Find the stretches of speech in recordings.

    A recording that cannot be read is reported on stderr; the others are still
    searched, and the exit code is 2.
    """
    known = detector_of(detector, threshold, min_speech_ms, min_silence_ms, pad_ms)
    with late_bar("Searching: seconds", after=_LONG_S) as on_seconds:
        answers = [_search(file, known, on_seconds) for file in audio]
    {Format.table: _print_table, Format.json: _print_json, Format.csv: _print_csv}[output](answers)
    for answer in answers:
        if answer.truncated is not None:
            complain(f"{answer.file}: {answer.truncated}")
        if answer.error is not None:
            complain(f"{answer.file}: {answer.error}")
            if context.find_root().params.get("debug"):
                traceback.print_exception(answer.error)
    if any(answer.error is not None for answer in answers):
        raise typer.Exit(2)


def _search(file: str, detector: VoiceDetector, on_seconds: Callable[[float], object]) -> Answer:
    """Search one recording, block by block."""
    from serkit.audio import SAMPLE_RATE, stream
    from serkit.audio.voice import voice_segments

    answer = Answer(file)

    def on_truncated(message: str) -> None:
        answer.truncated = message

    def blocks() -> Iterator[Any]:
        for block in stream(file, on_truncated=on_truncated):
            answer.duration_s += len(block) / SAMPLE_RATE
            on_seconds(len(block) / SAMPLE_RATE)
            yield block

    try:
        answer.segments = list(voice_segments(blocks(), detector))
    except AudioError as error:
        answer.segments, answer.error = [], error
    return answer


def _print_json(answers: list[Answer]) -> None:
    from serkit.cli.options import print_json

    print_json([_json_object(answer) for answer in answers])


def _json_object(answer: Answer) -> dict[str, Any]:
    if answer.error is not None:
        return {"file": answer.file, "error": str(answer.error)}
    values = {
        "file": answer.file,
        "duration_s": round(answer.duration_s, 6),
        "speech_s": round(answer.speech_s, 6),
        "segments": [
            {"start_s": round(s.start_s, 6), "end_s": round(s.end_s, 6)} for s in answer.segments
        ],
    }
    return values if answer.truncated is None else {**values, "truncated": answer.truncated}


def _print_csv(answers: list[Answer]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("file", "start_s", "end_s"))
    for answer in answers:
        for segment in answer.segments:
            writer.writerow(
                (printable(answer.file), f"{segment.start_s:.3f}", f"{segment.end_s:.3f}")
            )


def _print_table(answers: list[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold", min_width=12)
    for column in ("start", "end", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for answer in answers:
        name = Text(printable(answer.file))
        if answer.error is not None:
            table.add_row(name, Text("error", "red"))
        elif not answer.segments:
            table.add_row(name, Text("no speech", "dim"))
        for i, segment in enumerate(answer.segments):
            times = (segment.start_s, segment.end_s, segment.duration_s)
            table.add_row(Text("") if i else name, *(f"{t:.2f}" for t in times))
    Console().print(table)
