"""Samples as they come -> blocks of log-mel frames, the same whatever the chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serkit.errors import AudioError
from serkit.features import mel_filter_bank, power_spectrum

Array = NDArray[np.float32]

N_MELS = 80
N_FFT, HOP = 400, 160
BLOCK_FRAMES = 32
"""Frames of a block: 320 ms."""

FLOOR = -10.0
"""The least log-mel value: `log10` of Whisper's 1e-10."""

_HALF = N_FFT // 2
# Squares of larger ones would not be finite any more.
_LOUDEST = 1e12


class LogMelStream:
    """Whisper's log-mel frames before the clamp at the recording's maximum less 8.

    Frames are centred, with the ends mirrored, as `serkit.features.whisper_log_mel` has them. They
    are computed a block at a time, so that rounding does not depend on the chunks either.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._received = 0
        self._given = 0
        self._begun = False
        self._ended = False

    def push(self, samples: Array) -> list[Array]:
        """Take samples and give the blocks that are complete.

        Args:
            samples: Mono at 16 kHz, shape `[n]`, float32.

        Returns:
            Each of shape `[80, 32]`: `log10` of the mel energies.

        Raises:
            AudioError: These are not samples of one channel as floats, one is not finite or beyond
                all measure, or the stream has ended; none is taken.
        """
        if self._ended:
            raise AudioError("the stream has ended; begin a new one")
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise AudioError(
                f"expected samples of one channel as floats within 1, shape [n]; these are "
                f"{samples.dtype}, shape {list(samples.shape)}"
            )
        if not np.abs(samples).max(initial=0.0) <= _LOUDEST:
            raise AudioError("the samples hold numbers that are not finite or beyond 1e12")
        self._received += len(samples)
        self._samples = np.concatenate((self._samples, samples.astype(np.float32, copy=False)))
        if not self._begun:
            if self._received <= _HALF:
                return []
            self._begin()
        block = (BLOCK_FRAMES - 1) * HOP + N_FFT
        # One frame more than the block's must be there: the last of all is left out at the end.
        blocks = []
        while len(self._samples) >= block + HOP:
            blocks.append(_log_mel(self._samples[:block]))
            self._samples = self._samples[BLOCK_FRAMES * HOP :]
            self._given += BLOCK_FRAMES
        return blocks

    def flush(self) -> list[Array]:
        """The blocks that are left, when no samples follow; the last may be shorter."""
        if self._ended:
            return []
        self._ended = True
        n_frames = self._received // HOP - self._given
        if not self._begun:
            self._samples = np.pad(self._samples, _HALF)
        else:
            self._samples = np.concatenate((self._samples, self._samples[-2 : -2 - _HALF : -1]))
        blocks = []
        while n_frames > 0:
            taken = min(n_frames, BLOCK_FRAMES)
            blocks.append(_log_mel(self._samples[: (taken - 1) * HOP + N_FFT]))
            self._samples = self._samples[taken * HOP :]
            n_frames -= taken
        return blocks

    def _begin(self) -> None:
        self._samples = np.concatenate((self._samples[_HALF:0:-1], self._samples))
        self._begun = True


def _log_mel(samples: Array) -> Array:
    power = power_spectrum(samples, n_fft=N_FFT, hop=HOP, padding=None)
    energies = mel_filter_bank(N_MELS, n_fft=N_FFT) @ power
    logarithm: Array = np.log10(np.maximum(energies, np.float32(10.0**FLOOR)))
    return logarithm


def log_mel_blocks(samples: Array) -> list[Array]:
    """The blocks of a whole recording.

    Args:
        samples: Mono at 16 kHz, shape `[n]`, float32.

    Returns:
        Each of shape `[80, 32]`, the last perhaps shorter; none below 10 ms.
    """
    stream = LogMelStream()
    return stream.push(samples) + stream.flush()


def clamped(log_mel: Array, peak: float) -> Array:
    """No lower than 8 below a maximum, as Whisper has it.

    Args:
        log_mel: `log10` of mel energies, shape `[80, n_frames]`.
        peak: The maximum of the recording, or of what has been heard of it.
    """
    found: Array = np.maximum(log_mel, np.float32(peak) - np.float32(8.0))
    return found


def normalised(log_mel: Array, *, peak: float | None = None) -> Array:
    """As Whisper's encoder takes it: no lower than 8 below the maximum, mapped by `(x + 4) / 4`.

    Args:
        log_mel: `log10` of mel energies of a whole recording, shape `[80, n_frames]`.
        peak: Its maximum before it was coded; its own if not given.
    """
    if not log_mel.size:
        return log_mel
    floored = clamped(log_mel, float(log_mel.max()) if peak is None else peak)
    scaled: Array = (floored + np.float32(4.0)) / np.float32(4.0)
    return scaled
