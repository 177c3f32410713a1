"""Voice activity: stretches of speech in a recording, in constant memory."""

from __future__ import annotations

from serkit.audio.voice.bands import BandDetector
from serkit.audio.voice.detector import (
    FrameScorer,
    VoiceDetector,
    VoiceStream,
    voice_segments,
)
from serkit.audio.voice.options import VoiceOptions
from serkit.audio.voice.segments import VoiceSegment
from serkit.audio.voice.silero import SileroDetector
from serkit.errors import AudioError
from serkit.text import shown

DETECTORS = ("bands", "silero")
"""Names of the detectors."""


def find_detector(name: str, options: VoiceOptions | None = None) -> VoiceDetector:
    """A detector by name.

    Args:
        name: One of `DETECTORS`.
        options: How frame probabilities become stretches of speech; None for the defaults.

    Raises:
        AudioError: There is no detector of this name.
        MissingExtraError: The package of the detector is not installed.
    """
    if name == "bands":
        return BandDetector(options)
    if name == "silero":
        return SileroDetector(options)
    raise AudioError(f"there is no detector {shown(name)}; expected {' or '.join(DETECTORS)}")


__all__ = [
    "DETECTORS",
    "BandDetector",
    "FrameScorer",
    "SileroDetector",
    "VoiceDetector",
    "VoiceOptions",
    "VoiceSegment",
    "VoiceStream",
    "find_detector",
    "voice_segments",
]
