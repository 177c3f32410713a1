"""Voice activity by WebRTC's detector (package webrtcvad-wheels)."""

from __future__ import annotations

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE

Array = NDArray[np.float32]

MODES = (0, 1, 2, 3)
"""Aggressiveness."""


class WebRtcScorer:
    """Decisions in frames of 30 ms; see `serkit.audio.voice.FrameScorer`.

    Args:
        mode: Aggressiveness, one of `MODES`.
    """

    hop = 3 * SAMPLE_RATE // 100

    def __init__(self, mode: int) -> None:
        self._detector = webrtcvad.Vad(mode)
        self._held: Array = np.zeros(0, np.float32)

    def push(self, samples: Array) -> Array:
        """Take samples; 1 for whole frames of speech, else 0."""
        held = np.concatenate((self._held, samples))
        n = len(held) // self.hop
        self._held = held[n * self.hop :]
        pcm = (np.clip(held[: n * self.hop], -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        size = 2 * self.hop
        frames = (pcm[i * size : (i + 1) * size] for i in range(n))
        return np.array([self._detector.is_speech(f, SAMPLE_RATE) for f in frames], np.float32)

    def finish(self) -> Array:
        """The last frame, filled up with zeros."""
        return self.push(np.zeros(-len(self._held) % self.hop, np.float32))
