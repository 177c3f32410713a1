"""Limits on what is in work at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serkit.serving.refusals import DeadlineError, overloaded

_MOST_RETRY_S = 60


class Deadline:
    """The time by which an answer must be there.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latest = time.monotonic() + seconds

    @property
    def rest_s(self) -> float:
        """Seconds that remain.

        Raises:
            DeadlineError: None do.
        """
        rest = self._latest - time.monotonic()
        if rest <= 0.0:
            raise DeadlineError(self._seconds)
        return rest

    def check(self, _: float = 0.0) -> None:
        """Stop a computation that reports its progress in seconds of sound.

        Raises:
            DeadlineError: The time is over.
        """
        _ = self.rest_s


class Admission:
    """Counts the requests in work and waiting; used by one thread.

    Args:
        most: Of them.
        n_workers: Requests in work at once.
    """

    def __init__(self, most: int, n_workers: int) -> None:
        self._most = most
        self._n_workers = n_workers
        self._mean_s = 0.05
        self.pending = 0

    def enter(self) -> None:
        """Take a place.

        Raises:
            RefusedError: All are taken.
        """
        if self.pending >= self._most:
            raise overloaded(
                f"{self.pending} requests are in work or waiting; try again later",
                self.retry_after_s,
            )
        self.pending += 1

    def leave(self, seconds: float) -> None:
        """Give the place back, after a time."""
        self.pending -= 1
        self._mean_s += 0.1 * (seconds - self._mean_s)

    @property
    def retry_after_s(self) -> int:
        """Seconds in which what is pending will have been answered."""
        seconds = self.pending * self._mean_s / self._n_workers
        return max(1, min(_MOST_RETRY_S, math.ceil(seconds)))


class ByteBudget:
    """Bytes of bodies in memory; used by one thread.

    Args:
        most: Bytes at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """The share of one body, which is given back at the end of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            self._used -= share.n_bytes

    def _take(self, n_bytes: int) -> None:
        if self._used + n_bytes > self._most:
            raise overloaded("the bodies of other requests fill the memory for them; try again")
        self._used += n_bytes


class Share:
    """What one body has taken of a `ByteBudget`."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.n_bytes = 0

    def take(self, n_bytes: int) -> None:
        """Take more.

        Raises:
            RefusedError: The budget is spent.
        """
        self._budget._take(n_bytes)
        self.n_bytes += n_bytes
