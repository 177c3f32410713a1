"""Frame probabilities to stretches of speech: hysteresis, minimum lengths, padding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.audio.reading import SAMPLE_RATE
from serkit.audio.voice.options import VoiceOptions

HYSTERESIS = 0.15
"""Speech ends at probabilities lower than the threshold by more than this, as in Silero VAD."""


@dataclass(frozen=True, slots=True)
class VoiceSegment:
    """A stretch of speech.

    Attributes:
        start_s: Start, in seconds from the start of the recording.
        end_s: End, in seconds; greater than the start.
    """

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


class Segmenter:
    """Stretches of speech from consecutive frame probabilities, in constant memory.

    Args:
        options: Threshold, minimum lengths and padding.
        hop: Samples per frame; frame `i` decides samples `i * hop` to `(i + 1) * hop`.
    """

    def __init__(self, options: VoiceOptions, hop: int) -> None:
        self._on = np.float32(options.threshold)
        self._off = np.float32(options.threshold - HYSTERESIS)
        self._hop = hop
        self._min_speech = max(1, _frames(options.min_speech_ms, hop))
        self._min_silence = max(1, _frames(options.min_silence_ms, hop))
        self._pad = round(options.pad_ms * SAMPLE_RATE / 1000.0)
        self._n = 0  # frames so far
        self._speaking = False
        # The stretch that may still grow, in frames: its first, and the one after its last.
        self._start: int | None = None
        self._end = 0

    def push(self, probabilities: NDArray[np.float32]) -> list[VoiceSegment]:
        """Take the next frames, shape `[n_frames]`; the stretches that have ended."""
        if not len(probabilities):
            return []
        ended: list[VoiceSegment] = []
        for start, end in self._runs(probabilities):
            if self._start is None:
                self._start = start
            elif start - self._end >= self._min_silence:
                self._close(ended)
                self._start = start
            self._end = end
        self._n += len(probabilities)
        if self._start is not None and self._n - self._end >= self._min_silence:
            self._close(ended)
        return ended

    def finish(self, n_samples: int) -> list[VoiceSegment]:
        """End the recording after `n_samples` samples; the last stretch if there is one."""
        ended: list[VoiceSegment] = []
        self._close(ended, n_samples)
        return ended

    @property
    def open_since_s(self) -> float | None:
        """Start of the stretch that has not ended, in seconds, if it is long enough to stay."""
        if self._start is None or self._end - self._start < self._min_speech:
            return None
        return self._first(self._start) / SAMPLE_RATE

    @property
    def decided_s(self) -> float:
        """Time before which nothing changes, in seconds."""
        if self._start is None:
            return self._first(self._n) / SAMPLE_RATE
        if self.open_since_s is None:
            return self._first(self._start) / SAMPLE_RATE
        return self._end * self._hop / SAMPLE_RATE

    def _runs(self, probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
        """Runs of speech frames, by their first frame and the one after the last."""
        n = len(probabilities)
        decided = (probabilities >= self._on) | (probabilities < self._off)
        # Frames between the two thresholds are as the last decided frame before them.
        last = np.maximum.accumulate(np.where(decided, np.arange(1, n + 1), 0))
        states = np.concatenate(([self._speaking], probabilities >= self._on))
        speech = states[last]
        self._speaking = bool(speech[-1])
        padded = np.zeros(n + 2, np.bool_)
        padded[1:-1] = speech
        edges = (np.flatnonzero(padded[1:] != padded[:-1]) + self._n).tolist()
        return list(zip(edges[::2], edges[1::2], strict=True))

    def _close(self, ended: list[VoiceSegment], n_samples: int | None = None) -> None:
        """End the current stretch; it is dropped if it is too short."""
        start, self._start = self._start, None
        if start is None or self._end - start < self._min_speech:
            return
        end = self._end * self._hop + self._pad
        end = end if n_samples is None else min(end, n_samples)
        ended.append(VoiceSegment(self._first(start) / SAMPLE_RATE, end / SAMPLE_RATE))

    def _first(self, frame: int) -> int:
        """First sample of a stretch that starts at a frame, with its padding."""
        return max(0, frame * self._hop - self._pad)


def _frames(ms: float, hop: int) -> int:
    """Frames that last at least so many milliseconds."""
    return math.ceil(ms * SAMPLE_RATE / 1000.0 / hop - 1e-9)
