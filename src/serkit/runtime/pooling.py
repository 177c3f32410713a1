"""Pooling of the columns of a stream, for pictures of recordings of any length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Pooled:
    """At most `most` columns of a stream; whenever there are `most`, pairs are joined.

    Every column but the last joins the same number of pushed columns.

    Args:
        most: Maximum number of columns, even.
        join: How columns are joined: `np.add`, `np.minimum` or `np.maximum`.
    """

    def __init__(self, most: int, join: np.ufunc = np.add) -> None:
        self._most = most
        self._join = join
        self._pool = 1
        self._columns = np.empty((0, most), np.float32)
        self._n_pushed = 0

    @property
    def columns(self) -> Array:
        """The columns so far, shape `[n_rows, n]`, `n <= most`."""
        return self._columns[:, : -(-self._n_pushed // self._pool)]

    @property
    def widths(self) -> Array:
        """Number of pushed columns that each column joins, shape `[n]`."""
        widths = np.full(self.columns.shape[1], self._pool, np.float32)
        if self._n_pushed % self._pool:
            widths[-1] = self._n_pushed % self._pool
        return widths

    def push(self, columns: Array) -> None:
        """Add the next columns, shape `[n_rows, n]`."""
        if not self._n_pushed:
            self._columns = np.empty((len(columns), self._most), np.float32)
        while columns.shape[1]:
            index, begun = divmod(self._n_pushed, self._pool)
            n = min(columns.shape[1], (self._most - index) * self._pool - begun)
            taken, columns = columns[:, :n], columns[:, n:]
            starts = np.maximum(np.arange(-begun, n, self._pool), 0)
            joined = self._join.reduceat(taken, starts, axis=1)
            if begun:
                joined[:, 0] = self._join(self._columns[:, index], joined[:, 0])
            self._columns[:, index : index + joined.shape[1]] = joined
            self._n_pushed += n
            if self._n_pushed == self._most * self._pool:
                pairs = self._join.reduceat(self._columns, np.arange(0, self._most, 2), axis=1)
                self._columns[:, : self._most // 2] = pairs
                self._pool *= 2
