"""How likely each coefficient of a block is, told from those already coded.

A block's coefficients are coded a row of equal temporal frequency at a time, the slowest first. A
small network of whole numbers looks at the three rows before and says for each coefficient of the
row how large it may be: the number of a frequency table. All is integer arithmetic, kept exact in
float32 (every sum stays below 2^24), so that encoder and decoder agree on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serkit.codec.frontend import N_MELS

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

N_CLASSES = 64
N_INPUTS = 24
LARGEST = 31
"""Magnitudes from here on share a symbol, and the rest of them follows."""

SHIFT = 6
MOST_HIDDEN = 1023

# round(8 ln(1 + magnitude)), up to a magnitude of 15: how surprising one is.
_LEVELS = np.array([0, 6, 9, 11, 13, 14, 16, 17, 18, 18, 19, 20, 21, 21, 22, 22], np.float32)
_BANDS = ((0, 6), (6, 20), (20, N_MELS))
_OFFSETS = ((1, (-3, -2, -1, 0, 1, 2, 3)), (2, (-2, -1, 0, 1, 2)), (3, (-1, 0, 1)))
_MARGIN = 3


@dataclass(frozen=True, slots=True, eq=False)
class ContextModel:
    """The network and its tables' choice.

    Attributes:
        prior: What is expected of each coefficient of each kind of block, in eighths of a natural
            logarithm, shape `[n_kinds, 32, 80]`, whole numbers.
        inner: Weights of the hidden units, shape `[n_hidden, 24]`, whole numbers.
        inner_bias: Shape `[n_hidden]`.
        outer: Weights of the output, shape `[n_hidden]`.
        outer_bias: A whole number.
    """

    prior: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: float

    def classes(self, inputs: Floats, prior: Floats) -> NDArray[np.int64]:
        """The table of each coefficient.

        Args:
            inputs: Shape `[..., 24]`.
            prior: Shape `[...]`.
        """
        hidden = np.floor((inputs @ self.inner.T + self.inner_bias) / (1 << SHIFT))
        np.clip(hidden, 0.0, MOST_HIDDEN, out=hidden)
        found = np.floor((hidden @ self.outer + self.outer_bias) / (1 << SHIFT)) + prior
        return np.clip(found, 0, N_CLASSES - 1).astype(np.int64)


class RowContext:
    """The inputs of the network while a block's rows go by.

    Args:
        model: The network.
        step_level: The quantiser's step, in eighths of a natural logarithm, a whole number.
        kinds: Of the blocks looked at side by side, shape `[n_blocks]`.
    """

    def __init__(self, model: ContextModel, step_level: int, kinds: NDArray[np.int64]) -> None:
        n_blocks = len(kinds)
        self._model = model
        self._prior = model.prior[kinds]
        self._step = step_level
        self._row = 0
        # Rows before, newest first, with room for the neighbours beyond the edges.
        self._levels = np.zeros((n_blocks, 3, N_MELS + 2 * _MARGIN), np.float32)
        self._faded = np.zeros((n_blocks, N_MELS), np.float32)

    def inputs(self) -> Floats:
        """Of the row that comes next, shape `[n_blocks, 80, 24]`."""
        out = np.empty((len(self._levels), N_MELS, N_INPUTS), np.float32)
        place = 0
        for age, offsets in _OFFSETS:
            for offset in offsets:
                first = _MARGIN + offset
                out[:, :, place] = self._levels[:, age - 1, first : first + N_MELS]
                place += 1
        last = self._levels[:, 0, _MARGIN : _MARGIN + N_MELS]
        sums = [last.sum(axis=1), self._levels[:, 1].sum(axis=1)]
        sums += [last[:, low:high].sum(axis=1) for low, high in _BANDS]
        for total in sums:
            out[:, :, place] = np.floor(total / 4.0)[:, None]
            place += 1
        out[:, :, place] = self._faded
        out[:, :, place + 1] = self._prior[:, self._row]
        out[:, :, place + 2] = self._step
        out[:, :, place + 3] = self._row
        return out

    def classes(self) -> NDArray[np.int64]:
        """The tables of the row that comes next, shape `[n_blocks, 80]`."""
        return self._model.classes(self.inputs(), self._prior[:, self._row] - self._step)

    def take(self, magnitudes: NDArray[np.int64]) -> None:
        """Note the row that was coded.

        Args:
            magnitudes: Shape `[n_blocks, 80]`.
        """
        found = _LEVELS[np.minimum(magnitudes, len(_LEVELS) - 1)]
        self._levels[:, 1:] = self._levels[:, :-1]
        self._levels[:, 0, _MARGIN : _MARGIN + N_MELS] = found
        self._faded = np.floor(self._faded * 0.8125) + found
        self._row += 1
