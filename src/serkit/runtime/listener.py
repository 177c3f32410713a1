"""Voice activity as a `Tracker` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from serkit.audio.voice import VoiceDetector, VoiceSegment

Array = NDArray[np.float32]


class Heard(TypedDict):
    """Arguments of `Tracker.push`."""

    ended: list[VoiceSegment]
    open_since_s: float | None
    decided_s: float


class Listener:
    """A `VoiceStream`, or none, and the stretches of it that have not been taken yet.

    Args:
        detector: The detector; None to hear nothing.
    """

    def __init__(self, detector: VoiceDetector | None) -> None:
        self._stream = None if detector is None else detector.start()
        self._ended: list[VoiceSegment] = []

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

    def finish(self) -> list[VoiceSegment]:
        """End the stream; the remaining stretches."""
        return [*self._ended, *(() if self._stream is None else self._stream.finish())]


def detector_named(detector: VoiceDetector | str | None) -> VoiceDetector | None:
    """The detector itself, or that of the name.

    Raises:
        AudioError: There is no detector of this name.
        MissingExtraError: The package of the detector is not installed.
    """
    if isinstance(detector, str):
        from serkit.audio.voice import find_detector

        return find_detector(detector)
    return detector
