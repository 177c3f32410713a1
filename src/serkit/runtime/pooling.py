"""Pictures of recordings of any length: columns are pooled as they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Pooled:
    """Columns of a picture, never more than `most`: when these are full, pairs become one.

    All but the last stand for equally many of the columns pushed.

    Args:
        most: Columns held, an even number.
        join: `np.add`, `np.minimum` or `np.maximum`: what a pair becomes.
    """

    def __init__(self, most: int, join: np.ufunc = np.add) -> None:
        self._most = most
        self._join = join
        self._pool = 1
        self._columns = np.empty((0, most), np.float32)
        self._n_pushed = 0

    @property
    def columns(self) -> Array:
        """The columns so far, shape `[n_rows, n]`, n at most `most`."""
        return self._columns[:, : -(-self._n_pushed // self._pool)]

    @property
    def widths(self) -> Array:
        """How many of the columns pushed each stands for, shape `[n]`."""
        widths = np.full(self.columns.shape[1], self._pool, np.float32)
        if self._n_pushed % self._pool:
            widths[-1] = self._n_pushed % self._pool
        return widths

    def push(self, columns: Array) -> None:
        """Take columns that follow, shape `[n_rows, n]`."""
        if not self._n_pushed:
            self._columns = np.empty((len(columns), self._most), np.float32)
        while columns.shape[1]:
            place, begun = divmod(self._n_pushed, self._pool)
            room = min(columns.shape[1], (self._most - place) * self._pool - begun)
            taken, columns = columns[:, :room], columns[:, room:]
            starts = np.maximum(np.arange(-begun, room, self._pool), 0)
            joined = self._join.reduceat(taken, starts, axis=1)
            if begun:
                joined[:, 0] = self._join(self._columns[:, place], joined[:, 0])
            self._columns[:, place : place + joined.shape[1]] = joined
            self._n_pushed += room
            if self._n_pushed == self._most * self._pool:
                pairs = self._join.reduceat(self._columns, np.arange(0, self._most, 2), axis=1)
                self._columns[:, : self._most // 2] = pairs
                self._pool *= 2
