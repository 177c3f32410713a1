"""Windows, cells and segments of a stream of model input, as it arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.runtime.affect import UNKNOWN, affect_of
from serkit.runtime.caution import Caution
from serkit.runtime.decision import chosen_labels, decided, distance_cautions, scores_of
from serkit.runtime.events import Event, PartialEvent, SegmentEvent, VoiceEvent
from serkit.runtime.prediction import MIN_DURATION_S, SILENT, Prediction, Window
from serkit.runtime.segmentation import SegmentBuilder, merged
from serkit.runtime.smoothing import Cell, smoother
from serkit.runtime.sound_check import SoundCheck, short
from serkit.runtime.sources import window_check
from serkit.runtime.timeline import Segment, TimelineSettings

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceSegment
    from serkit.runtime.recognizer import Answer, Recognizer

Array = NDArray[np.float32]

_REST = 0.25
"""A rest of a turn shorter than this share of a hop takes the scores of the window before it."""

NO_VOICE = "no voice was detected"


class Held:
    """The part of a stream that is still needed.

    Attributes:
        start: Position of its first sample or frame.
        end: Position after its last.
    """

    def __init__(self) -> None:
        self.start = self.end = 0
        self._parts: deque[Array] = deque()

    def push(self, content: Array) -> None:
        """Append samples `[n]` or frames `[80, n]`."""
        if content.shape[-1]:
            self._parts.append(content)
            self.end += content.shape[-1]

    def take(self, start: int, end: int) -> Array:
        """The content from one position to another."""
        if len(self._parts) > 1:
            self._parts = deque([np.concatenate(list(self._parts), axis=-1)])
        return self._parts[0][..., start - self.start : end - self.start]

    def drop(self, before: int) -> None:
        """Forget everything before a position."""
        while self._parts and self.start < before:
            first = self._parts.popleft()
            rest = first[..., before - self.start :]
            self.start += first.shape[-1] - rest.shape[-1]
            if rest.shape[-1]:
                self._parts.appendleft(rest)


@dataclass(slots=True, eq=False)
class _Turn:
    """Voice without a long pause.

    Attributes:
        start: Its first sample or frame.
        voiced_to: The voice known so far ends here.
        next: Start of the next window.
        covered: End of the last cell.
        recent: Windows that may cover the next cell, or else the latest: end, answer.
    """

    start: int
    voiced_to: int
    next: int
    covered: int
    recent: deque[_Classified] = field(default_factory=deque)


@dataclass(frozen=True, slots=True, eq=False)
class _Classified:
    """A window.

    Attributes:
        start: Its first sample or frame.
        end: The position after its last.
        answer: Its results; None for digital silence.
        cautions: Reasons not to trust them.
    """

    start: int
    end: int
    answer: Answer | None
    cautions: tuple[Caution, ...]


class Tracker:
    """Cuts a stream into turns, windows, cells and segments, in memory that does not grow.

    A turn is voice without a pause of `pause_s`. Its windows start at multiples of the hop from its
    start; the last one may be shorter. A cell is a hop long; its probabilities are the mean of
    those of the windows that cover its middle. Everything is at fixed positions, so that results do
    not depend on how the stream is chunked.

    Args:
        model: The model.
        settings: How to cut, smooth and sum up.
        rate: Samples or frames per second of the model's input.
        voice: Whether voice is detected, and told to `push`; otherwise everything is one turn.
        losses: Returns what has been missing since its last call.

    Raises:
        AudioError: The hop is out of range.
        ModelError: A label is unknown.
    """

    def __init__(
        self,
        model: Recognizer,
        settings: TimelineSettings,
        rate: int,
        *,
        voice: bool,
        losses: Callable[[], tuple[Caution, ...]] = tuple,
    ) -> None:
        self._model = model
        self._settings = settings
        self._rate = rate
        self._voice = voice
        self._losses = losses
        self._chosen = chosen_labels(model.card, settings.labels)
        window_s, hop_s = settings.lengths(model.card.window_s)
        self._window, self._hop = round(window_s * rate), max(1, round(hop_s * rate))
        self._pause = round(settings.pause_s * rate)
        self._held = Held()
        # Voiced stretches not processed yet; the last may have no end yet.
        self._stretches: deque[tuple[int, int | None]] = deque()
        if not voice:
            self._stretches.append((0, None))
        self._speaking = False
        self._turn: _Turn | None = None
        self._paused_at = 0
        self._events: list[Event] = []
        self._smoother = smoother(settings, len(self._chosen))
        self._builder = SegmentBuilder(
            self._named, partial(affect_of, model.card), settings.min_confidence
        )
        n_labels, n_dimensions = len(self._chosen), len(model.card.dimensions)
        # Sums of the probabilities and then the dimensions of the windows.
        self._total = np.zeros(n_labels + n_dimensions)
        self._weight = self._seconds = self._distance = 0.0
        self._check = SoundCheck()
        self._plain = np.zeros(n_labels + n_dimensions)
        self._why_not = NO_VOICE if voice else SILENT

    @property
    def position_s(self) -> float:
        """Length of the stream so far, in seconds."""
        return self._held.end / self._rate

    def push(
        self,
        content: Array,
        ended: Sequence[VoiceSegment] = (),
        *,
        open_since_s: float | None = None,
        decided_s: float = 0.0,
    ) -> list[Event]:
        """Take the next part of the stream.

        Args:
            content: Samples `[n]` or frames `[80, n]`; n may be 0.
            ended: Voiced stretches that have ended since the last call.
            open_since_s: Start of the voiced stretch that has not ended yet; None in a pause.
            decided_s: Everything about voice before this time is known.

        Returns:
            What has happened, in order of time.
        """
        self._held.push(content)
        horizon = self._held.end
        if self._voice:
            self._hear(ended, open_since_s)
            horizon = min(horizon, int(decided_s * self._rate))
        self._advance(horizon)
        return self._drained()

    def finish(self, ended: Sequence[VoiceSegment] = ()) -> list[Event]:
        """End the stream.

        Args:
            ended: The last voiced stretches.

        Returns:
            As `push`.
        """
        end = self._held.end
        self._hear(ended, None)
        self._stretches = deque(
            (start, end if until is None else min(until, end))
            for start, until in self._stretches
            if start < end
        )
        self._advance(end)
        self._close()
        self._pause_until(end)
        for cell in self._smoother.finish():
            self._add(cell)
        self._emit(self._builder.finish())
        self._held.drop(end)  # a server keeps ended streams for a time
        return self._drained()

    def overall(self, cautions: tuple[Caution, ...] = ()) -> Prediction:
        """One answer for the stream so far.

        Args:
            cautions: Those of the stream itself, and for log-mel frames those of their sound.
        """
        name, duration_s = self._model.name, self.position_s
        if self._rate == SAMPLE_RATE:
            cautions += self._check.quality() + short(duration_s)
        if not self._seconds:
            return Prediction(None, {}, duration_s, name, self._why_not, cautions)
        mean = self._total / self._weight if self._weight else self._plain / self._seconds
        probabilities, dimensions = np.split(mean, [len(self._chosen)])
        scores = self._named(probabilities)
        label, reason = decided(scores, self._settings.min_confidence)
        affect = affect_of(self._model.card, scores, dimensions)
        cautions += distance_cautions(self._model.card, self._distance / self._seconds)
        return Prediction(label, scores, duration_s, name, reason, cautions, affect)

    def _hear(self, ended: Sequence[VoiceSegment], open_since_s: float | None) -> None:
        for stretch in ended:
            start, end = round(stretch.start_s * self._rate), round(stretch.end_s * self._rate)
            if self._stretches and self._stretches[-1][1] is None:
                start = self._stretches.pop()[0]
            self._stretches.append((start, end))
        open_now = bool(self._stretches) and self._stretches[-1][1] is None
        if open_since_s is not None and not open_now:
            self._stretches.append((round(open_since_s * self._rate), None))

    def _advance(self, horizon: int) -> None:
        """Process everything before a position."""
        while self._stretches and self._stretches[0][0] < horizon:
            start, end = self._stretches[0]
            turn = self._turn_at(start)
            if not self._speaking:
                self._speaking = True
                self._tell_voice(start)
            turn.voiced_to = horizon if end is None else min(end, horizon)
            while turn.next + self._window <= turn.voiced_to:
                self._window_of(turn, turn.next + self._window)
            if end is None or end > horizon:
                break
            self._stretches.popleft()
            self._speaking = False
            self._tell_voice(turn.voiced_to)
        last = self._turn
        if last is not None and not self._speaking and horizon - last.voiced_to >= self._pause:
            self._close()
        self._held.drop(self._turn.next if self._turn is not None else horizon)

    def _turn_at(self, start: int) -> _Turn:
        """The turn that a voiced stretch belongs to."""
        if self._turn is not None and start - self._turn.voiced_to >= self._pause:
            self._close()
        if self._turn is None:
            self._pause_until(start)
            self._turn = _Turn(start, start, start, start)
        return self._turn

    def _tell_voice(self, position: int) -> None:
        if self._voice:
            self._events.append(VoiceEvent(position / self._rate, self._speaking))

    def _window_of(self, turn: _Turn, end: int) -> None:
        """Classify the next window of a turn, and finish the cell at its start."""
        window = self._classified(turn.next, end)
        turn.recent.append(window)
        turn.next += self._hop
        self._cell(turn, min(turn.next, end))
        while len(turn.recent) > 1 and turn.recent[0].end <= turn.covered:
            turn.recent.popleft()

    def _close(self) -> None:
        """End the turn."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        end = turn.voiced_to
        self._paused_at = end
        least = round(MIN_DURATION_S * self._rate)
        if not turn.recent and end - turn.start < least:
            seconds = (end - turn.start) / self._rate
            what = "voice" if self._voice else "sound"
            reason = (
                f"{1000 * seconds:.3g} ms of {what}; expected at least "
                f"{1000 * MIN_DURATION_S:.0f} ms"
            )
            self._why_not = reason
            self._silence(turn.start, end, reason)
            return
        done = turn.recent[-1].end if turn.recent else turn.start
        if not turn.recent or end - done >= _REST * self._hop:
            self._window_of(turn, end)
        while turn.covered < end:
            following = turn.covered + self._hop
            self._cell(turn, end if end - following < _REST * self._hop else following)
        at_s = end / self._rate
        self._smooth(Cell(at_s, at_s, 0.0, None, last=True))

    def _classified(self, start: int, end: int) -> _Classified:
        content = self._held.take(start, end)
        answer = self._model.classify(content, self._chosen)
        cautions = self._losses()
        check = window_check(content)
        if check is not None:
            cautions += check.cautions()
            self._check.include(check)
        seconds = (end - start) / self._rate
        named: dict[str, float] = {}
        label, affect = None, UNKNOWN
        if answer is not None:
            cautions += distance_cautions(self._model.card, answer.distance)
            probabilities = answer.probabilities.astype(np.float64)
            named = self._named(probabilities)
            label, _ = decided(named, self._settings.min_confidence)
            affect = affect_of(self._model.card, named, answer.dimensions)
            weight = self._weight_of(probabilities, seconds)
            values = np.concatenate([probabilities, answer.dimensions])
            self._total += weight * values
            self._weight += weight
            self._plain += seconds * values
            self._seconds += seconds
            self._distance += seconds * answer.distance
        else:
            self._why_not = SILENT
        window = Window(start / self._rate, end / self._rate, named, cautions, affect)
        self._events.append(PartialEvent(window, label))
        return _Classified(start, end, answer, cautions)

    def _weight_of(self, probabilities: NDArray[np.float64], seconds: float) -> float:
        if self._settings.aggregation == "mean":
            return 1.0
        if self._settings.aggregation == "duration" or len(probabilities) < 2:
            return seconds
        positive = probabilities[probabilities > 0.0]
        entropy = -float(positive @ np.log(positive))
        return seconds * max(0.0, 1.0 - entropy / float(np.log(len(probabilities))))

    def _cell(self, turn: _Turn, end: int) -> None:
        """The next cell of a turn, from its end so far to a position."""
        middle = (turn.covered + end) / 2
        covering = [one for one in turn.recent if one.start <= middle < one.end]
        covering = covering or [turn.recent[-1]]
        answers = [one.answer for one in covering if one.answer is not None]
        start, turn.covered = turn.covered, end
        cautions = merged([one.cautions for one in covering])
        if not answers:
            self._silence(start, end, SILENT, cautions)
            return
        weight = (end - start) / self._hop
        probabilities: NDArray[np.float64] = np.mean(
            [one.probabilities for one in answers], axis=0, dtype=np.float64
        )
        dimensions: NDArray[np.float64] = np.mean([one.dimensions for one in answers], axis=0)
        seconds = start / self._rate, end / self._rate
        self._smooth(
            Cell(*seconds, weight, probabilities, cautions=cautions, dimensions=dimensions)
        )

    def _pause_until(self, end: int) -> None:
        """The pause between two turns, or before the first or after the last."""
        if end > self._paused_at:
            self._silence(self._paused_at, end, NO_VOICE if self._voice else SILENT)
        self._paused_at = end

    def _silence(
        self, start: int, end: int, reason: str, cautions: tuple[Caution, ...] = ()
    ) -> None:
        seconds = start / self._rate, end / self._rate
        self._smooth(Cell(*seconds, 0.0, None, reason, cautions))

    def _smooth(self, cell: Cell) -> None:
        for smoothed in self._smoother.push(cell):
            self._add(smoothed)

    def _add(self, cell: Cell) -> None:
        self._emit(self._builder.add(cell))

    def _emit(self, segments: list[Segment]) -> None:
        self._events += [SegmentEvent(segment) for segment in segments]

    def _drained(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _named(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        return scores_of(self._model.card, self._chosen, probabilities)
