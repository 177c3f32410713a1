"""`serkit listen`: emotion as it is heard."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from serkit.cli.microphone import Chunk, as_if_live, microphone
from serkit.cli.options import Profiles
from serkit.cli.streams import say
from serkit.cli.timeline import minutes
from serkit.cli.timeline_options import (
    Dwell,
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
from serkit.errors import AudioError
from serkit.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from serkit.runtime import Affect, LiveStream
    from serkit.runtime.events import EndEvent, Event, SegmentEvent

_BAR = 30
_SHOWN_SEGMENTS = 5


def listen(
    file: Annotated[
        str | None,
        typer.Option("--input", metavar="FILE", help="Play a file as if it were the microphone."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.0, help="--input: 1 is real time, 0 as fast as possible.")
    ] = 1.0,
    device: Annotated[
        str | None, typer.Option(metavar="D", help="Name or number of an input device.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as JSON.")] = False,
    model: Model = None,
    window: WindowLength = None,
    hop: Annotated[float, typer.Option(metavar="S", help="Seconds from window to window.")] = 1.0,
    pause: Pause = None,
    smoothing: Smoothing = SmoothingName.off,
    dwell: Dwell = 10.0,
    detector: TimelineDetector = "bands",
    threshold: Threshold = None,
    min_speech_ms: MinSpeech = None,
    min_silence_ms: MinSilence = None,
    pad_ms: Pad = None,
    labels: Labels = None,
    min_confidence: MinConfidence = None,
    profile: ProfileName = None,
    profiles: Profiles = None,
) -> None:
    """Recognise emotion in the sound of a microphone as it is heard.

    On a terminal a bar per emotion is shown; otherwise a line per segment is
    printed. Ctrl-C ends it.
    """
    if file is not None and device is not None:
        raise AudioError("--input and --device are given; expected one of them")
    settings = settings_of(
        window=window, hop=hop, pause=pause, smoothing=smoothing, dwell=dwell, labels=labels,
        min_confidence=min_confidence,
    )  # fmt: skip
    voice = voice_of(detector, threshold, min_speech_ms, min_silence_ms, pad_ms)
    recognizer = recognizer_of(model, profile, profiles, [] if file is None else [file])
    stream = recognizer.stream(settings, detector=voice)
    chunks = microphone(device) if file is None else as_if_live(file, speed)
    if as_json:
        _follow(chunks, stream, _JsonLines())
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(auto_refresh=False, transient=False) as live:
            _follow(chunks, stream, _Bars(live, list(settings.labels or recognizer.labels)))
    else:
        _follow(chunks, stream, _Lines())


class _Display(Protocol):
    def show(self, events: list[Event], now_s: float) -> None:
        """Show what has happened by a time."""


def _follow(chunks: Iterable[Chunk], stream: LiveStream, display: _Display) -> None:
    """Show events until the sound ends, or Ctrl-C; nothing if no sound came."""
    now_s = 0.0
    try:
        with contextlib.suppress(KeyboardInterrupt):
            for samples, rate in chunks:
                now_s += len(samples) / rate
                display.show(stream.push(samples, rate=rate), now_s)
    finally:  # what was heard counts, even if the microphone was unplugged
        if now_s > 0.0:
            display.show(stream.finish(), now_s)


class _Lines:
    """A line per segment, and one for the whole."""

    def show(self, events: list[Event], now_s: float) -> None:
        for event in events:
            if event.kind == "segment":
                say(_line(event))
            elif event.kind == "end":
                say(_last_line(event))
        sys.stdout.flush()


class _JsonLines:
    """A JSON object per event."""

    def show(self, events: list[Event], now_s: float) -> None:
        from serkit.runtime.timeline_text import event_object

        for event in events:
            typer.echo(json.dumps(event_object(event)))
        sys.stdout.flush()


class _Bars:
    """A bar per emotion of the latest window, its affect, and the latest segments.

    Args:
        live: The display.
        labels: The emotions; a model of dimensions alone has none.
    """

    def __init__(self, live: Live, labels: list[str]) -> None:
        self._live = live
        self._scores = dict.fromkeys(labels, 0.0)
        self._affect: Affect | None = None
        self._voiced = False
        self._segments: list[str] = []

    def show(self, events: list[Event], now_s: float) -> None:
        for event in events:
            if event.kind == "voice":
                self._voiced = event.voiced
            elif event.kind == "partial":
                self._scores = {name: event.window.scores.get(name, 0.0) for name in self._scores}
                self._affect = event.window.affect
            elif event.kind == "segment":
                self._segments = [*self._segments, _line(event)][-_SHOWN_SEGMENTS:]
            else:
                self._segments.append(_last_line(event))
        self._live.update(self._picture(now_s), refresh=True)

    def _picture(self, now_s: float) -> RenderableType:
        from rich.text import Text

        picture = Text(f"{minutes(now_s)}  {'voice' if self._voiced else 'pause'}\n")
        width = max((len(printable(name)) for name in self._scores), default=0)
        best = max(self._scores, key=self._scores.__getitem__, default=None)
        for name, p in self._scores.items():
            full = round(_BAR * p)
            style = "bold" if name == best and p > 0.0 else "dim"
            bar = "█" * full + "·" * (_BAR - full)
            picture.append(f"{printable(name):<{width}}  {bar} {p:.2f}\n", style)
        if values := _values(self._affect):
            picture.append(f"{values}\n", "dim")
        for line in self._segments:
            picture.append(f"{printable(line)}\n")
        return picture


def _line(event: SegmentEvent) -> str:
    segment = event.segment
    times = f"{minutes(segment.start_s)} - {minutes(segment.end_s)}"
    if segment.label is None:
        values = _values(segment.affect)
        return f"{times}  none: {segment.reason}" + (f" ({values})" if values else "")
    return f"{times}  {segment.label} {segment.confidence:.2f}"


def _values(affect: Affect | None) -> str:
    """Such as `arousal +0.40, valence -0.10`; empty if nothing is known."""
    if affect is None:
        return ""
    known = {"arousal": affect.arousal, "valence": affect.valence}
    return ", ".join(f"{name} {v:+.2f}" for name, v in known.items() if v is not None)


def _last_line(event: EndEvent) -> str:
    overall = event.overall
    if overall.label is None:
        return f"overall: none: {overall.reason}"
    return f"overall: {overall.label} {overall.scores[overall.label]:.2f}"
