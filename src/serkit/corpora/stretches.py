"""Utterances within long recordings, cut out while the file is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.audio import SAMPLE_RATE
from serkit.corpora.utterances import Utterance

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Position of an utterance in its file, in samples at 16 kHz.

    Attributes:
        start: First sample.
        end: Sample after the last; None for the end of the file.
    """

    start: int
    end: int | None

    @classmethod
    def of(cls, utterance: Utterance) -> Stretch:
        """The stretch of an utterance; the whole file without times."""
        end_s = utterance.end_s
        return cls(
            round((utterance.start_s or 0.0) * SAMPLE_RATE),
            None if end_s is None else round(end_s * SAMPLE_RATE),
        )

    def ends_by(self, place: int) -> bool:
        """Whether it ends at or before a sample."""
        return self.end is not None and self.end <= place


def overlapping(stretches: Sequence[Stretch], most: int) -> set[int]:
    """Indices of the stretches that start while `most` others are open.

    Args:
        stretches: The stretches, in any order.
        most: Largest number of open stretches, not counting those returned.
    """
    beyond: set[int] = set()
    opened: list[Stretch] = []
    for i in sorted(range(len(stretches)), key=lambda i: stretches[i].start):
        opened = [other for other in opened if not other.ends_by(stretches[i].start)]
        if len(opened) < most:
            opened.append(stretches[i])
        else:
            beyond.add(i)
    return beyond


def pieces(
    blocks: Iterable[Samples], stretches: Sequence[Stretch]
) -> Iterator[tuple[int, Samples]]:
    """Cut all stretches out of a recording in one pass.

    Args:
        blocks: Consecutive blocks of 16 kHz samples, as from `serkit.audio.stream`.
        stretches: The stretches, in any order; they may overlap.

    Yields:
        The index of a stretch and its next samples. All blocks are consumed, including those after
        the last stretch.
    """
    waiting = sorted(range(len(stretches)), key=lambda i: stretches[i].start, reverse=True)
    opened: list[int] = []
    place = 0
    for block in blocks:
        while waiting and stretches[waiting[-1]].start < place + len(block):
            opened.append(waiting.pop())
        for i in opened:
            end = stretches[i].end
            first = max(0, stretches[i].start - place)
            piece = block[first : None if end is None else max(0, end - place)]
            if len(piece):
                yield i, piece
        place += len(block)
        opened = [i for i in opened if not stretches[i].ends_by(place)]
