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
from serkit.serving.numbered import Numbered
from serkit.serving.transcribing import Coming, Transcribing, when_done

Array = NDArray[np.float32]

# Whisper takes 30 s. Speech that goes on for longer is transcribed in parts that end where it is
# quietest in their last 10 s.
_LONGEST_S, _SHORTEST_S = 30, 20
_QUIET_S = 0.2
# Of a pause that goes on, as a segment is told some time after its end.
_PAUSE_S = 60


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
                self._voiced = event.voiced
            elif event.kind == "segment":
                self._segment(event.segment)
        while self._voiced and self._length > _LONGEST_S * self._rate:
            self._cut(self._held.start, self._held.start + self._quietest())
        self._held.drop(self._held.end - _PAUSE_S * self._rate)

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

    @property
    def _length(self) -> int:
        return self._held.end - self._held.start

    def _segment(self, segment: Segment) -> None:
        start = max(round(segment.start_s * self._rate), self._held.start)
        end = min(round(segment.end_s * self._rate), self._held.end)
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

    def _quietest(self) -> int:
        """Where to end a stretch that is too long: the middle of its quietest 0.2 s."""
        first = _SHORTEST_S * self._rate
        content = self._held.take(
            self._held.start + first, self._held.start + _LONGEST_S * self._rate
        )
        levels = content**2 if content.ndim == 1 else content.mean(axis=0)
        width = round(_QUIET_S * self._rate)
        sums = np.concatenate(([0.0], np.cumsum(levels, dtype=np.float64)))
        return first + int((sums[width:] - sums[:-width]).argmin()) + width // 2
