"""Options of voice activity detection, shared by the commands that detect it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector

Detector = Annotated[
    str, typer.Option(metavar="NAME", help="bands, or silero (needs the extra vad).")
]
Threshold = Annotated[
    float | None,
    typer.Option(metavar="P", help="Probability at which speech begins; default: 0.5."),
]
MinSpeech = Annotated[
    float | None,
    typer.Option(
        "--min-speech-ms",
        metavar="MS",
        help="Drop shorter speech; default: 250.",
        show_default=False,
    ),
]
MinSilence = Annotated[
    float | None,
    typer.Option("--min-silence-ms", metavar="MS", help="Fill shorter pauses; default: 200."),
]
Pad = Annotated[
    float | None,
    typer.Option("--pad-ms", metavar="MS", help="Add before and after speech; default: 0."),
]


def detector_of(
    name: str,
    threshold: float | None,
    min_speech_ms: float | None,
    min_silence_ms: float | None,
    pad_ms: float | None,
) -> VoiceDetector:
    """The detector that the options describe; None for a default of `VoiceOptions`.

    Raises:
        AudioError: There is no such detector, or a value is out of range.
        MissingExtraError: The package of the detector is not installed.
    """
    from serkit.audio.voice import VoiceOptions, find_detector

    given = {
        "threshold": threshold,
        "min_speech_ms": min_speech_ms,
        "min_silence_ms": min_silence_ms,
        "pad_ms": pad_ms,
    }
    options = {key: value for key, value in given.items() if value is not None}
    return find_detector(name, VoiceOptions(**options))
