"""Resampling to 16 kHz as samples arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Sampling rate used throughout serkit, in Hz."""


class Resampler:
    """Resamples a stream to 16 kHz by soxr at quality VHQ; a stream at 16 kHz is unchanged.

    Args:
        rate: Sampling rate of the stream in Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._stream: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")

    def push(self, samples: Samples) -> Samples:
        """Take samples and return those that are ready, shape `[n]`; n may be 0."""
        if self._stream is None:
            return samples
        ready: Samples = self._stream.resample_chunk(samples)
        return ready

    def flush(self) -> Samples:
        """End the stream and return the remaining samples."""
        nothing = np.zeros(0, np.float32)
        if self._stream is None:
            return nothing
        ready: Samples = self._stream.resample_chunk(nothing, last=True)
        return ready


def resampled(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """The blocks of a recording at 16 kHz, without empty ones."""
    resampler = Resampler(rate)
    for block in blocks:
        converted = resampler.push(block)
        if len(converted):
            yield converted
    tail = resampler.flush()
    if len(tail):
        yield tail
