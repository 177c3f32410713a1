"""The content of decoded recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.codec.packets import FRAMES_PER_SECOND
from serkit.features import whisper_log_mel
from serkit.runtime.decoded import DecodedPackets, DecodedSound

Array = NDArray[np.float32]


def duration_s(recording: DecodedSound | DecodedPackets) -> float:
    """Duration in seconds."""
    if isinstance(recording, DecodedPackets):
        return float(sum(part.shape[1] for part, _ in recording.parts)) / FRAMES_PER_SECOND
    return float(sum(map(len, recording.parts))) / SAMPLE_RATE


def content_of(recording: DecodedSound | DecodedPackets) -> Array:
    """All samples `[n]` of a recording, or all frames `[80, n_frames]`."""
    if isinstance(recording, DecodedPackets):
        return np.concatenate([frames for frames, _ in recording.parts], axis=1)
    return np.concatenate(recording.parts)


def log_mel_of(recording: DecodedSound | DecodedPackets) -> Array:
    """Log-mel in the units of Whisper's encoder, `[80, n_frames]`."""
    content = content_of(recording)
    return content if content.ndim == 2 else whisper_log_mel(content)
