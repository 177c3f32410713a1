"""The timeline of a whole recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serkit.runtime.decoded import Recording
from serkit.runtime.events import Event, PartialEvent, SegmentEvent, VoiceEvent
from serkit.runtime.listener import Listener, detector_named
from serkit.runtime.sources import opened
from serkit.runtime.timeline import Timeline, TimelineSettings
from serkit.runtime.tracker import Tracker

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector
    from serkit.runtime.recognizer import Recognizer


def timeline(
    model: Recognizer,
    source: Recording,
    settings: TimelineSettings | None = None,
    *,
    detector: VoiceDetector | str | None = "bands",
    channel: int | None = None,
    on_seconds: Callable[[float], object] | None = None,
) -> Timeline:
    """See `Recognizer.timeline`."""
    settings = TimelineSettings() if settings is None else settings
    known = detector_named(detector)
    listener = Listener(known)
    events: list[Event] = []
    # A tracker checks windows of samples itself.
    check = model.card.takes_log_mel
    with opened(source, model.card, hear=listener.push, check=check, channel=channel) as stream:
        detected = known is not None and stream.is_sound
        tracker = Tracker(model, settings, stream.rate, voice=detected, losses=stream.losses)
        for block in stream.blocks:
            events += tracker.push(block, **listener.heard())
            if on_seconds is not None:
                on_seconds(block.shape[-1] / stream.rate)
        events += tracker.finish(listener.finish())
        cautions = stream.cautions()
    borders = [event.time_s for event in events if isinstance(event, VoiceEvent)]
    return Timeline(
        segments=tuple(event.segment for event in events if isinstance(event, SegmentEvent)),
        windows=tuple(event.window for event in events if isinstance(event, PartialEvent)),
        voiced=tuple(zip(borders[::2], borders[1::2], strict=True)) if detected else None,
        overall=tracker.overall(cautions),
        channel=channel if stream.is_sound else None,
    )
