"""Smoothing of probabilities over time, with a delay of a fixed number of cells.

A delay that is fixed makes a stream and a whole recording give the same answer, in constant
memory.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.caution import Caution
from serkit.runtime.timeline import TimelineSettings

Array = NDArray[np.float64]

_LAG = 8
"""Cells that `hmm` looks ahead (chosen by hand)."""

_LEAST = 1e-6
"""Smallest probability that `hmm` takes at its word, so that one window cannot exclude a state."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A piece of a recording with its probabilities, no longer than a hop.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds.
        weight: Its length over the hop.
        probabilities: Shape `[n_labels]`; None without voice, for the `reason`.
        reason: Why there are none.
        cautions: Of its windows.
        last: Whether a segment ends with it in any case. Such a cell may be empty.
        dimensions: Shape `[n_dimensions]`, which is `[0]` without voice; they are not smoothed.
    """

    start_s: float
    end_s: float
    weight: float
    probabilities: Array | None
    reason: str | None = None
    cautions: tuple[Caution, ...] = ()
    last: bool = False
    dimensions: Array = field(default_factory=lambda: np.zeros(0))


class Smoother(Protocol):
    """Takes cells in order and gives them back in order, some time later."""

    def push(self, cell: Cell) -> list[Cell]:
        """Take a cell; the cells that are finished."""

    def finish(self) -> list[Cell]:
        """The remaining cells."""


def smoother(settings: TimelineSettings, n_labels: int) -> Smoother:
    """The smoother that the settings ask for."""
    if settings.smoothing == "median":
        return Median()
    if settings.smoothing == "hmm" and n_labels > 1:
        return HiddenMarkov(n_labels, settings.dwell_s)
    return Unchanged()


class Unchanged:
    """No smoothing."""

    def push(self, cell: Cell) -> list[Cell]:
        """The cell itself."""
        return [cell]

    def finish(self) -> list[Cell]:
        """Nothing is left."""
        return []


class _Delayed:
    """Holds cells until enough later ones are known; cells without voice do not count."""

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._held: deque[Cell] = deque()

    def push(self, cell: Cell) -> list[Cell]:
        """Take a cell; the cells that are finished."""
        self._held.append(cell)
        self._take(cell)
        finished = []
        while sum(one.probabilities is not None for one in self._held) > self._lag:
            finished.append(self._released())
        return finished

    def finish(self) -> list[Cell]:
        """The remaining cells."""
        return [self._released() for _ in range(len(self._held))]

    def _released(self) -> Cell:
        cell = self._held[0]
        if cell.probabilities is not None:
            cell = replace(cell, probabilities=self._smoothed())
        self._held.popleft()
        return cell

    def _take(self, cell: Cell) -> None:
        pass

    def _smoothed(self) -> Array:
        """New probabilities of the first held cell."""
        raise NotImplementedError


class Median(_Delayed):
    """Median of each probability over a cell and its voiced neighbours, renormalised."""

    def __init__(self) -> None:
        super().__init__(1)
        self._before: Array | None = None

    def _smoothed(self) -> Array:
        voiced = [one.probabilities for one in self._held if one.probabilities is not None]
        first, following = voiced[0], voiced[1:2]
        previous = [] if self._before is None else [self._before]
        self._before = first
        # At the ends there are two: the cell counts twice, which leaves it as it is.
        near = [*previous, first, *following]
        if len(near) < 3:
            return first
        median: Array = np.median(near, axis=0)
        return median / median.sum() if median.sum() > 0.0 else first


class HiddenMarkov(_Delayed):
    """Fixed-lag posterior of a hidden Markov model in continuous time.

    The states are the labels. A state lasts `dwell_s` on average and is followed by any other with
    the same probability, so that after t seconds it is the same with probability
    `1/n + (1 - 1/n) exp(-t n / ((n - 1) dwell_s))`. The prior is uniform and the probabilities of
    the model, which are posteriors of a uniform prior, are the likelihoods; one of a cell shorter
    than a hop counts less, by its weight. Rabiner, *A Tutorial on Hidden Markov Models* (1989),
    III.A-B.

    Args:
        n_labels: Number of labels, at least 2.
        dwell_s: Expected duration of a state in seconds.
    """

    def __init__(self, n_labels: int, dwell_s: float) -> None:
        super().__init__(_LAG)
        self._n = n_labels
        self._rate = n_labels / ((n_labels - 1) * dwell_s)
        self._forward: deque[Array] = deque()
        self._newest = np.full(n_labels, 1.0 / n_labels)
        self._latest_s: float | None = None

    def _take(self, cell: Cell) -> None:
        if cell.probabilities is None:
            return
        seconds = 0.0 if self._latest_s is None else _middle(cell) - self._latest_s
        forward = self._after(seconds, self._newest) * _likelihood(cell)
        self._newest = forward / forward.sum()
        self._forward.append(self._newest)
        self._latest_s = _middle(cell)

    def _smoothed(self) -> Array:
        voiced = [cell for cell in self._held if cell.probabilities is not None]
        backward = np.ones(self._n)
        for cell, later in zip(voiced[-2::-1], voiced[:0:-1], strict=True):
            seconds = _middle(later) - _middle(cell)
            backward = self._after(seconds, backward * _likelihood(later))
            backward /= backward.sum()
        posterior = self._forward.popleft() * backward
        normalised: Array = posterior / posterior.sum()
        return normalised

    def _after(self, seconds: float, state: Array) -> Array:
        """The transition matrix, which is symmetric, times a vector."""
        kept = math.exp(-self._rate * seconds)
        after: Array = kept * state + (1.0 - kept) * state.mean()
        return after


def _middle(cell: Cell) -> float:
    return (cell.start_s + cell.end_s) / 2


def _likelihood(cell: Cell) -> Array:
    probabilities = np.ones(1) if cell.probabilities is None else cell.probabilities
    likelihood: Array = np.maximum(probabilities, _LEAST) ** min(1.0, cell.weight)
    return likelihood
