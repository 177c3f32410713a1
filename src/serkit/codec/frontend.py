"""Whisper's log-mel frames in blocks, from samples as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError
from serkit.features.whisper import HOP, N_FFT, log_mel_frames

Array = NDArray[np.float32]

BLOCK_FRAMES = 32
"""Frames per block: 320 ms."""

_HALF = N_FFT // 2
# Samples of a block.
_N_BLOCK = (BLOCK_FRAMES - 1) * HOP + N_FFT
# Keeps the power spectrum far from the limit of float32 (chosen by hand).
_MAX_SAMPLE = 1e12


class LogMelStream:
    """`log10` mel energies of a stream, as `serkit.features.whisper_log_mel` before its clamp.

    Frames are centred and the ends mirrored. They are computed block by block, so that not even
    rounding depends on how the samples are chunked.
    """

    def __init__(self) -> None:
        # Joined once per block, as chunks may be short.
        self._chunks: list[Array] = []
        self._n_held = 0
        self._n_samples = 0
        self._n_frames = 0
        self._started = False
        self._ended = False

    def push(self, samples: Array) -> list[Array]:
        """Take samples and return the blocks they complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float.

        Returns:
            Blocks of shape `[80, 32]`, float32.

        Raises:
            AudioError: The samples are not one channel of floats, not finite or beyond 1e12, or the
                stream has ended; none is taken.
        """
        if self._ended:
            raise AudioError("the stream has ended; start a new one")
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise AudioError(
                f"samples are {samples.dtype} of shape {list(samples.shape)}; expected one channel "
                "of floats within 1, shape [n]"
            )
        if not np.abs(samples).max(initial=0.0) <= _MAX_SAMPLE:
            raise AudioError(f"samples are not finite or beyond {_MAX_SAMPLE:g}; expected within 1")
        self._n_samples += len(samples)
        self._hold(samples.astype(np.float32))
        # One frame of look-ahead: Whisper drops the last frame of a recording.
        if self._n_held + (0 if self._started else _HALF) < _N_BLOCK + HOP:
            return []
        held = self._joined()
        blocks = []
        while len(held) >= _N_BLOCK + HOP:
            blocks.append(log_mel_frames(held[:_N_BLOCK]))
            held = held[BLOCK_FRAMES * HOP :]
            self._n_frames += BLOCK_FRAMES
        self._hold(held)
        return blocks

    def flush(self) -> list[Array]:
        """End the stream and return the remaining blocks; the last may be shorter."""
        if self._ended:
            return []
        self._ended = True
        n_left = self._n_samples // HOP - self._n_frames
        if self._n_samples <= _HALF:
            held = np.pad(self._joined(), _HALF)
        else:
            held = self._joined()
            held = np.concatenate((held, held[-2 : -2 - _HALF : -1]))
        blocks = []
        while n_left > 0:
            n = min(n_left, BLOCK_FRAMES)
            blocks.append(log_mel_frames(held[: (n - 1) * HOP + N_FFT]))
            held = held[n * HOP :]
            n_left -= n
        return blocks

    def _hold(self, samples: Array) -> None:
        self._chunks.append(samples)
        self._n_held += len(samples)

    def _joined(self) -> Array:
        """Take all samples held, after the mirrored beginning of the stream."""
        joined = np.concatenate((*self._chunks, np.zeros(0, np.float32)))
        self._chunks, self._n_held = [], 0
        if not self._started and self._n_samples > _HALF:
            joined = np.concatenate((joined[_HALF:0:-1], joined))
            self._started = True
        return joined


def log_mel_blocks(recording: Iterable[Array]) -> Iterator[Array]:
    """The blocks of a whole recording.

    Args:
        recording: Its samples in blocks of any size, mono at 16 kHz.

    Yields:
        `log10` mel energies, shape `[80, 32]`, the last perhaps shorter; none below 10 ms.
    """
    frames = LogMelStream()
    for samples in recording:
        yield from frames.push(samples)
    yield from frames.flush()


def log_mel_of(samples: Array) -> Array:
    """`log10` mel energies of a recording.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float.

    Returns:
        Shape `[80, n // 160]`, float32.

    Raises:
        AudioError: The recording is shorter than a frame of 10 ms.
    """
    blocks = list(log_mel_blocks([samples]))
    if not blocks:
        raise too_short()
    return np.concatenate(blocks, axis=1)


def too_short() -> AudioError:
    """The error for a recording without a single frame."""
    return AudioError("the recording is shorter than a frame of 10 ms; there is nothing to code")
