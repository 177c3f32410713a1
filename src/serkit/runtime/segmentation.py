"""Cells -> segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.affect import UNKNOWN, Affect
from serkit.runtime.caution import Caution
from serkit.runtime.decision import decided
from serkit.runtime.smoothing import Cell
from serkit.runtime.timeline import Segment

Array = NDArray[np.float64]


class SegmentBuilder:
    """Joins consecutive cells of one label; borders at pauses. Its memory does not grow.

    Args:
        scores_of: Names the probabilities of the requested labels.
        affect_of: The affect of these scores and of values of the model's dimensions.
        min_confidence: Give no label below this probability.
    """

    def __init__(
        self,
        scores_of: Callable[[Array], dict[str, float]],
        affect_of: Callable[[dict[str, float], Array], Affect],
        min_confidence: float | None,
    ) -> None:
        self._scores_of = scores_of
        self._affect_of = affect_of
        self._min_confidence = min_confidence
        self._key: tuple[str | None, bool, str | None] | None = None
        self._start_s = self._end_s = self._seconds = 0.0
        self._total: Array | None = None
        self._dimensions = np.zeros(0)
        self._cautions: dict[str, Caution] = {}

    def add(self, cell: Cell) -> list[Segment]:
        """Take the next cell; the segments that end before it or with it."""
        ended = []
        if cell.end_s > cell.start_s:
            key = self._key_of(cell)
            if key != self._key:
                ended += self.finish()
                self._key, self._start_s = key, cell.start_s
            self._extend(cell)
        if cell.last:
            ended += self.finish()
        return ended

    def finish(self) -> list[Segment]:
        """The segment that has not ended yet, if there is one."""
        if self._key is None:
            return []
        label, _, reason = self._key
        scores: dict[str, float] = {}
        affect = UNKNOWN
        if self._total is not None:
            scores = self._scores_of(self._total / self._seconds)
            affect = self._affect_of(scores, self._dimensions / self._seconds)
            if label is None:
                _, reason = decided(scores, self._min_confidence)
        segment = Segment(
            self._start_s,
            self._end_s,
            label,
            scores,
            reason,
            tuple(self._cautions.values()),
            affect,
        )
        self._key, self._total, self._seconds, self._cautions = None, None, 0.0, {}
        return [segment]

    def _extend(self, cell: Cell) -> None:
        self._end_s = cell.end_s
        for caution in cell.cautions:
            self._cautions.setdefault(caution.code, caution)
        if cell.probabilities is not None:
            seconds = cell.end_s - cell.start_s
            added, dimensions = seconds * cell.probabilities, seconds * cell.dimensions
            first = self._total is None
            self._total = added if self._total is None else self._total + added
            self._dimensions = dimensions if first else self._dimensions + dimensions
            self._seconds += seconds

    def _key_of(self, cell: Cell) -> tuple[str | None, bool, str | None]:
        """What is the same for all cells of a segment: label, whether there is voice, reason."""
        if cell.probabilities is None:
            return None, False, cell.reason
        label, _ = decided(self._scores_of(cell.probabilities), self._min_confidence)
        return label, True, None


def merged(cautions: Sequence[tuple[Caution, ...]]) -> tuple[Caution, ...]:
    """Cautions of several windows, each code once."""
    first: dict[str, Caution] = {}
    for of_window in cautions:
        for caution in of_window:
            first.setdefault(caution.code, caution)
    return tuple(first.values())
