"""Options of voice activity detection, the same for every detector."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from serkit.errors import AudioError

MAX_MS = 60_000.0
"""Longest time of an option, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceOptions:
    """How frame probabilities become stretches of speech.

    Speech begins at a frame whose probability reaches `threshold` and ends at a frame whose
    probability is below `threshold - 0.15`.

    Attributes:
        threshold: Probability at which speech begins, 0.01 to 0.99.
        min_speech_ms: Shorter speech is dropped, in milliseconds.
        min_silence_ms: Shorter pauses are part of the speech around them, in milliseconds.
        pad_ms: Added before and after each stretch, in milliseconds; at most half of
            `min_silence_ms`, so that stretches never overlap.

    Raises:
        AudioError: A value is out of range.
    """

    threshold: float = 0.5
    min_speech_ms: float = 250.0
    min_silence_ms: float = 200.0
    pad_ms: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = (0.01, 0.99) if field.name == "threshold" else (0.0, MAX_MS)
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise AudioError(f"{field.name} is {value!r:.40}; expected a number")
            if not least <= value <= most:
                raise AudioError(f"{field.name} is {value:g}; expected {least:g} to {most:g}")
        if self.pad_ms > self.min_silence_ms / 2.0:
            raise AudioError(
                f"pad_ms is {self.pad_ms:g}; expected at most half of min_silence_ms, which is "
                f"{self.min_silence_ms:g}"
            )
