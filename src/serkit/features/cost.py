"""What a feature recipe takes: operations and memory, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2

from serkit.audio import SAMPLE_RATE

MAX_OPERATIONS = 500_000_000
"""No recipe takes more floating-point operations than this for a second of sound."""

MAX_BYTES = 4_000_000
"""Nor more memory that grows with the sound than this for each second of it."""

MAX_TABLE_BYTES = 128_000_000
"""Nor more for its filter banks, while they are made."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate, within a factor of about two.

    Attributes:
        operations: Floating-point operations for a second of sound.
        bytes: Memory for each second of sound, spectra not counted: those are computed some frames
            at a time.
        table_bytes: Memory for filter banks while they are made.
    """

    operations: float
    bytes: float
    table_bytes: float


@dataclass(frozen=True, slots=True)
class Rows:
    """A descriptor as its cost depends on it.

    Attributes:
        name: Of the descriptor.
        n_rows: Its rows.
        order: Of the slopes.
        n_functionals: Statistics of each row; 0 where the frames are kept.
    """

    name: str
    n_rows: int
    order: int
    n_functionals: int


def cost(descriptors: Iterable[Rows], *, n_fft: int, hop: int, n_mels: int) -> Cost:
    """The cost of a recipe.

    Args:
        descriptors: What is computed.
        n_fft: Length of the transform.
        hop: Distance between frames in samples.
        n_mels: Filters of the mel bank.
    """
    descriptors = list(descriptors)
    names = {rows.name for rows in descriptors}
    chroma = {rows.n_rows for rows in descriptors if rows.name == "chroma"}
    n_bins = n_fft // 2 + 1
    transform = 2.5 * n_fft * log2(n_fft)
    # Of a frame.
    operations, numbers = 2.0 * n_fft, 8.0
    if names & {"mel", "log-mel", "mfcc", "chroma", "shape", "pitch", "voicing"}:
        operations += transform + 4.0 * n_fft
    if names & {"mel", "log-mel", "mfcc"}:
        operations += 2.0 * n_mels * n_bins + 20.0 * n_mels
        numbers += 4.0 * n_mels
    for size in chroma:
        operations += 2.0 * size * n_bins
        numbers += size
    if "shape" in names:
        operations += 60.0 * n_bins
        numbers += 6.0
    if names & {"pitch", "voicing"}:
        operations += transform / 2.0 + 3000.0
        numbers += 3.0
    for rows in descriptors:
        if rows.name == "mfcc":
            operations += 2.0 * rows.n_rows * n_mels
        operations += rows.n_rows * (20.0 * rows.order + 10.0 * rows.n_functionals)
    # Statistics hold several copies of one descriptor's rows; frames that are kept hold all twice.
    numbers += 6.0 * max((rows.n_rows for rows in descriptors), default=0)
    numbers += 2.0 * sum(rows.n_rows for rows in descriptors if not rows.n_functionals)
    frames = SAMPLE_RATE / hop
    largest_bank = max(n_mels * n_bins, *(size * n_fft for size in chroma), 0)
    return Cost(frames * operations, frames * 4.0 * numbers, 4.0 * 8.0 * largest_bank)
