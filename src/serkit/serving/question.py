"""What is asked about a recording or a stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from serkit.runtime import TimelineSettings

OFF = "off"
"""Name of the detector that classifies everything."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a recording or a stream.

    Attributes:
        model: Name of the model; None for the first that takes the input.
        labels: Restrict the answer to these labels; None for all.
        min_confidence: Give no label below this probability.
        channel: Number of the channel, from 0; None for the mean of all.
        detector: Of voice, for a timeline: `bands`, `silero` or `off`.
        settings: Of a timeline.
    """

    model: str | None = None
    labels: tuple[str, ...] | None = None
    min_confidence: float | None = None
    channel: int | None = None
    detector: str = "bands"
    settings: TimelineSettings = field(default_factory=TimelineSettings)

    @property
    def voice_detector(self) -> str | None:
        """The detector as a `Recognizer` takes it; None to classify everything."""
        return None if self.detector == OFF else self.detector
