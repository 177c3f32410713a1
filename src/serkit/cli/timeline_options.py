"""Options of emotion over time, shared by the commands that recognise it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serkit.cli.personal import profile_of
from serkit.cli.voice_options import detector_of
from serkit.errors import AudioError

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector
    from serkit.runtime import Recognizer, TimelineSettings


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
    float | None,
    typer.Option("--pause", metavar="S", help="Shortest pause that ends a segment; default: 0.3."),
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
    pause: float | None,
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

    given = {} if pause is None else {"pause_s": pause}
    return TimelineSettings(
        window_s=window,
        hop_s=hop,
        **given,
        smoothing=smoothing.value,
        dwell_s=dwell,
        aggregation=aggregation.value,
        labels=None if labels is None else tuple(name.strip() for name in labels.split(",")),
        min_confidence=min_confidence,
    )
