"""Events of a stream, of the server and of the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from serkit.runtime.events import Event, SegmentEvent
from serkit.serving.client.parsing import number, text_or_none


@dataclass(frozen=True, slots=True)
class TextEvent:
    """What was said in a segment, or in a part of a long one.

    Attributes:
        start_s: Start in seconds from the start of the stream.
        end_s: End in seconds.
        text: What was said; None if it was not recognised.
        language: As ISO 639-1; None if unknown.
        reason: Why there is no text, such as `late`; None if there is one.
    """

    kind: ClassVar[Literal["text"]] = "text"
    start_s: float
    end_s: float
    text: str | None
    language: str | None = None
    reason: str | None = None


StreamEvent = Event | TextEvent


def text_event_of(values: dict[str, Any]) -> TextEvent:
    """A `text` event of the server.

    Raises:
        ServerError: A value is missing or of another type.
    """
    return TextEvent(
        number(values, "start_s"),
        number(values, "end_s"),
        text_or_none(values, "text"),
        text_or_none(values, "language"),
        text_or_none(values, "text_reason"),
    )


class Novelty:
    """Drops what was said before, where another model repeats a stream from its beginning.

    The same model says the same and all of it is dropped; another one cuts the stream elsewhere,
    and its first new segment begins where the last one ended.
    """

    def __init__(self) -> None:
        self._until = {"voice": -math.inf, "partial": -math.inf, "segment": 0.0, "text": -math.inf}

    def new(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        """The events that are new."""
        return [new for event in events if (new := self._novel(event)) is not None]

    def _novel(self, event: StreamEvent) -> StreamEvent | None:
        if event.kind == "end":
            return event
        known = self._until[event.kind]
        if event.kind == "voice":
            time_s = event.time_s
        elif event.kind == "partial":
            time_s = event.window.end_s
        elif event.kind == "segment":
            time_s = event.segment.end_s
            if event.segment.start_s < known < time_s:
                event = SegmentEvent(replace(event.segment, start_s=known))
        else:
            time_s = event.end_s
        if time_s <= known:
            return None
        self._until[event.kind] = time_s
        return event
