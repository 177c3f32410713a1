"""Text of a stream: its segments are transcribed while it goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.runtime.events import Event
from serkit.runtime.prediction import MIN_DURATION_S
from serkit.runtime.timeline import Segment
from serkit.runtime.tracker import Held
from serkit.serving.cutting import LONGEST_S, quietest
from serkit.serving.numbered import Numbered
from serkit.serving.transcribing import Coming, Transcribing, when_done

Array = NDArray[np.float32]

# Kept of a pause: voice is told some time after its start; and a segment some time after its end,
# until when all that was not transcribed before is kept.
_ONSET_S, _UNTOLD_S = 10, 60


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a stream whose text is waited for."""

    number: int
    start_s: float
    end_s: float
    coming: Coming
    latest: float


class StreamText:
    """The text of one stream, as numbered events of their own.

    Which stretch has which number is determined by the chunks of the stream. They are numbered
    apart from the other events, as it is not determined when their texts are there.

    `hear` and `take` may be called in any thread, the others in that of the event loop; never two
    at once.

    Args:
        transcribing: Of the server.
        packets: Whether the stream consists of packets; else of sound.
        voiced: Whether all of it counts as voice; else its events tell.
        last: Number of the last text that the client has: those up to it are not transcribed again.
        most_bytes: Of the events that are kept.

    Attributes:
        changed: Set when `collect` may find something new.
    """

    def __init__(
        self, transcribing: Transcribing, *, packets: bool, voiced: bool, last: int, most_bytes: int
    ) -> None:
        self._transcribing = transcribing
        self._rate = FRAMES_PER_SECOND if packets else SAMPLE_RATE
        self._voiced = voiced
        self._last = last
        self._n_stretches = 0
        self._spoken_s = self._told_s = 0.0  # ends of voice, and of the segments
        self._held = Held()
        self._pending: deque[_Stretch] = deque()
        self._done = Numbered(most_bytes)
        self._loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()

    @property
    def pending(self) -> bool:
        """Whether texts are waited for."""
        return bool(self._pending)

    @property
    def wait_s(self) -> float | None:
        """Seconds after which a text is given up; None if none is waited for."""
        if not self._pending:
            return None
        return max(0.0, self._pending[0].latest - time.monotonic())

    def hear(self, content: Array) -> None:
        """Take samples `[n]` or frames `[80, n]`, before the events about them."""
        self._held.push(content)

    def take(self, events: Sequence[Event]) -> None:
        """Have the segments among new events transcribed, and long speech before it ends."""
        for event in events:
            if event.kind == "voice":
                self._voiced, self._spoken_s = event.voiced, event.time_s
            elif event.kind == "segment":
                self._segment(event.segment)
        held = self._held
        while self._voiced and held.end - held.start > LONGEST_S * self._rate:
            end = held.start + quietest(held.take(held.start, held.end), self._rate)
            self._cut(held.start, end)
        untold = self._voiced or self._told_s < self._spoken_s
        held.drop(held.end - (_UNTOLD_S if untold else _ONSET_S) * self._rate)

    def collect(self) -> None:
        """Make events of the texts that are there, in order, and of those that are given up."""
        while self._pending:
            first = self._pending[0]
            coming = first.coming
            late = time.monotonic() >= first.latest
            if not (late or isinstance(coming, str) or coming.done()):
                return
            self._pending.popleft()
            values = {
                "event": "text",
                "text_seq": first.number,
                "start_s": round(first.start_s, 6),
                "end_s": round(first.end_s, 6),
                **self._transcribing.said(coming).to_dict(first.start_s),
            }
            self._done.keep(first.number, json.dumps(values))

    def after(self, number: int) -> list[tuple[int, str]]:
        """The events after a number.

        Raises:
            RefusedError: Some of them are not kept any more.
        """
        return self._done.after(number)

    def forget(self, number: int) -> None:
        """Drop events up to a number, which the client has."""
        self._done.forget(number)

    def close(self) -> None:
        """Give up all texts."""
        while self._pending:
            coming = self._pending.popleft().coming
            if not isinstance(coming, str):
                coming.cancel()

    def _segment(self, segment: Segment) -> None:
        start = max(round(segment.start_s * self._rate), self._held.start)
        end = min(round(segment.end_s * self._rate), self._held.end)
        self._told_s = segment.end_s
        if segment.scores:  # none for silence
            self._cut(start, end)
        self._held.drop(end)

    def _cut(self, start: int, end: int) -> None:
        """Transcribe a stretch, and forget what is before its end."""
        if end - start < MIN_DURATION_S * self._rate:
            return
        self._n_stretches += 1
        if self._n_stretches > self._last:
            coming = self._transcribing.submit(self._held.take(start, end).copy())
            seconds = start / self._rate, end / self._rate
            latest = time.monotonic() + self._transcribing.timeout_s
            self._pending.append(_Stretch(self._n_stretches, *seconds, coming, latest))
            self._loop.call_soon_threadsafe(self.changed.set)
            if not isinstance(coming, str):
                when_done(coming, self._loop, self.changed.set)
        self._held.drop(end)
