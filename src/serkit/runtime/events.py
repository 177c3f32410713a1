"""What a `LiveStream` reports as sound arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from serkit.runtime.prediction import Prediction, Window
from serkit.runtime.timeline import Segment


@dataclass(frozen=True, slots=True)
class VoiceEvent:
    """Voice begins or ends.

    Attributes:
        time_s: When, in seconds from the start of the stream.
        voiced: Whether voice begins.
    """

    kind: ClassVar[Literal["voice"]] = "voice"
    time_s: float
    voiced: bool


@dataclass(frozen=True, slots=True)
class PartialEvent:
    """A window was classified.

    Attributes:
        window: The window, before smoothing.
        label: Its most probable emotion; None for digital silence or below `min_confidence`.
    """

    kind: ClassVar[Literal["partial"]] = "partial"
    window: Window
    label: str | None


@dataclass(frozen=True, slots=True)
class SegmentEvent:
    """A segment has ended.

    Attributes:
        segment: The segment; it will not change.
    """

    kind: ClassVar[Literal["segment"]] = "segment"
    segment: Segment


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The stream has ended.

    Attributes:
        overall: One answer for the whole stream; its warnings are about the whole stream.
    """

    kind: ClassVar[Literal["end"]] = "end"
    overall: Prediction


Event = VoiceEvent | PartialEvent | SegmentEvent | EndEvent
