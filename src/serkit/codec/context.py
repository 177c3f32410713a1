"""Context model of the entropy coder: a frequency table for each coefficient of a block.

Coefficients are coded row by row, a row being one temporal frequency, the lowest first. A small
integer network predicts from the three previous rows how large each coefficient of the row is and
so selects its table. The arithmetic is exact in float32 (every sum stays below 2^24), so that
encoder and decoder agree on any machine.
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

# The constants of this module were chosen by hand and are part of the format
# (docs/packet-format.md).
N_CLASSES = 64
"""Number of frequency tables."""

N_INPUTS = 24
"""Inputs of the network per coefficient."""

LARGEST = 31
"""Escape symbol: larger magnitudes are coded as this plus a remainder."""

SHIFT = 6
"""Weights and biases are in units of 2^-6."""

MAX_HIDDEN = 1023
"""Upper limit of the hidden units; the lower one is 0."""

# round(8 ln(1 + magnitude)) up to a magnitude of 15.
_LEVELS = np.array([0, 6, 9, 11, 13, 14, 16, 17, 18, 18, 19, 20, 21, 21, 22, 22], np.float32)
# First components of the bands whose levels are summed.
_BANDS = (0, 6, 20)
# Neighbours on either side that the network sees in the previous row, the second and the third.
_REACH = (3, 2, 1)
_MARGIN = max(_REACH)
# No input but the prior exceeds a quarter of the sum of a row's levels.
_MAX_INPUT = float(_LEVELS[-1]) * N_MELS / 4
# Whole numbers below are exact in float32.
_MAX_EXACT = 1 << 24


@dataclass(frozen=True, eq=False)
class ContextModel:
    """The network that selects the tables; all its numbers are whole.

    Attributes:
        prior: Expected magnitude of each coefficient by kind of block, in eighths of a natural
            logarithm, shape `[n_kinds, 32, 80]`.
        inner: Weights of the hidden units, shape `[n_hidden, 24]`.
        inner_bias: Biases of the hidden units, shape `[n_hidden]`.
        outer: Weights of the output, shape `[n_hidden]`.
        outer_bias: Bias of the output.
    """

    prior: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: float

    @property
    def is_exact(self) -> bool:
        """Whether no sum over the inputs or the hidden units can reach 2^24."""
        largest = max(_MAX_INPUT, float(np.abs(self.prior).max()))
        inner = np.abs(self.inner).sum(axis=1, dtype=np.float64) * largest
        outer = float(np.abs(self.outer).sum(dtype=np.float64)) * MAX_HIDDEN
        sums = (float((inner + np.abs(self.inner_bias)).max()), outer + abs(self.outer_bias))
        return max(sums) < _MAX_EXACT

    @cached_property
    def _scaled(self) -> tuple[Floats, Floats, np.float32]:
        """Weights and biases over 2^6, which is exact; the last row of `inner` is its bias."""
        unit = np.float32(1 << SHIFT)
        inner = np.concatenate((self.inner, self.inner_bias[:, None]), axis=1).T / unit
        return np.ascontiguousarray(inner), self.outer / unit, np.float32(self.outer_bias) / unit

    def classes(self, inputs: Floats, prior: Floats) -> Integers:
        """Select the table of each coefficient.

        Args:
            inputs: Shape `[..., 25]`, the last of them 1, which takes the bias.
            prior: Expected magnitude relative to the step, shape `[...]`.

        Returns:
            Classes from 0 to 63, shape `[...]`.
        """
        inner, outer, outer_bias = self._scaled
        hidden = inputs @ inner
        np.floor(hidden, out=hidden)
        np.maximum(hidden, 0.0, out=hidden)
        np.minimum(hidden, MAX_HIDDEN, out=hidden)
        output = hidden @ outer
        output += outer_bias
        np.floor(output, out=output)
        output += prior
        np.maximum(output, 0.0, out=output)
        np.minimum(output, N_CLASSES - 1, out=output)
        return output.astype(np.int64)


class RowContext:
    """Context of several blocks that are coded row by row.

    Args:
        model: The network.
        step_level: Quantiser step in eighths of a natural logarithm, a whole number.
        kinds: Kind of each block, shape `[n_blocks]`.
    """

    def __init__(self, model: ContextModel, step_level: int, kinds: Integers) -> None:
        n_blocks = len(kinds)
        self._model = model
        self._prior = model.prior[kinds]
        self._prior_in_steps = self._prior - np.float32(step_level)
        self._row = 0
        # The three previous rows, newest first, with a margin for neighbours beyond the edges.
        self._levels = np.zeros((n_blocks, 3, N_MELS + 2 * _MARGIN), np.float32)
        self._neighbours = [
            sliding_window_view(self._levels[:, age, _MARGIN - reach : N_MELS + _MARGIN + reach],
                                2 * reach + 1, axis=1)
            for age, reach in enumerate(_REACH)
        ]  # fmt: skip
        self._sums = np.zeros((n_blocks, 5), np.float32)
        self._decayed = np.zeros((n_blocks, N_MELS), np.float32)
        self._inputs = np.ones((n_blocks, N_MELS, N_INPUTS + 1), np.float32)
        self._inputs[:, :, -3] = step_level

    def inputs(self, n: int = N_MELS) -> Floats:
        """Inputs for the next row, shape `[n_blocks, n, 25]`; overwritten by the next call."""
        out = self._inputs[:, :n]
        start = 0
        for neighbours in self._neighbours:
            width = neighbours.shape[-1]
            out[:, :, start : start + width] = neighbours[:, :n]
            start += width
        out[:, :, start : start + 5] = np.floor(self._sums * np.float32(0.25))[:, None]
        out[:, :, -5] = self._decayed[:, :n]
        out[:, :, -4] = self._prior[:, self._row, :n]
        out[:, :, -2] = self._row
        return out

    def classes(self, n: int) -> Integers:
        """Classes of the first `n` coefficients of the next row, shape `[n_blocks, n]`."""
        return self._model.classes(self.inputs(n), self._prior_in_steps[:, self._row, :n])

    def take(self, magnitudes: Integers) -> None:
        """Advance by a coded row.

        Args:
            magnitudes: Magnitudes of the row, shape `[n_blocks, 80]`.
        """
        levels = _LEVELS[np.minimum(magnitudes, len(_LEVELS) - 1)]
        self._levels[:, 1:] = self._levels[:, :-1]
        self._levels[:, 0, _MARGIN : _MARGIN + N_MELS] = levels
        # Sums of the row, of the previous row, and of three bands of the row.
        self._sums[:, 1] = self._sums[:, 0]
        self._sums[:, 2:] = np.add.reduceat(levels, _BANDS, axis=1)
        self._sums[:, 0] = self._sums[:, 2:].sum(axis=1)
        self._decayed = np.floor(self._decayed * np.float32(0.8125)) + levels
        self._row += 1
