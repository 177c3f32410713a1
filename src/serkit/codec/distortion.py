"""The error that coding adds to a recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.codec.basis import Basis
from serkit.codec.decoding import Decoding
from serkit.codec.frontend import log_mel_blocks
from serkit.codec.packets import Content
from serkit.codec.recording import Coded, Recording
from serkit.errors import AudioError
from serkit.features.whisper import N_MELS, normalised

Array = NDArray[np.float32]


def rmse(
    recording: Recording, coded: Coded, stream: Content, *, basis: Basis | None = None
) -> float:
    """Root mean squared error of the decoded against the original normalised log-mel.

    Args:
        recording: The original; read once, block by block.
        coded: What writing its packets returned.
        stream: The packets.
        basis: As for `decode`.

    Raises:
        AudioError: The recording cannot be read, or is longer than when it was coded.
    """
    squared, n_frames = 0.0, 0
    decoded = _Frames(Decoding(stream, basis=basis).blocks())
    for block in log_mel_blocks(recording()):
        original = normalised(block, peak=coded.peak)
        error = decoded.take(original.shape[1]) - original
        squared += float(np.square(error).sum(dtype=float))
        n_frames += original.shape[1]
    return float((squared / (N_MELS * n_frames)) ** 0.5)


class _Frames:
    """Blocks of any sizes, read in other sizes."""

    def __init__(self, blocks: Iterator[Array]) -> None:
        self._blocks = blocks
        self._held = np.empty((N_MELS, 0), np.float32)

    def take(self, n_frames: int) -> Array:
        """The next frames, shape `[80, n_frames]`."""
        parts, n_held = [self._held], self._held.shape[1]
        while n_held < n_frames:
            part = next(self._blocks, None)
            if part is None:
                raise AudioError("the recording grew while it was coded; code it again")
            parts.append(part)
            n_held += part.shape[1]
        held = np.concatenate(parts, axis=1) if len(parts) > 1 else self._held
        self._held = held[:, n_frames:]
        return held[:, :n_frames]
