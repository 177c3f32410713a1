"""Recordings that were decoded elsewhere, such as in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.audio import Source

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedSound:
    """The samples of a recording.

    Attributes:
        parts: What `serkit.audio.stream` yields: mono at 16 kHz, each `[n_samples]`, float32.
        truncated: What it reports if the file is shorter than its headers say; else None.
    """

    parts: tuple[Array, ...]
    truncated: str | None = None

    def blocks(self, on_truncated: Callable[[str], object]) -> Iterator[Array]:
        """The parts, and then the report of truncation, as `serkit.audio.stream` gives them."""
        yield from self.parts
        if self.truncated is not None:
            on_truncated(self.truncated)


@dataclass(slots=True, eq=False)
class DecodedPackets:
    """The frames of packets; read as `serkit.codec.Decoding` is.

    Attributes:
        parts: What `Decoding.blocks` yields, each `[80, n_frames]`, float32, with the number of
            frames interpolated up to then.
        complete: Whether the last packet of the stream was there.
        concealed: Frames interpolated up to the block that was read last.
    """

    parts: tuple[tuple[Array, int], ...]
    complete: bool
    concealed: int = 0

    def blocks(self) -> Iterator[Array]:
        """The frames of the parts."""
        for frames, concealed in self.parts:
            self.concealed = concealed
            yield frames


Recording = Source | DecodedSound | DecodedPackets
"""What a `Recognizer` takes."""
