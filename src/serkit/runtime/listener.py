"""Voice activity as a `Tracker` takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Stretch(Protocol):
    """A voiced stretch."""

    @property
    def start_s(self) -> float:
        """Start in seconds from the start of the stream."""

    @property
    def end_s(self) -> float:
        """End in seconds."""


class VoiceStream(Protocol):
    """Voice activity of one stream, as it arrives."""

    @property
    def decided_s(self) -> float:
        """Everything about voice before this time is known."""

    @property
    def open_since_s(self) -> float | None:
        """Start of the stretch that has not ended yet; None in a pause."""

    def push(self, samples: Array) -> Sequence[Stretch]:
        """Take samples, mono at 16 kHz; the stretches that have ended."""

    def finish(self) -> Sequence[Stretch]:
        """End the stream; the remaining stretches."""


class VoiceDetector(Protocol):
    """Starts a `VoiceStream` for each recording."""

    def start(self) -> VoiceStream:
        """A new stream."""


class Heard(TypedDict):
    """Arguments of `Tracker.push`."""

    ended: list[Stretch]
    open_since_s: float | None
    decided_s: float


class Listener:
    """A `VoiceStream`, or none, and the stretches of it that have not been taken yet.

    Args:
        detector: The detector; None to hear nothing.
    """

    def __init__(self, detector: VoiceDetector | None) -> None:
        self._stream = None if detector is None else detector.start()
        self._ended: list[Stretch] = []

    def push(self, samples: Array) -> None:
        """Take samples: mono at 16 kHz, shape `[n]`."""
        if self._stream is not None:
            self._ended += self._stream.push(samples)

    def heard(self) -> Heard:
        """What has become known about voice since the last call."""
        ended, self._ended = self._ended, []
        if self._stream is None:
            return {"ended": ended, "open_since_s": None, "decided_s": 0.0}
        return {
            "ended": ended,
            "open_since_s": self._stream.open_since_s,
            "decided_s": self._stream.decided_s,
        }

    def finish(self) -> list[Stretch]:
        """End the stream; the remaining stretches."""
        return [*self._ended, *(() if self._stream is None else self._stream.finish())]
