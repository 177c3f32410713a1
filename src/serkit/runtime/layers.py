"""The layers of a network and their arithmetic in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serkit.runtime.packing import Bytes, unpack

Array = NDArray[np.float32]
Activation = Literal["relu", "none"]


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight matrix as integer codes of few bits, and what they stand for.

    Code `c` of row `o` stands for `scale[o] * (c - (2 ** bits - 1) / 2)`: levels an equal step
    apart, as many below zero as above.

    Attributes:
        packed: The codes row by row, packed as `pack` does, uint8.
        bits: Of a code, 1 to 8.
        shape: `(n_outputs, n_inputs)`.
        scale: The step, for each row, or one for all; shape `[n_outputs]` or `[1]`, float32.
    """

    packed: Bytes
    bits: int
    shape: tuple[int, int]
    scale: Array

    @property
    def size(self) -> int:
        """How many weights there are."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def codes(self) -> Bytes:
        """The codes, a byte each, shape `[n_outputs, n_inputs]`; unpacked at the first use."""
        return unpack(self.packed, self.bits, self.size).reshape(self.shape)

    @property
    def middle(self) -> np.float32:
        """The code, between two, that would stand for zero."""
        return np.float32(((1 << self.bits) - 1) / 2)

    def dequantised(self) -> Array:
        """The weights the codes stand for, shape `[n_outputs, n_inputs]`."""
        levels = np.subtract(self.codes, self.middle, dtype=np.float32)
        weights: Array = levels * self.scale[:, None]
        return weights

    def times(self, rows: Array) -> Array:
        """`rows @ weights.T`; the weights are numbers for the time of the call only.

        Args:
            rows: Shape `[n_rows, n_inputs]`.

        Returns:
            Shape `[n_rows, n_outputs]`.
        """
        product: Array = rows @ np.subtract(self.codes, self.middle, dtype=np.float32).T
        product *= self.scale
        return product


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A fully connected layer, `activation(weight @ x + bias)`.

    Attributes:
        weight: Shape `[n_outputs, n_inputs]`, float32, or packed.
        bias: Shape `[n_outputs]`, float32.
        activation: `relu` or `none`.
    """

    weight: Array | PackedWeight
    bias: Array
    activation: Activation = "none"

    @property
    def matrix(self) -> Array:
        """The weights as numbers, shape `[n_outputs, n_inputs]`."""
        if isinstance(self.weight, PackedWeight):
            return self.weight.dequantised()
        return self.weight

    def __call__(self, rows: Array) -> Array:
        """Apply to rows of shape `[n_rows, n_inputs]`."""
        if isinstance(self.weight, PackedWeight):
            out = self.weight.times(rows)
        else:
            out = rows @ self.weight.T
        out += self.bias
        return np.maximum(out, 0.0, out=out) if self.activation == "relu" else out
