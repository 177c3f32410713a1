"""Voice activity by WebRTC's detector (package webrtcvad-wheels)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.audio.voice import VoiceOptions
from serkit.audio.voice.segments import Segmenter

MODES = (0, 1, 2, 3)
"""Aggressiveness."""

_FRAME = 3 * SAMPLE_RATE // 100
_AS_IT_IS = VoiceOptions(min_speech_ms=0.0, min_silence_ms=0.0, pad_ms=0.0)


def webrtc_segments(
    samples: NDArray[np.float32], *, mode: int, options: VoiceOptions = _AS_IT_IS
) -> NDArray[np.float64]:
    """Starts and ends of speech in seconds, shape `[n, 2]`.

    Args:
        samples: Mono at 16 kHz.
        mode: Aggressiveness, one of `MODES`.
        options: Minimum lengths and padding around WebRTC's decisions in frames of 30 ms.
    """
    detector = webrtcvad.Vad(mode)
    pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    n = len(samples) // _FRAME
    size = 2 * _FRAME
    decisions = [detector.is_speech(pcm[i * size : (i + 1) * size], SAMPLE_RATE) for i in range(n)]
    segmenter = Segmenter(replace(options, threshold=0.5), _FRAME)
    segments = segmenter.push(np.array(decisions, np.float32)) + segmenter.finish(len(samples))
    return np.array([(s.start_s, s.end_s) for s in segments]).reshape(-1, 2)
