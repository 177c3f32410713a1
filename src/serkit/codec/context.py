"""How likely each coefficient of a block is, told from those already coded.

A block's coefficients are coded a row of equal temporal frequency at a time, the slowest first. A
small network of whole numbers looks at the three rows before and says for each coefficient of the
row how large it may be: the number of a frequency table. All is integer arithmetic, kept exact in
float32 (every sum stays below 2^24), so that encoder and decoder agree on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from serkit.features.whisper import N_MELS

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
# Where bands of components begin whose sums are looked at, and how far to the sides the network
# looks in the row before, the one before that, and the third.
_BANDS = (0, 6, 20)
_REACH = (3, 2, 1)
_MARGIN = max(_REACH)


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def _scaled(self) -> tuple[Floats, Floats, np.float32]:
        """Weights and biases over 2^6, which changes no bit of a sum; the inputs' one is last."""
        unit = np.float32(1 << SHIFT)
        inner = np.concatenate((self.inner, self.inner_bias[:, None]), axis=1).T / unit
        return np.ascontiguousarray(inner), self.outer / unit, np.float32(self.outer_bias) / unit

    def classes(self, inputs: Floats, prior: Floats) -> Integers:
        """The table of each coefficient.

        Args:
            inputs: Shape `[..., 25]`, the last of them one.
            prior: Shape `[...]`.
        """
        inner, outer, outer_bias = self._scaled
        hidden = inputs @ inner
        np.floor(hidden, out=hidden)
        np.maximum(hidden, 0.0, out=hidden)
        np.minimum(hidden, MOST_HIDDEN, out=hidden)
        found = hidden @ outer
        found += outer_bias
        np.floor(found, out=found)
        found += prior
        np.maximum(found, 0.0, out=found)
        np.minimum(found, N_CLASSES - 1, out=found)
        return found.astype(np.int64)


class RowContext:
    """The inputs of the network while a block's rows go by.

    Args:
        model: The network.
        step_level: The quantiser's step, in eighths of a natural logarithm, a whole number.
        kinds: Of the blocks looked at side by side, shape `[n_blocks]`.
    """

    def __init__(self, model: ContextModel, step_level: int, kinds: Integers) -> None:
        n_blocks = len(kinds)
        self._model = model
        self._prior = model.prior[kinds]
        self._prior_in_steps = self._prior - np.float32(step_level)
        self._row = 0
        # Rows before, newest first, with room for the neighbours beyond the edges.
        self._levels = np.zeros((n_blocks, 3, N_MELS + 2 * _MARGIN), np.float32)
        self._neighbours = [
            sliding_window_view(self._levels[:, age, _MARGIN - reach : N_MELS + _MARGIN + reach],
                                2 * reach + 1, axis=1)
            for age, reach in enumerate(_REACH)
        ]  # fmt: skip
        self._sums = np.zeros((n_blocks, 5), np.float32)
        self._faded = np.zeros((n_blocks, N_MELS), np.float32)
        self._inputs = np.ones((n_blocks, N_MELS, N_INPUTS + 1), np.float32)
        self._inputs[:, :, -3] = step_level

    def inputs(self) -> Floats:
        """Of the row that comes next, shape `[n_blocks, 80, 25]`; good until the next is asked."""
        out = self._inputs
        place = 0
        for neighbours in self._neighbours:
            width = neighbours.shape[-1]
            out[:, :, place : place + width] = neighbours
            place += width
        out[:, :, place : place + 5] = np.floor(self._sums * np.float32(0.25))[:, None]
        out[:, :, -5] = self._faded
        out[:, :, -4] = self._prior[:, self._row]
        out[:, :, -2] = self._row
        return out

    def classes(self) -> Integers:
        """The tables of the row that comes next, shape `[n_blocks, 80]`."""
        return self._model.classes(self.inputs(), self._prior_in_steps[:, self._row])

    def take(self, magnitudes: Integers) -> None:
        """Note the row that was coded.

        Args:
            magnitudes: Shape `[n_blocks, 80]`.
        """
        found = _LEVELS[np.minimum(magnitudes, len(_LEVELS) - 1)]
        self._levels[:, 1:] = self._levels[:, :-1]
        self._levels[:, 0, _MARGIN : _MARGIN + N_MELS] = found
        # Of the row, of the one before, and of three bands of the row.
        self._sums[:, 1] = self._sums[:, 0]
        self._sums[:, 2:] = np.add.reduceat(found, _BANDS, axis=1)
        self._sums[:, 0] = self._sums[:, 2:].sum(axis=1)
        self._faded = np.floor(self._faded * np.float32(0.8125)) + found
        self._row += 1
