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
from numpy.lib.stride_tricks import as_strided
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
# A quarter for each component of a sum, by sum: of all components, and of each band.
_QUARTERS = np.zeros((1 + len(_BANDS), N_MELS), np.float32)
_QUARTERS[0] = 0.25
for _band, _first, _end in zip(_QUARTERS[1:], _BANDS, (*_BANDS[1:], N_MELS), strict=True):
    _band[_first:_end] = 0.25
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
        """Weights and biases over 2^6, which is exact; the last column of `inner` is its bias."""
        unit = np.float32(1 << SHIFT)
        inner = np.concatenate((self.inner, self.inner_bias[:, None]), axis=1) / unit
        return inner, self.outer / unit, np.float32(self.outer_bias) / unit

    def classes(self, inputs: Floats, prior: Floats) -> Integers:
        """Select the table of each coefficient.

        Args:
            inputs: Shape `[n_blocks, 25, n]`, the last of the 25 being 1, which takes the bias.
            prior: Expected magnitude relative to the step, shape `[n_blocks, n]`.

        Returns:
            Classes from 0 to 63, shape `[n_blocks, n]`.
        """
        inner, outer, outer_bias = self._scaled
        hidden = inner @ inputs
        np.floor(hidden, out=hidden)
        np.maximum(hidden, 0.0, out=hidden)
        np.minimum(hidden, MAX_HIDDEN, out=hidden)
        output = outer @ hidden
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
        # The previous row, with a margin for neighbours beyond the edges.
        padded = np.zeros((n_blocks, N_MELS + 2 * _MARGIN), np.float32)
        self._levels = padded[:, _MARGIN:-_MARGIN]
        self._neighbours = as_strided(
            padded, (n_blocks, 2 * _MARGIN + 1, N_MELS), (*padded.strides, padded.itemsize)
        )
        self._inputs = np.zeros((n_blocks, N_INPUTS + 1, N_MELS), np.float32)
        self._inputs[:, 22] = step_level
        self._inputs[:, 24] = 1.0

    def inputs(self, n: int = N_MELS) -> Floats:
        """Inputs for the next row, shape `[n_blocks, 25, n]`; overwritten by the next call."""
        inputs = self._inputs
        inputs[:, 21] = self._prior[:, self._row]
        return inputs[:, :, :n]

    def classes(self, n: int) -> Integers:
        """Classes of the first `n` coefficients of the next row, shape `[n_blocks, n]`."""
        return self._model.classes(self.inputs(n), self._prior_in_steps[:, self._row, :n])

    def take(self, magnitudes: Integers) -> None:
        """Advance by a coded row.

        Args:
            magnitudes: Magnitudes of the row, shape `[n_blocks, 80]`.
        """
        inputs = self._inputs
        # The second row's neighbours become the third's, the first's the second's.
        inputs[:, 12:15] = inputs[:, 8:11]
        inputs[:, 7:12] = inputs[:, 1:6]
        _LEVELS.take(magnitudes, out=self._levels, mode="clip")
        inputs[:, 0:7] = self._neighbours
        sums = np.floor(self._levels @ _QUARTERS.T)
        inputs[:, 16] = inputs[:, 15]
        inputs[:, 15] = sums[:, :1]
        inputs[:, 17:20] = sums[:, 1:, None]
        decayed = inputs[:, 20]
        decayed *= np.float32(0.8125)
        np.floor(decayed, out=decayed)
        decayed += self._levels
        self._row += 1
        inputs[:, 23] = self._row
